// The reader's place on a page, stored with its history entry: whoever follows a link out of a long list and comes back is at the same
// row again, with the same details open.

import { focusSpot, spotIn, type Spot } from "./dom";

export interface Stay {
  readonly y: number;
  /** open are the data-keys of the details that were open. */
  readonly open: string[];
  readonly focus: Spot | undefined;
}

/** How long a view may take to show its content again, in milliseconds. */
const PATIENCE = 3_000;

const details = (root: Element): HTMLDetailsElement[] => [...root.querySelectorAll<HTMLDetailsElement>("details[data-key]")];

export const stayIn = (root: Element): Stay => ({ y: scrollY, open: details(root).filter((d) => d.open).map((d) => d.dataset.key ?? ""), focus: spotIn(root) });

/** comeBack restores a stay as soon as its content is there, unless the reader does something else meanwhile. */
export function comeBack(root: Element, stay: Stay, leave: AbortSignal): void {
  const end = new AbortController();
  const stop = (): void => end.abort();
  const { signal } = end;
  const missing = new Set(stay.open);
  let focused = stay.focus === undefined;
  const look = (): void => {
    for (const one of details(root)) if (missing.delete(one.dataset.key ?? "")) one.open = true;
    scrollTo(0, stay.y);
    if (stay.focus) focused ||= focusSpot(root, stay.focus);
    if (missing.size === 0 && focused && Math.abs(scrollY - stay.y) < 2) stop();
  };
  const watch = new MutationObserver(look);
  watch.observe(root, { childList: true, subtree: true });
  signal.addEventListener("abort", () => watch.disconnect());
  for (const hand of ["wheel", "pointerdown", "keydown"]) addEventListener(hand, stop, { signal });
  leave.addEventListener("abort", stop, { signal });
  setTimeout(stop, PATIENCE);
  look();
}
