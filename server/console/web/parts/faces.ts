// What is shown in place of content: loading, empty, failed.

import { h, swap, type Child } from "../dom";
import { isAbort, isAway, messageOf, reached } from "../api";

/** Loading that takes less time than this is not shown, in milliseconds: a flicker looks like trouble. */
const PATIENCE = 300;

export const empty = (title: string, ...more: Child[]): HTMLElement => h("div", { class: "face" }, h("p", { class: "face-title" }, title), ...more);

/** fail shows a failure once: a screen reader would read the same alert out again. */
export function fail(element: HTMLElement, what: string, error: unknown, retry: () => void): void {
  const key = `${what}: ${messageOf(error)}`;
  if (element.querySelector<HTMLElement>("[role=alert]")?.dataset.failure !== key) swap(element, failed(what, error, retry));
}

export function failed(what: string, error: unknown, retry: () => void): HTMLElement {
  return h(
    "div",
    { class: "face", role: "alert", "data-failure": `${what}: ${messageOf(error)}` },
    h("p", { class: "face-title state failing" }, h("span", { class: "shape", "aria-hidden": "true" }, "▲"), what),
    h("p", {}, messageOf(error)),
    h("p", {}, h("button", { type: "button", click: retry }, "Try again")),
  );
}

function skeleton(): HTMLElement {
  return h("div", { class: "skeleton", role: "status" }, h("span", { class: "hidden" }, "Loading"), h("i"), h("i"), h("i"));
}

/** shownIn is what each element shows, as JSON: the same content is not recreated, which would lose a selection in it. */
const shownIn = new WeakMap<HTMLElement, string>();
/** tryAgain cancels waiting for the gateway's return to fill an element. */
const tryAgain = new WeakMap<HTMLElement, AbortController>();

/**
 * fill requests something and shows it in an element, with placeholders while it loads and if it fails. What is already shown stays
 * until there is something better; while the gateway is away, the bar above the view says so.
 */
export async function fill<T>(element: HTMLElement, what: string, signal: AbortSignal, ask: () => Promise<T>, draw: (value: T) => Child): Promise<void> {
  const shown = element.childElementCount > 0;
  if (!shown) shownIn.delete(element);
  tryAgain.get(element)?.abort();
  const timer = setTimeout(() => !shown && swap(element, skeleton()), PATIENCE);
  try {
    const value = await ask();
    const key = JSON.stringify(value);
    if (signal.aborted || shownIn.get(element) === key) return;
    swap(element, draw(value));
    shownIn.set(element, key);
  } catch (error) {
    if (isAbort(error) || signal.aborted) return;
    const again = (): void => void fill(element, what, signal, ask, draw);
    if (isAway(error)) {
      const wait = new AbortController();
      tryAgain.set(element, wait);
      reached.addEventListener("reached", again, { once: true, signal: AbortSignal.any([wait.signal, signal]) });
      if (shownIn.has(element)) return;
    }
    shownIn.delete(element);
    fail(element, what, error, again);
  } finally {
    clearTimeout(timer);
  }
}
