// Asking before something is done.

import { h, keepFocus, spotIn, type Child } from "../dom";

export interface Question {
  readonly title: string;
  readonly body: Child[];
  /** yes is what the button says: what will happen, with the number. */
  readonly yes: string;
  readonly dangerous?: boolean;
}

/**
 * ask shows a question and resolves to whether the answer was yes. Escape and the other button mean no; of what is dangerous
 * Enter does, too.
 */
export function ask(question: Question): Promise<boolean> {
  return show(question.title, question.body, [
    // Not one that submits: Enter in a field of the question means yes.
    h("button", { type: "button", class: "quiet", autofocus: question.dangerous, click: (event) => event.target instanceof Element && event.target.closest("dialog")?.close("no") }, "Cancel"),
    h("button", { value: "yes", class: question.dangerous ? "danger" : "primary", autofocus: !question.dangerous }, question.yes),
  ]);
}

/** tell shows something to read, until it is closed. */
export async function tell(title: string, body: Child[]): Promise<void> {
  await show(title, body, [h("button", { value: "no", class: "primary", autofocus: true }, "Close")]);
}

function show(title: string, body: Child[], buttons: HTMLButtonElement[]): Promise<boolean> {
  return new Promise((answer) => {
    const dialog = h("dialog", { class: "ask", "aria-labelledby": "ask-title" }, h("form", { method: "dialog" }, h("h2", { id: "ask-title" }, title), body, h("div", { class: "buttons" }, buttons)));
    const opener = spotIn(document.body);
    dialog.addEventListener("close", () => {
      dialog.remove();
      // The browser gives the focus back, unless what had it was made anew meanwhile.
      if (opener && document.activeElement === document.body) keepFocus(document.body, opener);
      answer(dialog.returnValue === "yes");
    });
    document.body.append(dialog);
    dialog.showModal();
    dialog.querySelector<HTMLElement>("select, input:not([type=checkbox])")?.focus(); // what there is to fill in comes first
  });
}
