// Typos in the domain of an e-mail address: gmial.com, gmail.con. A module of its own, loaded once an address was entered.

import domains from "../domains.json";

/** Puts an element with a text after a field, until the field is changed. */
export type Note = (field: Element, kind: string, text: string) => HTMLElement;

/** Offers the address that was probably meant. {} in the text stands for it. */
export function suggest(field: HTMLInputElement, note: Note, text: string): void {
  const right = meant(field.value);
  if (!right) return;
  const [before = "", after = ""] = text.split("{}");
  const suggestion = note(field, "suggestion", "");
  suggestion.setAttribute("role", "status");
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = right;
  button.onclick = () => {
    field.value = right;
    field.dispatchEvent(new Event("input", { bubbles: true }));
    field.focus();
  };
  // By now the visitor is in another field, and a screen reader announces only what is added to a region that it already knows.
  setTimeout(() => suggestion.append(before, button, after), 100);
}

/** The address that was probably meant, if its domain is one typo away from a common one. */
function meant(address: string): string | undefined {
  const at = address.lastIndexOf("@");
  const domain = address.slice(at + 1).toLowerCase();
  if (at < 1 || domains.includes(domain)) return;
  const near = domains.find((common) => oneSlip(domain, common));
  return near && address.slice(0, at + 1) + near;
}

/** Whether a letter is extra, missing, wrong, or swapped with its neighbour. */
function oneSlip(typed: string, right: string): boolean {
  let i = 0;
  while (i < typed.length && typed[i] === right[i]) i++;
  const rest = (text: string, skip: number): string => text.slice(i + skip);
  return (
    rest(typed, 1) === rest(right, 0) ||
    rest(typed, 0) === rest(right, 1) ||
    rest(typed, 1) === rest(right, 1) ||
    (typed[i] === right[i + 1] && typed[i + 1] === right[i] && rest(typed, 2) === rest(right, 2))
  );
}
