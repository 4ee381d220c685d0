// Keyboard shortcuts: / or ⌘K searches, g and a letter opens a tab, j and k move between rows, Enter opens (rows are links), Escape
// closes, ? shows this help.

import { h } from "./dom";
import { tell } from "./parts/ask";
import { go, pathTo } from "./router";

/** How soon the letter must follow g, in milliseconds. */
const CHORD = 1_500;

/** The key in local storage that turns single-key shortcuts off: dictation software would trigger them. */
const OFF = "leadgate-single-keys-off";

function singleKeys(): boolean {
  try {
    return localStorage.getItem(OFF) === null;
  } catch {
    return true; // storage is forbidden
  }
}

function setSingleKeys(on: boolean): void {
  if (on) localStorage.removeItem(OFF);
  else localStorage.setItem(OFF, "");
}

export interface Tab {
  readonly name: string;
  /** tab is the first element of the path. */
  readonly tab: string;
  readonly letter: string;
}

export function listenToKeys(tabs: Tab[]): void {
  let chord = 0;
  document.addEventListener("keydown", (event) => {
    if (event.key === "k" && (event.metaKey || event.ctrlKey)) {
      event.preventDefault();
      focusSearch();
      return;
    }
    if (event.metaKey || event.ctrlKey || event.altKey || document.querySelector("dialog[open]")) return;
    const { target } = event;
    if (target instanceof HTMLElement && target.matches("input, select, textarea")) {
      if (event.key === "Escape") target.blur();
      return;
    }
    if (event.key !== "Escape" && !singleKeys()) return;
    const went = Date.now() - chord < CHORD ? tabs.find((tab) => tab.letter === event.key) : undefined;
    chord = event.key === "g" ? Date.now() : 0;
    if (went) {
      event.preventDefault();
      go(pathTo(went.tab));
      return;
    }
    switch (event.key) {
      case "/":
        event.preventDefault();
        focusSearch();
        break;
      case "j":
      case "k":
        walk(event.key === "j" ? 1 : -1);
        break;
      case "Escape":
        if (document.activeElement instanceof HTMLElement) document.activeElement.blur();
        break;
      case "?":
        help(tabs);
    }
  });
}

function focusSearch(): void {
  document.querySelector<HTMLInputElement>("#search")?.focus();
}

/** walk moves the focus between the rows of the view. */
function walk(step: 1 | -1): void {
  const rows = [...document.querySelectorAll<HTMLElement>("#main [data-row]")].filter((row) => row.offsetParent !== null);
  const at = rows.findIndex((row) => row === document.activeElement);
  const next = rows[at < 0 ? (step > 0 ? 0 : rows.length - 1) : Math.min(rows.length - 1, Math.max(0, at + step))];
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
}

/** help shows the shortcuts, with a switch for single keys. */
export function help(tabs: Tab[]): void {
  const keys: [string, string][] = [[/Mac|iP/.test(navigator.platform) ? "/ or ⌘K" : "/ or Ctrl K", "search"], ...tabs.map((tab): [string, string] => [`g ${tab.letter}`, tab.name]), ["j k", "next, previous row"], ["Enter", "open"], ["Escape", "close, leave"], ["?", "this help"]];
  const box = h("input", { type: "checkbox", change: () => setSingleKeys(box.checked) });
  box.checked = singleKeys();
  void tell("Keyboard shortcuts", [
    h("dl", { class: "keys" }, keys.map(([key, what]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, what)])),
    h("label", { class: "choice" }, box, "Use keys that are pressed alone, such as / and j"),
  ]);
}
