// The faces of what is not there: loading, empty, failed.

import { h, swap, type Child } from "../dom";
import { isAbort, messageOf } from "../api";

/** Loading that ends sooner than this is not shown, in milliseconds: a flicker reads as trouble. */
const PATIENCE = 300;

export const empty = (title: string, ...more: Child[]): HTMLElement => h("div", { class: "face" }, h("p", { class: "face-title" }, title), ...more);

export function failed(what: string, error: unknown, retry: () => void): HTMLElement {
  return h(
    "div",
    { class: "face", role: "alert" },
    h("p", { class: "face-title state failing" }, h("span", { class: "shape", "aria-hidden": "true" }, "▲"), what),
    h("p", {}, messageOf(error)),
    h("p", {}, h("button", { type: "button", click: retry }, "Try again")),
  );
}

function skeleton(): HTMLElement {
  return h("div", { class: "skeleton", role: "status" }, h("span", { class: "hidden" }, "Loading"), h("i"), h("i"), h("i"));
}

/**
 * fill asks for something and shows it in an element, with a face while it takes and when it fails. What is shown already
 * stays until there is something better.
 */
export async function fill<T>(element: HTMLElement, what: string, signal: AbortSignal, ask: () => Promise<T>, draw: (value: T) => Child): Promise<void> {
  const shown = element.childElementCount > 0;
  const timer = setTimeout(() => !shown && swap(element, skeleton()), PATIENCE);
  try {
    const value = await ask();
    if (!signal.aborted) swap(element, draw(value));
  } catch (error) {
    if (!isAbort(error) && !signal.aborted) swap(element, failed(what, error, () => void fill(element, what, signal, ask, draw)));
  } finally {
    clearTimeout(timer);
  }
}
