// Sending the form. The page makes its idempotency key when it loads and when something is changed, so that however often the
// button is pressed, one lead is made.

import { h, query, swap } from "../../console/web/dom";
import { state, type Tone } from "../../console/web/words";
import type { Toggles } from "./toggles";

interface Answer {
  readonly status: number;
  readonly detail?: string;
  readonly violations?: { field: string; message: string }[];
}

const form = query(document, "#form") as HTMLFormElement;
const key = query(document, "#key") as HTMLInputElement;
const send = query(document, "#send") as HTMLButtonElement;
let busy = false;

export function listenToForm(toggles: Toggles): void {
  newKey();
  form.addEventListener("input", newKey);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!busy) void submit(toggles.doubleClick ? 2 : 1);
  });
}

function newKey(): void {
  key.value = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function post(): Promise<Answer> {
  const fields = Object.fromEntries([...new FormData(form)].filter(([, value]) => value !== ""));
  const response = await fetch(form.action, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(fields) });
  return { ...((await response.json()) as Omit<Answer, "status">), status: response.status };
}

async function submit(times: number): Promise<void> {
  showProblems([]);
  lock(true);
  try {
    const answers = await Promise.all(Array.from({ length: times }, post));
    const replayed = answers.filter((answer) => answer.status === 200).length;
    const refused = answers.find((answer) => answer.status >= 400);
    if (refused) {
      const marked = showProblems(refused.violations ?? []);
      say(marked ? "Please check what is marked." : (refused.detail ?? "That did not work."), "failing");
      marked?.focus();
    } else if (times > 1) {
      say(`${times} requests, ${times - replayed} new lead${times - replayed === 1 ? "" : "s"}: ${replayed} answered as a replay.`, "success");
    } else {
      say(replayed ? "Received before: still one lead." : "Thank you. We have it.", "success");
    }
  } catch {
    say("The gateway cannot be reached. Nothing is lost: press Send again.", "failing");
  }
  lock(false);
}

/** lock keeps the form from being sent. The button stays where the keyboard is. */
function lock(locked: boolean): void {
  busy = locked;
  send.setAttribute("aria-disabled", String(locked));
}

function say(text: string, tone: Tone): void {
  swap(query(document, "#answer"), state({ word: text, tone }));
}

/**
 * showProblems shows each problem behind its field's label, whose text is the field's name, and what belongs to none below. It
 * returns the first field that has one.
 */
function showProblems(violations: { field: string; message: string }[]): HTMLElement | null {
  for (const old of form.querySelectorAll(".field-problem")) old.remove();
  for (const input of form.querySelectorAll("[aria-invalid]")) {
    input.removeAttribute("aria-invalid");
    input.removeAttribute("aria-describedby");
  }
  const rest: string[] = [];
  for (const { field, message } of violations) {
    const input = form.elements.namedItem(field);
    if (!(input instanceof HTMLElement)) {
      rest.push(message);
      continue;
    }
    input.setAttribute("aria-invalid", "true");
    input.setAttribute("aria-describedby", `problem-${field}`);
    (input.closest("label") ?? input).after(h("span", { class: "field-problem", id: `problem-${field}` }, message));
  }
  const problems = query(document, "#problems");
  swap(problems, rest.join(" "));
  problems.hidden = rest.length === 0;
  return form.querySelector<HTMLElement>("[aria-invalid]");
}
