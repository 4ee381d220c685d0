// A form of the page: taken over with its markup as it is, so that it also works without this script, by a plain post.

import type { Answer, Fields, Options, Refusal, Violation, Words } from "../leadgate";
import { itself, tell } from "./dom";
import { type Entry, hash, newKey, same } from "./outbox";
import { at, configure, languageOf, typos, withSettings, words } from "./settings";
import type { Note } from "./typo";
import { about, land } from "./visit";
import { attached, flush, send } from "./waiting";

const keyField = "idempotency_key";
const mark = "leadgateOn"; // data-leadgate-on: keeps two copies of the script from taking over the same form
const day = 86_400; // seconds
const safeLife = 800; // milliseconds of each second of the key's life during which the gateway surely knows it

// Fields that pages set anew for each attempt; the visitor did not enter them. The gateway knows more of them.
const anew = /captcha|^hidden .*([cx]srf|token|nonce|turnstile|time|_(at|ts)$)/i;

const describedBy = "aria-describedby";

type Field = HTMLInputElement;
type Value = string | number | boolean | File | null | undefined;

const door = (form: string, o: Options): string => at(`/v1/forms/${form}/submissions`, o);

/** The entry for the fields: under the key with which the same content was sent before, or a fresh one. */
function entryOf(form: string, url: string, fields: URLSearchParams, entered: string, fresh: string, since: number, o: Options): Entry {
  const print = hash(entered);
  const { key, until } = same(form, print) ?? { key: fresh, until: 0 };
  for (const [name, value] of Object.entries({ ...about(since), [keyField]: key })) fields.set(name, value);
  return {
    form, url, key, print, body: fields.toString(), language: languageOf(o),
    life: (o.keyLife ?? day) * safeLife, until, fleeting: `${o.queue}` === "false",
  };
}

/** What is sent of fields: of a file only its name, of missing values nothing. The key is left out. */
function written(fields: FormData | [string, Value | Value[]][]): URLSearchParams {
  const all = new URLSearchParams();
  for (const [name, value] of fields) {
    if (name !== keyField) for (const one of [value].flat()) all.append(name, ((one as File)?.name ?? one ?? "") as string);
  }
  return all;
}

export async function submit(form: string, fields: Fields, options?: Options): Promise<Answer> {
  const o = withSettings(options);
  const entered = written(fields instanceof FormData ? fields : Object.entries(fields));
  return (await send(entryOf(form, door(form, o), entered, `${entered}`, newKey(), 0, o))) as Answer;
}

export function attach(markup: HTMLFormElement, options?: Options, since = Date.now()): () => void {
  const form = itself(markup);
  const { dataset } = form;
  if (mark in dataset) return () => {};
  dataset[mark] = "";
  const name = dataset.leadgate!;
  // Read on use: configure may be called later. data-language, data-redirect, data-key-life, data-queue
  const o = (): Options => withSettings({ ...(dataset as Options), ...options });
  const fields = (): Field[] => [...form.elements] as Field[];
  let busy = false;
  let said: Words = {};
  const learn = async (): Promise<Words> => (said = await words(o()));

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
  const place = form.querySelector("[data-leadgate-status]");
  const status = place ?? make("p", "status");
  status.setAttribute("role", "status");
  const say = (text = ""): void => void (status.textContent = text);

  const lock = (locked: boolean): void => {
    busy = locked;
    form.setAttribute("aria-busy", String(locked));
    for (const field of fields()) if (field.type === "submit") field.ariaDisabled = String(locked); // keeps the focus on the button
  };

  // An error is shown after its field, or after the label around it, whose text is the field's name. Screen readers read it with the
  // field.
  const notes = new Map<Element, () => void>();
  const clear = (field: Element): void => notes.get(field)?.();
  const note: Note = (field, kind, text) => {
    clear(field);
    const made = make("span", kind, field.closest("label") ?? field);
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

  const run = async (entry: Entry): Promise<void> => {
    lock(true);
    try {
      const sent = send(entry) as Promise<Answer>;
      sent.catch(() => {}); // handled below
      await learn();
      if (tell(form, "sending", entry)) say(said.sending);
      const answer = await sent;
      const { queued } = answer;
      const { redirect } = o();
      if (tell(form, queued ? "queued" : "success", answer)) {
        say(queued ? said.queued : said.sent);
        form.reset();
        if (!queued && redirect) location.href = redirect;
      }
      renew();
    } catch (error) {
      const refused = error as Refusal;
      const { violations = [] } = refused;
      if (tell(form, violations[0] ? "invalid" : "error", refused)) violations[0] ? show(violations) : say(said.failed);
    } finally {
      lock(false);
    }
  };

  // An earlier entry is from before a reload or a lost connection. The visitor may be entering something else by now, which must not be
  // disturbed.
  attached.set(form, async (event, detail) => {
    await learn();
    if (tell(form, event, detail) && !busy) say(said[event === "success" ? "sent" : event === "queued" ? event : "expired"]);
  });

  const onSubmit = (event: SubmitEvent): void => {
    if (event.defaultPrevented) return;
    event.preventDefault();
    if (busy) return;
    for (const clear of notes.values()) clear();
    const all = written(new FormData(markup, event.submitter));
    const entered = new URLSearchParams(all);
    for (const { type, name } of fields()) if (anew.test(type + " " + name)) entered.delete(name);
    const url = form.getAttribute("action") ? form.action : door(name, o());
    run(entryOf(name, url, all, `${entered}`, key.value, since, o()));
  };

  const onChange = async ({ target }: Event): Promise<void> => {
    const field = target as Field;
    if (field.type !== "email") return;
    (await typos(o()))?.suggest(field, note, (await learn()).suggest!);
  };

  const onInput = ({ target }: Event): void => clear(target as Element);
  const attachment = new AbortController(); // its signal, passed in the options of listeners, removes them
  form.addEventListener("submit", onSubmit, attachment);
  form.addEventListener("change", onChange, attachment);
  form.addEventListener("input", onInput, attachment);
  form.addEventListener("reset", renew, attachment);

  return () => {
    attachment.abort();
    attached.delete(form);
    delete dataset[mark];
    for (const clear of notes.values()) clear();
    key.remove();
    place || status.remove();
  };
}

export function start(): void {
  land();
  const scan = (since?: number): void =>
    document.querySelectorAll<HTMLFormElement>("form[data-leadgate]").forEach((form) => attach(form, {}, since));
  const begin = (): void => {
    scan();
    flush();
  };
  const { readyState } = document;
  if (readyState !== "loading") scan();
  // Later scripts may still want to listen for what became of earlier entries.
  readyState === "complete" ? flush() : ["DOMContentLoaded", "load"].forEach((event) => addEventListener(event, begin));
  // Forms added later, even in an open shadow root, and forms submitted without ever having had the focus, by a program or a button that
  // takes none. It is unknown since when those were visible.
  addEventListener("focusin", (event) => {
    const { form } = event.composedPath()[0] as Field;
    form?.dataset?.leadgate && attach(form);
  });
  addEventListener("submit", () => scan(0), true);
  addEventListener("online", flush);
}

export { configure };
