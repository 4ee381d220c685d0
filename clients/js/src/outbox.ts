// What is kept on the visitor's device so that one submission makes one lead across reloads, tabs and lost connections: submissions
// without an answer, and a hash of those with one. No cookies.

/** A submission that is on its way, or that has arrived. */
export interface Entry {
  form: string;
  url: string;
  key: string;
  /** urlencoded, as a browser would send it; empty once it has arrived. */
  body: string;
  /** Hash of what the visitor entered. */
  print: number;
  language: string;
  /** How long the gateway surely knows the key, in milliseconds. */
  life: number;
  /**
   * When it is given up, because that time is over, in milliseconds since 1970; 0 if it was never sent, so that it cannot be a
   * duplicate.
   */
  until: number;
  /** Whether it must not be stored on this device: then only its hash is. */
  fleeting: boolean;
}

const item = "leadgate";
const most = 50; // entries, not counting those that wait

let memory = "[]"; // for this page only, while storage is forbidden or full
let stored = true;

function read(): Entry[] {
  try {
    if (stored) memory = localStorage[item] ?? memory;
  } catch {} // forbidden
  return JSON.parse(memory);
}

function write(entries: Entry[]): void {
  memory = JSON.stringify(entries);
  try {
    localStorage[item] = memory;
    stored = true;
  } catch {
    stored = false;
  }
}

const alive = ({ body, until }: Entry): boolean => (until ? until > Date.now() : !!body);

/** The entries without an answer; those that are not alive must be given up. */
export const waiting = (): [entry: Entry, alive: boolean][] => read().flatMap((entry) => (entry.body ? [[entry, alive(entry)]] : []));

/** Stores an entry, replacing the one with its key; without its content if it was answered. */
export function keep(entry: Entry, answered = false): void {
  drop(entry);
  write([...read(), answered || entry.fleeting ? { ...entry, body: "" } : entry].filter(({ body }, i, all) => body || all.length - i <= most));
}

/** Removes an entry. */
export function drop({ key }: Entry): void {
  write(read().filter((one) => one.key !== key && (one.body || alive(one))));
}

/** The entry with which the same content was already sent, in this tab or another. */
export const same = (form: string, print: number): Entry | undefined =>
  read().find((one) => one.form === form && one.print === print && alive(one));

/** A hash (FNV-1a): it distinguishes one visitor's submissions and hides nothing. */
export function hash(text: string): number {
  let h = 0x811c9dc5;
  for (const char of text) h = Math.imul(h ^ char.codePointAt(0)!, 0x01000193);
  return h;
}

/** A unique key. randomUUID exists only on pages served over TLS. */
export const newKey = (): string => crypto.randomUUID?.() ?? crypto.getRandomValues(new Uint32Array(4)).join("-");
