// Items that wait for a person, grouped by reason with counts. Groups or single items can be selected for an action, after a preview that
// names the number.

import { messageOf } from "../api";
import { h, set, swap, write, type Child } from "../dom";
import { count } from "../format";
import { announce, type Done } from "./announce";
import { ask } from "./ask";
import { Progress } from "./progress";
import { row, table, type Column } from "./table";

/** How many rows a group shows; selecting the group selects all of its items. */
const ROWS = 50;

export interface Action<T> {
  readonly label: string;
  readonly kind?: "primary" | "danger";
  /** preview describes what the action will do to the items. */
  preview(items: T[]): Promise<Child[]>;
  /** run performs the action and describes what was done. */
  run(items: T[], progress: Progress): Promise<Done>;
}

export interface Kind<T> {
  /** one and many name an item: "delivery", "deliveries". */
  readonly one: string;
  readonly many: string;
  readonly columns: Column[];
  id(item: T): string;
  /** group returns the group of an item: what it is about, and why it waits. */
  group(item: T): { about: string; reason: string };
  cells(item: T): Child[];
  /** sample returns details about one item of a group, requested when the group is opened. */
  sample?(item: T): Promise<Child>;
  readonly actions: Action<T>[];
  /** done is called when an action has ended. */
  done(): void;
}

interface Group<T> {
  readonly about: string;
  readonly reason: string;
  readonly items: T[];
}

export class Groups<T> {
  readonly element = h("div", { class: "groups" });
  /** busy reports whether an action is running: until it ends, the content stays. */
  busy = false;
  private readonly list = h("div", { class: "group-list" });
  private readonly bar = h("div", { class: "action-bar" });
  private readonly chosen = new Set<string>();
  private items: T[] = [];
  /** boxes are the visible check boxes, with the items of each. */
  private boxes: { box: HTMLInputElement; items: T[] }[] = [];

  constructor(private readonly kind: Kind<T>) {
    this.element.append(this.bar, this.list);
  }

  show(items: T[]): void {
    if (this.busy) return;
    this.items = items;
    const known = new Set(items.map((item) => this.kind.id(item)));
    for (const id of this.chosen) if (!known.has(id)) this.chosen.delete(id);
    this.boxes = [];
    swap(this.list, this.groups().map((group) => this.section(group)));
    this.tellChosen();
  }

  private groups(): Group<T>[] {
    const groups = new Map<string, Group<T>>();
    for (const item of this.items) {
      const { about, reason } = this.kind.group(item);
      const key = `${about}\n${reason}`;
      const group = groups.get(key) ?? { about, reason, items: [] };
      group.items.push(item);
      groups.set(key, group);
    }
    return [...groups.values()].sort((a, b) => b.items.length - a.items.length);
  }

  private section(group: Group<T>): HTMLElement {
    const { kind } = this;
    const key = `${group.about}\n${group.reason}`;
    const chooses = kind.actions.length > 0;
    const columns = chooses ? [{ name: "Chosen", kind: "choose" }, ...kind.columns] : kind.columns;
    const all = chooses ? this.box(`Choose all ${count(group.items.length)} of ${group.about}: ${group.reason}`, group.items, `all ${key}`) : h("span");
    const rows = group.items.slice(0, ROWS).map((item) => {
      const cells = kind.cells(item);
      const called = cells.find((cell) => cell instanceof HTMLAnchorElement)?.textContent ?? kind.id(item);
      return row(columns, [...(chooses ? [this.box(`Choose ${called}`, [item], kind.id(item))] : []), ...cells]);
    });
    const more = group.items.length - rows.length;
    const sample = h("div", { class: "sample" }, this.samples.get(key));
    return h(
      "section",
      { class: "group", "aria-label": `${count(group.items.length)} × ${group.reason}` },
      h("div", { class: "group-head" }, all, h("h2", {}, h("span", { class: "times" }, `${count(group.items.length)} ×`), " ", group.reason), h("span", { class: "muted" }, group.about)),
      h(
        "details",
        { "data-key": `rows ${key}`, toggle: () => void this.showSample(key, group, sample) },
        h("summary", {}, `Show ${group.items.length === 1 ? `the ${kind.one}` : `the ${kind.many}`}`),
        sample,
        table(`${group.about}: ${group.reason}`, columns, rows, { class: "rows" }),
        more > 0 ? h("p", { class: "muted" }, `and ${count(more)} more, chosen with the group`) : null,
      ),
    );
  }

  private readonly samples = new Map<string, Child>();

  private async showSample(key: string, group: Group<T>, place: HTMLElement): Promise<void> {
    const [first] = group.items;
    if (!this.kind.sample || first === undefined || this.samples.has(key)) return;
    this.samples.set(key, null);
    this.samples.set(key, await this.kind.sample(first).catch(() => null)); // optional; the rows are already there
    if (place.isConnected) swap(place, this.samples.get(key));
  }

  /** box returns a check box for some items, half checked if only some of them are selected. */
  private box(name: string, items: T[], key: string): HTMLInputElement {
    const box = h("input", { type: "checkbox", "aria-label": name, "data-key": `box ${key}` });
    box.addEventListener("change", () => {
      for (const item of items) {
        if (box.checked) this.chosen.add(this.kind.id(item));
        else this.chosen.delete(this.kind.id(item));
      }
      this.tellChosen();
    });
    this.boxes.push({ box, items });
    return box;
  }

  /** tellChosen updates boxes and bar. */
  private tellChosen(): void {
    for (const { box, items } of this.boxes) {
      const n = items.filter((item) => this.chosen.has(this.kind.id(item))).length;
      box.checked = n === items.length;
      box.indeterminate = n > 0 && n < items.length;
    }
    if (this.busy) return;
    const items = this.items.filter((item) => this.chosen.has(this.kind.id(item)));
    const everything = h("button", { type: "button", class: "quiet", "data-key": "everything", click: () => this.chooseAll(items.length < this.items.length) }, items.length < this.items.length ? `Choose all ${count(this.items.length)}` : "Choose none");
    const text = h("span", { role: "status" });
    const useful = this.items.length > 0 && this.kind.actions.length > 0;
    swap(this.bar, useful ? [everything, text] : null, items.length > 0 ? this.kind.actions.map((action) => this.actionButton(action, items)) : null);
    write(text, items.length > 0 ? `${count(items.length)} chosen` : "");
    set(this.bar, { hidden: !useful });
  }

  private chooseAll(yes: boolean): void {
    this.chosen.clear();
    if (yes) for (const item of this.items) this.chosen.add(this.kind.id(item));
    this.tellChosen();
  }

  private actionButton(action: Action<T>, items: T[]): HTMLButtonElement {
    const label = `${action.label} ${count(items.length)}`;
    return h("button", { type: "button", class: action.kind, "data-key": `action ${action.label}`, click: () => void this.act(action, items) }, `${label} …`);
  }

  private async act(action: Action<T>, items: T[]): Promise<void> {
    const many = `${count(items.length)} ${items.length === 1 ? this.kind.one : this.kind.many}`;
    const progress = new Progress(action.label, items.length);
    try {
      const body = await action.preview(items);
      if (!(await ask({ title: `${action.label} ${many}?`, body, yes: `${action.label} ${count(items.length)}`, dangerous: action.kind === "danger" }))) return;
      this.busy = true;
      swap(this.bar, progress.element);
      announce(await action.run(items, progress));
      this.chosen.clear();
    } catch (error) {
      announce(messageOf(error), "failing");
    } finally {
      this.busy = false;
      this.tellChosen();
      this.kind.done();
    }
  }
}
