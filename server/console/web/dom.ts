// Creates and changes elements of the page. Text is always text: nothing from a lead or a CRM becomes markup.

export type Child = Node | string | number | null | undefined | false | Child[];
type Value = string | number | boolean | null | undefined | ((event: Event) => void);
export type Attributes = Record<string, Value>;

/** h creates an element. Attributes that are functions listen to the event of that name; false and null omit an attribute. */
export function h<K extends keyof HTMLElementTagNameMap>(tag: K, attributes: Attributes = {}, ...children: Child[]): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  set(element, attributes);
  element.append(...nodes(children));
  return element;
}

/** svg creates an SVG element. */
export function svg<K extends keyof SVGElementTagNameMap>(tag: K, attributes: Attributes = {}, ...children: Child[]): SVGElementTagNameMap[K] {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  set(element, attributes);
  element.append(...nodes(children));
  return element;
}

export function set(element: Element, attributes: Attributes): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value === false || value === null || value === undefined) element.removeAttribute(name);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
}

function nodes(children: Child[]): (Node | string)[] {
  return children.flat(8).flatMap((child): (Node | string)[] => {
    if (child === null || child === undefined || child === false) return [];
    return [typeof child === "object" && !Array.isArray(child) ? child : String(child)];
  });
}

/** write replaces the text of an element, unless it is the same. */
export function write(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** Spot is the place of the focus: the nth element with a name. It can be found again after a change. */
export interface Spot {
  readonly name: string;
  readonly nth: number;
}

const nameOf = (element: HTMLElement): string => `${element.tagName} ${element.dataset.key ?? element.getAttribute("href") ?? element.ariaLabel ?? element.textContent}`;

const named = (root: Element, name: string): HTMLElement[] => [...root.querySelectorAll<HTMLElement>("a[href], button, input, select, textarea, summary, [tabindex]")].filter((element) => nameOf(element) === name);

/** spotIn returns where the focus is in an element; undefined if it is elsewhere. */
export function spotIn(root: Element): Spot | undefined {
  const active = document.activeElement;
  if (!(active instanceof HTMLElement) || active === root || active === document.body || !root.contains(active)) return undefined;
  const name = nameOf(active);
  return { name, nth: named(root, name).indexOf(active) };
}

/** focusSpot restores the focus, and reports whether its place still exists. */
export function focusSpot(root: Element, { name, nth }: Spot): boolean {
  const all = named(root, name);
  (all[nth] ?? all.at(-1))?.focus({ preventScroll: true });
  return all.length > 0;
}

/** keepFocus is focusSpot for a place that may be gone: then the focus goes to what surrounds it, not to the top of the page. */
export function keepFocus(root: Element, spot: Spot): void {
  if (!focusSpot(root, spot)) (root.closest<HTMLElement>("main") ?? document.querySelector<HTMLElement>("main"))?.focus({ preventScroll: true });
}

/** swap replaces the content of an element. Details that the reader opened stay open, and the focus stays where it was. */
export function swap(element: Element, ...children: Child[]): void {
  const open = new Set([...element.querySelectorAll<HTMLDetailsElement>("details[data-key]")].filter((d) => d.open).map((d) => d.dataset.key));
  const closed = new Set([...element.querySelectorAll<HTMLDetailsElement>("details[data-key]")].filter((d) => !d.open).map((d) => d.dataset.key));
  const focused = spotIn(element);
  element.replaceChildren(...nodes(children));
  for (const details of element.querySelectorAll<HTMLDetailsElement>("details[data-key]")) {
    if (open.has(details.dataset.key)) details.open = true;
    if (closed.has(details.dataset.key)) details.open = false;
  }
  if (focused) keepFocus(element, focused);
}

/** query finds an element that must exist. */
export function query(root: ParentNode, selector: string): HTMLElement {
  const found = root.querySelector<HTMLElement>(selector);
  if (!found) throw new Error(`there is no ${selector}`);
  return found;
}
