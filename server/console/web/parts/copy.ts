// A line of text with a button that copies it.

import { h } from "../dom";
import { button } from "./button";

export function copyable(text: string, name: string): HTMLElement {
  const code = h("code", {}, text);
  return h("div", { class: "copyable" }, h("pre", { tabindex: 0 }, code), button({ label: "Copy", name: `Copy ${name}`, run: () => copy(text, code) }));
}

async function copy(text: string, code: HTMLElement): Promise<string> {
  if (!("clipboard" in navigator)) { // over plain HTTP, browsers offer no clipboard
    getSelection()?.selectAllChildren(code);
    return "Selected: copy it with the keyboard";
  }
  await navigator.clipboard.writeText(text);
  return "Copied";
}
