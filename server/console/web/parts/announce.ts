// Announces once what was done: in a corner for the eye, politely for a screen reader. What can be undone has a button for it; an error
// stays until somebody has read it.

import { h } from "../dom";

/** How long a note stays, in milliseconds. */
const STAYS = 6_000;
/** How long a note with an undo button stays: long enough to notice a mistake. */
const STAYS_WITH_UNDO = 20_000;

/** Done describes what was done; an empty text announces nothing. undo undoes it and describes that. */
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

/** leaveAfter removes a note after a while, but not while the pointer or the focus is on it. */
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
