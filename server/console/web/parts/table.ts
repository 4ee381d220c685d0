// Tables that remain tables for screen readers, even where a narrow screen lays out rows as blocks: the roles are explicit.

import { h, type Attributes, type Child } from "../dom";

export interface Column {
  readonly name: string;
  /** kind is "figure" for numbers, otherwise a name for the style sheet. */
  readonly kind?: string;
}

export function table(name: string, columns: Column[], rows: HTMLTableRowElement[], attributes: Attributes = {}): HTMLTableElement {
  return h(
    "table",
    { role: "table", "aria-label": name, ...attributes },
    h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, columns.map((c) => h("th", { role: "columnheader", scope: "col", class: c.kind }, c.name)))),
    h("tbody", { role: "rowgroup" }, rows),
  );
}

export function row(columns: Column[], cells: Child[], attributes: Attributes = {}): HTMLTableRowElement {
  return h("tr", { role: "row", ...attributes }, cells.map((cell, i) => h("td", { role: "cell", class: columns[i]?.kind, "data-name": columns[i]?.name }, cell)));
}

/** properties returns a table of names and values. */
export function properties(name: string, values: [name: string, value: Child][]): HTMLElement {
  return h(
    "table",
    { class: "properties", "aria-label": name },
    h("tbody", {}, values.map(([term, value]) => h("tr", {}, h("th", { scope: "row" }, term), h("td", {}, value)))),
  );
}
