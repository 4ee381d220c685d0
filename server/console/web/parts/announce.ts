// What was done, said once: in a corner for the eye, politely for a screen reader.

import { h } from "../dom";

/** How long a note stays, in milliseconds. */
const STAYS = 6_000;

const region = h("div", { class: "notes", role: "status", "aria-live": "polite" });

export const notes = (): HTMLElement => region;

export function announce(text: string, tone: "success" | "failing" = "success"): void {
  const note = h("p", { class: `toast ${tone}` }, h("span", { class: `state ${tone}`, "aria-hidden": "true" }, tone === "success" ? "●" : "▲"), " ", text);
  region.append(note);
  while (region.childElementCount > 3) region.firstElementChild?.remove();
  setTimeout(() => note.remove(), STAYS);
}
