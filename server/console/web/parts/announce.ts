// What was done, said once: in a corner for the eye, politely for a screen reader. What can be taken back has a button for it;
// what went wrong stays until somebody has read it.

import { h } from "../dom";

/** How long a note stays, in milliseconds. */
const STAYS = 6_000;
/** And one with a button: long enough to see that it was the wrong thing. */
const STAYS_WITH_UNDO = 20_000;

/** Done is what was done, in words; an empty text says nothing. undo takes it back, and says so. */
export type Done = string | { readonly text: string; readonly undo: () => Promise<string> };

const region = h("div", { class: "notes", role: "status", "aria-live": "polite" });

export const notes = (): HTMLElement => region;

export function announce(done: Done, tone: "success" | "failing" = "success"): void {
  const { text, undo } = typeof done === "string" ? { text: done, undo: undefined } : done;
  if (!text) return;
  const note = h("p", { class: `toast ${tone}` }, h("span", { class: `state ${tone}`, "aria-hidden": "true" }, tone === "success" ? "●" : "▲"), h("span", {}, text));
  if (undo) note.append(undoButton(note, undo));
  if (tone === "failing") note.append(h("button", { type: "button", class: "quiet", click: () => note.remove() }, "Dismiss"));
  region.append(note);
  while (region.childElementCount > 3) region.firstElementChild?.remove();
  if (tone !== "failing") leaveAfter(note, undo ? STAYS_WITH_UNDO : STAYS);
}

/** leaveAfter takes a note away after a while, but not from under the reader's hands. */
function leaveAfter(note: HTMLElement, wait: number): void {
  setTimeout(() => (note.matches(":hover, :focus-within") ? leaveAfter(note, STAYS) : note.remove()), wait);
}

function undoButton(note: HTMLElement, undo: () => Promise<string>): HTMLButtonElement {
  const button = h("button", { type: "button", class: "quiet" }, "Undo");
  button.addEventListener("click", () => {
    button.disabled = true;
    undo()
      .then((text) => announce(text))
      .catch((error: unknown) => announce(error instanceof Error ? error.message : String(error), "failing"))
      .finally(() => note.remove());
  });
  return button;
}
