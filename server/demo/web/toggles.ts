// Three ways to make it harder: a visitor who double-clicks, a CRM that is down, a field that somebody renamed.

import { h, query, set, write } from "../../console/web/dom";

/** What somebody calls the field for the company from one day to the next. */
const RENAMED = "organisation";

export class Toggles {
  /** doubleClick says that every Send is sent twice. */
  doubleClick = false;

  constructor(list: HTMLElement) {
    const company = query(document, "#company") as HTMLInputElement;
    const usual = company.name;
    list.append(
      toggle("double", "Double-click for me", "each Send goes out twice at once", (on) => {
        this.doubleClick = on;
      }),
      down(),
      toggle("rename", "Rename a field", `“${usual}” becomes “${RENAMED}” overnight`, (on) => {
        company.name = on ? RENAMED : usual;
        company.dispatchEvent(new Event("input", { bubbles: true })); // another submission than before
      }),
    );
  }
}

function toggle(id: string, label: string, hint: string, change: (on: boolean) => void): HTMLLIElement {
  const button = h("button", { type: "button", id, role: "switch", "aria-checked": "false", "aria-describedby": `${id}-hint` }, h("span", { class: "knob", "aria-hidden": "true" }), h("span", {}, label));
  button.addEventListener("click", () => {
    const on = button.getAttribute("aria-checked") !== "true";
    set(button, { "aria-checked": on ? "true" : "false" });
    change(on);
  });
  return h("li", {}, button, h("span", { class: "muted hint", id: `${id}-hint` }, hint));
}

/** down is the toggle that takes the CRM down; it goes back by itself. */
function down(): HTMLLIElement {
  const hint = "leads wait, and arrive when it is back";
  const item = toggle("down", "Take the CRM down for 20 s", hint, (on) => {
    void fetch("/demo/crm/down", { method: on ? "POST" : "DELETE" });
    clearInterval(timer);
    const until = Date.now() + 20_000;
    const tick = (): void => {
      const left = Math.ceil((until - Date.now()) / 1000);
      write(note, on && left > 0 ? `down, back in ${left} s` : hint);
      if (left > 0) return;
      clearInterval(timer);
      set(button, { "aria-checked": "false" });
    };
    if (on) timer = setInterval(tick, 250);
    tick();
  });
  const button = query(item, "button");
  const note = query(item, ".hint");
  let timer: number | undefined;
  return item;
}
