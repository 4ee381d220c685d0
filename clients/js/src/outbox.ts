// What is kept on the visitor's device, so that one submission makes one lead across reloads, tabs and lost connections:
// submissions without an answer yet, and of those with one only a hash. No cookies.

/** A submission on its way, or one that arrived. */
export interface Entry {
  form: string;
  url: string;
  key: string;
  /** urlencoded, as a browser would send it; empty once it arrived. */
  body: string;
  /** Hash of what the visitor entered. */
  print: number;
  language: string;
  /** How long the gateway surely knows its key, in milliseconds. */
  life: number;
  /** When it is given up, because that is over, in milliseconds since 1970. 0 while it was never sent: then it is no double. */
  until: number;
  /** Whether it must not wait on this device: then nothing is kept of it but the hash. */
  fleeting: boolean;
}

const item = "leadgate";
const most = 50; // entries, but for those that wait

let memory = "[]"; // of this page alone, while storage is forbidden or full
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

/** The entries that have no answer yet, of which those that are not alive must be given up. */
export const waiting = (): [entry: Entry, alive: boolean][] => read().flatMap((entry) => (entry.body ? [[entry, alive(entry)]] : []));

/** Keeps an entry in place of the one with its key, if there is one; once it was answered without its content. */
export function keep(entry: Entry, answered = false): void {
  drop(entry);
  write([...read(), answered || entry.fleeting ? { ...entry, body: "" } : entry].filter(({ body }, i, all) => body || all.length - i <= most));
}

/** Forgets an entry. */
export function drop({ key }: Entry): void {
  write(read().filter((one) => one.key !== key && (one.body || alive(one))));
}

/** The entry with which this content went out already, in this tab or another. */
export const same = (form: string, print: number): Entry | undefined =>
  read().find((one) => one.form === form && one.print === print && alive(one));

/** A hash (FNV-1a): it tells two submissions of one visitor apart, and hides nothing. */
export function hash(text: string): number {
  let h = 0x811c9dc5;
  for (const char of text) h = Math.imul(h ^ char.codePointAt(0)!, 0x01000193);
  return h;
}

/** A key that no other submission has. randomUUID exists only where the page came over TLS. */
export const newKey = (): string => crypto.randomUUID?.() ?? crypto.getRandomValues(new Uint32Array(4)).join("-");
