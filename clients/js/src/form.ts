// A form of the page: taken over with its markup as it is, and working without this script by a plain post.

import type { Answer, Options, Refusal, Violation, Words } from "../leadgate";
import { type Entry, drop, hash, keyOf, newKey, waiting } from "./outbox";
import { deliverAlone, tell } from "./send";
import { at, configure, languageOf, typos, withSettings, words } from "./settings";
import type { Note } from "./typo";
import { about, land } from "./visit";

const keyField = "idempotency_key";
const mark = "leadgateOn"; // data-leadgate-on: two copies of the script do not both take a form
const day = 86_400; // seconds
const safeLife = 800; // milliseconds of each second of the key's life, in which it is certain that the gateway knows it

const describedBy = "aria-describedby";

type Field = HTMLInputElement;

/** The forms taken over, each with what shows an earlier entry of it; false if it is not its own, or it is busy. */
const attached = new Map<HTMLFormElement, (entry: Entry) => boolean>();

const door = (form: string, o: Options): string => at(`/v1/forms/${form}/submissions`, o);

function entryOf(form: string, url: string, fields: URLSearchParams, key: string, since: number, o: Options): Entry {
  const print = hash(fields.toString());
  key = keyOf(form, print) ?? key;
  for (const [name, value] of Object.entries({ ...about(since), [keyField]: key })) fields.set(name, value);
  return {
    form, url, key, print, body: fields.toString(), language: languageOf(o),
    until: Date.now() + (o.keyLife ?? day) * safeLife,
  };
}

export async function submit(form: string, fields: Record<string, string | string[]>, options?: Options): Promise<Answer> {
  const o = withSettings(options);
  const entered = new URLSearchParams();
  for (const [name, value] of Object.entries(fields)) for (const one of [value].flat()) entered.append(name, one);
  return (await deliverAlone(entryOf(form, door(form, o), entered, newKey(), 0, o))) as Answer;
}

export function attach(form: HTMLFormElement, options?: Options): () => void {
  const { dataset } = form;
  if (mark in dataset) return () => {};
  dataset[mark] = "";
  const name = dataset.leadgate!;
  const o = withSettings({ ...(dataset as Options), ...options }); // data-language, data-redirect, data-key-life
  const fields = (): Field[] => [...form.elements] as Field[];
  const since = Date.now();
  let busy = false;
  let said: Words = {};
  const learn = async (): Promise<Words> => (said = await words(o));

  const make = (tag: string, kind: string, after?: Element): HTMLElement => {
    const made = document.createElement(tag);
    made.className = "leadgate-" + kind;
    after ? after.after(made) : form.append(made);
    return made;
  };

  const key = make("input", "key") as Field;
  key.type = "hidden";
  key.name = keyField;
  const renew = (): void => void (key.value = newKey());
  renew();
  if (!form.getAttribute("action")) {
    form.action = door(name, o);
    form.method = "post";
  }
  const status = form.querySelector("[data-leadgate-status]") ?? make("p", "status");
  status.setAttribute("role", "status");
  const say = (text = ""): void => void (status.textContent = text);

  const lock = (locked: boolean): void => {
    busy = locked;
    form.setAttribute("aria-busy", String(locked));
    for (const field of fields()) if (field.type === "submit") field.disabled = locked;
  };

  // What is wrong with a field stands behind it, and is read out with it.
  const notes = new Map<Element, () => void>();
  const clear = (field: Element): void => notes.get(field)?.();
  const note: Note = (field, kind, text) => {
    clear(field);
    const made = make("span", kind, field);
    made.id = newKey();
    made.textContent = text;
    const described = field.getAttribute(describedBy);
    field.setAttribute(describedBy, described ? described + " " + made.id : made.id);
    notes.set(field, () => {
      notes.delete(field);
      made.remove();
      field.ariaInvalid = null;
      described ? field.setAttribute(describedBy, described) : field.removeAttribute(describedBy);
    });
    return made;
  };
  const show = (violations: Violation[]): void => {
    const rest: string[] = [];
    for (const violation of violations) {
      const text = said[violation.rule] ?? violation.message;
      const field = fields().findLast(({ name, type }) => name === violation.field && type !== "hidden");
      if (field) {
        note(field, "error", text);
        field.ariaInvalid = "true";
      } else {
        rest.push(text);
      }
    }
    say([said.check, ...rest].join(" "));
    fields().find((field) => field.ariaInvalid)?.focus();
  };

  // An earlier entry is one from before a reload: the visitor may have entered something else since, which stays.
  const run = async (entry: Entry, earlier = false): Promise<void> => {
    lock(true);
    try {
      const sent = deliverAlone(entry, earlier);
      sent.catch(() => {}); // seen below
      await learn();
      if (tell(form, "sending", entry)) say(said.sending);
      const answer = await sent;
      if (!answer) return say(); // another tab is at work on it
      const { queued } = answer;
      if (tell(form, queued ? "queued" : "success", answer)) {
        say(queued ? said.queued : said.sent);
        if (!earlier) form.reset();
        if (!queued && o.redirect) location.href = o.redirect;
      }
      renew();
    } catch (error) {
      const refused = error as Refusal;
      const { violations } = refused;
      if (tell(form, violations[0] ? "invalid" : "error", refused)) violations[0] ? show(violations) : say(said.failed);
    } finally {
      lock(false);
    }
  };

  const onSubmit = (event: SubmitEvent): void => {
    if (event.defaultPrevented) return;
    event.preventDefault();
    if (busy) return;
    for (const clear of notes.values()) clear();
    const entered = new URLSearchParams();
    for (const [field, value] of new FormData(form, event.submitter)) {
      if (typeof value === "string" && field !== keyField) entered.append(field, value);
    }
    run(entryOf(name, form.action, entered, key.value, since, o));
  };

  const onChange = async ({ target }: Event): Promise<void> => {
    const field = target as Field;
    if (field.type !== "email") return;
    (await typos(o))?.suggest(field, note, (await learn()).suggest!);
  };

  const onInput = ({ target }: Event): void => clear(target as Element);
  const attachment = new AbortController(); // its signal makes it the options of a listener that it takes away
  form.addEventListener("submit", onSubmit, attachment);
  form.addEventListener("change", onChange, attachment);
  form.addEventListener("input", onInput, attachment);
  form.addEventListener("reset", renew, attachment);

  attached.set(form, (entry) => {
    if (entry.form !== name || busy) return false;
    run(entry, true);
    return true;
  });
  return () => {
    attachment.abort();
    attached.delete(form);
    delete dataset[mark];
    key.remove();
  };
}

/** Sends what waits on this device, shown in its form if the page has it. What is too old to be sent safely is given up. */
export function flush(): void {
  for (const [entry, alive] of waiting()) {
    if (!alive) {
      drop(entry);
      tell(document, "expired", entry);
    } else if (![...attached].some(([form, take]) => form.isConnected && take(entry))) {
      deliverAlone(entry, true).then(
        (answer) => answer && tell(document, answer.queued ? "queued" : "success", answer),
        (refused) => tell(document, "error", refused),
      );
    }
  }
}

export function start(): void {
  land();
  const scan = (): void => document.querySelectorAll<HTMLFormElement>("form[data-leadgate]").forEach((form) => attach(form));
  const begin = (): void => {
    scan();
    flush();
  };
  document.readyState === "loading" ? addEventListener("DOMContentLoaded", begin) : begin();
  addEventListener("focusin", scan); // forms that came later
  addEventListener("online", flush);
}

export { configure };
