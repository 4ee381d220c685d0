// Questions before an action.

import { h, keepFocus, spotIn, type Child } from "../dom";

export interface Question {
  readonly title: string;
  readonly body: Child[];
  /** yes is the button's text: what will happen, with the number. */
  readonly yes: string;
  readonly dangerous?: boolean;
}

/**
 * ask shows a question and resolves to whether the answer was yes. Escape and the other button mean no; for a dangerous action, so
 * does Enter.
 */
export function ask(question: Question): Promise<boolean> {
  return show(question.title, question.body, [
    // Not a submit button: Enter in a field of the question means yes.
    h("button", { type: "button", class: "quiet", autofocus: question.dangerous, click: (event) => event.target instanceof Element && event.target.closest("dialog")?.close("no") }, "Cancel"),
    h("button", { value: "yes", class: question.dangerous ? "danger" : "primary", autofocus: !question.dangerous }, question.yes),
  ]);
}

/** tell shows something to read until it is closed. */
export async function tell(title: string, body: Child[]): Promise<void> {
  await show(title, body, [h("button", { value: "no", class: "primary", autofocus: true }, "Close")]);
}

function show(title: string, body: Child[], buttons: HTMLButtonElement[]): Promise<boolean> {
  return new Promise((answer) => {
    const dialog = h("dialog", { class: "ask", "aria-labelledby": "ask-title" }, h("form", { method: "dialog" }, h("h2", { id: "ask-title" }, title), body, h("div", { class: "buttons" }, buttons)));
    const opener = spotIn(document.body);
    dialog.addEventListener("close", () => {
      dialog.remove();
      // The browser restores the focus, unless the element that had it was recreated meanwhile.
      if (opener && document.activeElement === document.body) keepFocus(document.body, opener);
      answer(dialog.returnValue === "yes");
    });
    document.body.append(dialog);
    dialog.showModal();
    dialog.querySelector<HTMLElement>("select, input:not([type=checkbox])")?.focus(); // a field to fill in comes first
  });
}
