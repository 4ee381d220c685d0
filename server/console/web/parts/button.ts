// A button for an action at the gateway: busy while it runs, then the result is announced. It is not disabled meanwhile, since keyboard
// users would lose their place.

import { h, set } from "../dom";
import { messageOf } from "../api";
import { announce, type Done } from "./announce";

export interface Deed {
  readonly label: string;
  /** name distinguishes buttons with the same label for screen readers. */
  readonly name?: string;
  readonly kind?: "primary" | "danger" | "quiet";
  /** run performs the action and describes what was done. */
  readonly run: () => Promise<Done>;
}

export function button(deed: Deed): HTMLButtonElement {
  const element = h("button", { type: "button", class: deed.kind ?? "", "aria-label": deed.name, "data-key": `button ${deed.name ?? deed.label}` }, deed.label);
  let busy = false;
  const lock = (locked: boolean): void => {
    busy = locked;
    set(element, { "aria-disabled": locked && "true", "aria-busy": locked && "true" });
  };
  element.addEventListener("click", () => {
    if (busy) return;
    lock(true);
    deed
      .run()
      .then((done) => announce(done))
      .catch((error: unknown) => announce(messageOf(error), "failing"))
      .finally(() => lock(false));
  });
  return element;
}
