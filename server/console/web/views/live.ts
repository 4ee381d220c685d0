// The live list: what happens, newest on top.
//
// It costs the same at 5 and at 500 events a second: rows are created a few times a second, up to a limit; beyond that a sample is shown,
// and the list says so. It never moves while the reader uses it: while the pointer is over it, a row has the focus, or its top is out of
// sight, new rows wait behind a button.

import type { Event as LeadgateEvent, Stage } from "api";
import { h, set, write } from "../dom";
import { at, plural } from "../format";
import type { Page } from "../page";
import { copyable } from "../parts/copy";
import { note, took, word } from "../parts/describe";
import { row, table, type Column } from "../parts/table";
import { change, leadPath, pathTo } from "../router";
import { history } from "../stream/history";
import { KEPT } from "../stream/shared";
import { stages, state } from "../words";

/** The most rows to create in one draw. */
const ROWS_A_DRAW = 20;
/** The least time between draws, in milliseconds. */
const DRAW_EVERY = 250;
/** And while more arrives than is shown: nobody reads faster, and every draw moves the whole list. */
const DRAW_EVERY_BUSY = 1_000;
/** How soon after connecting past events arrive, in milliseconds; only then is it clear whether there are any. */
const PAST_COMES = 500;
/** The most new rows to highlight at once; beyond that, everything is new anyway. */
const POINTED_OUT = 6;

const columns: Column[] = [
  { name: "Time", kind: "time" },
  { name: "Form", kind: "form" },
  { name: "Person", kind: "person" },
  { name: "Stage", kind: "stage" },
  { name: "Destination", kind: "destination" },
  { name: "Took", kind: "figure took" },
  { name: "Note", kind: "note" },
];

const groups: Record<string, Stage[]> = {
  outcomes: ["STAGE_REJECTED", "STAGE_DUPLICATE", "STAGE_HELD", "STAGE_RETRY", "STAGE_SUCCESS", "STAGE_FAILURE", "STAGE_DEAD", "STAGE_SUPERSEDED"],
  problems: ["STAGE_REJECTED", "STAGE_HELD", "STAGE_RETRY", "STAGE_FAILURE", "STAGE_DEAD"],
};

export class LiveList {
  readonly element: HTMLElement;
  private readonly list: HTMLTableElement;
  private readonly body: HTMLTableSectionElement;
  private readonly stage: HTMLSelectElement;
  private readonly form: HTMLSelectElement;
  private readonly text: HTMLInputElement;
  private readonly pause = h("button", { type: "button", class: "quiet pause-view", "aria-pressed": "false", click: () => this.togglePause() });
  private readonly more = h("button", { type: "button", class: "more", hidden: true, click: () => this.release() });
  private readonly sampled = h("span", { class: "muted sampled" });
  private readonly nothing: HTMLElement;
  private readonly top = h("div", { class: "live-top" });

  private readonly forms = new Set<string>();
  private waiting: LeadgateEvent[] = [];
  private skipped = 0;
  private timer: number | undefined;
  private looking = new AbortController();
  private heard = false;
  private paused = false;
  private hovered = false;
  private outOfSight = false;

  constructor(private readonly page: Page) {
    const { query } = page.place;
    this.stage = h(
      "select",
      { "aria-label": "Stages", change: () => this.refilter() },
      option("", "all stages"),
      option("outcomes", "outcomes"),
      option("problems", "problems"),
      Object.entries(stages).map(([value, { word }]) => option(value, word)),
    );
    this.form = h("select", { "aria-label": "Forms", change: () => this.refilter() }, option("", "all forms"));
    this.text = h("input", { type: "search", "aria-label": "Filter the live list", placeholder: "filter …", autocomplete: "off", spellcheck: "false", input: () => this.refilter() });
    this.stage.value = query.get("stage") ?? "";
    this.text.value = query.get("filter") ?? "";
    this.knowForm(query.get("form") ?? "");
    this.form.value = query.get("form") ?? "";

    this.list = table("Live events, newest first", columns, [], { class: "rows live" });
    this.body = this.list.tBodies[0] ?? this.list.createTBody();
    this.nothing = this.emptyFace();
    this.labelPause();
    this.element = h(
      "section",
      { class: "live-section", "aria-labelledby": "live-title" },
      h("div", { class: "toolbar" }, h("h2", { id: "live-title" }, "Live"), this.stage, this.form, this.text, this.pause, this.sampled),
      this.top,
      this.more,
      this.list,
      this.nothing,
    );
    this.keepStill();
    page.stream.watch({ events: (events) => this.take(events), gap: (gap) => this.gap(gap.reason ?? "", Number(gap.missed ?? 0)), link: () => this.hear() }, page.signal);
    page.gateway.changed(() => page.gateway.stats?.forms?.forEach((f) => this.knowForm(f.form ?? "")), page.signal);
    this.hear();
    this.refilter();
  }

  /** hear records that the gateway was heard, so that an empty list means that nothing happened. */
  private hear(): void {
    if (this.heard || this.page.stream.link.state !== "live") return;
    setTimeout(() => {
      this.heard = true;
      this.showNothing();
    }, PAST_COMES);
  }

  /** keepStill tracks whether the reader is using the list. */
  private keepStill(): void {
    const { list, page: { signal } } = this;
    list.addEventListener("pointerenter", (event) => (this.hovered = event.pointerType === "mouse"), { signal });
    list.addEventListener("pointerleave", () => {
      this.hovered = false;
      this.plan();
    }, { signal });
    list.addEventListener("focusout", () => this.plan(), { signal });
    const sight = new IntersectionObserver(([entry]) => {
      this.outOfSight = entry ? !entry.isIntersecting && entry.boundingClientRect.top < 0 : false;
      this.plan();
    });
    sight.observe(this.top);
    signal.addEventListener("abort", () => sight.disconnect());
  }

  private get held(): boolean {
    return this.paused || this.hovered || this.outOfSight || this.body.contains(document.activeElement);
  }

  private matches(event: LeadgateEvent): boolean {
    const { stage, form, text } = { stage: this.stage.value, form: this.form.value, text: this.text.value.trim().toLowerCase() };
    const lead = event.lead;
    if (stage && !stagesOf(stage).some((one) => one === lead?.stage)) return false;
    if (form && lead?.form !== form) return false;
    return !text || [lead?.person, lead?.leadId, lead?.form, event.form?.form, lead?.destination, lead?.idempotencyKey, lead?.recordId, event.destination?.destination, word(event).word, note(event)]
      .some((part) => part?.toLowerCase().includes(text));
  }

  private take(events: LeadgateEvent[]): void {
    this.knowForms(events);
    this.waiting.push(...events.filter((event) => this.matches(event)));
    if (this.waiting.length > KEPT) {
      this.skipped += this.waiting.length - KEPT;
      this.waiting = this.waiting.slice(-KEPT);
    }
    this.plan();
  }

  private plan(): void {
    if (this.timer !== undefined || this.page.signal.aborted) return;
    if (this.held) {
      this.tellWaiting();
      return;
    }
    if (this.waiting.length === 0) {
      this.tellWaiting();
      return;
    }
    // A frame, so that drawing coincides with the browser's; a timer after it, so that it does not come too often.
    this.timer = requestAnimationFrame(() => {
      const busy = this.draw(this.body.rows.length === 0 ? KEPT : ROWS_A_DRAW); // history is drawn at once
      this.timer = setTimeout(() => {
        this.timer = undefined;
        this.plan();
      }, busy ? DRAW_EVERY_BUSY : DRAW_EVERY);
    });
  }

  /** draw shows the newest waiting events, and reports whether that left any out. */
  private draw(most: number): boolean {
    if (this.held) return false;
    const skipped = this.skipped + Math.max(0, this.waiting.length - most);
    const shown = this.waiting.slice(-most);
    this.waiting = [];
    this.skipped = 0;
    this.body.prepend(...shown.reverse().map((event) => rowOf(event, shown.length <= POINTED_OUT)));
    while (this.body.rows.length > KEPT) this.body.deleteRow(-1);
    write(this.sampled, skipped > 0 ? `busy: ${shown.length} of ${shown.length + skipped} events shown` : "");
    this.tellWaiting();
    this.showNothing();
    return skipped > 0;
  }

  private showNothing(): void {
    // The start of the gateway is not a lead: the suggestion of what to try stays visible.
    this.nothing.hidden = !this.heard || this.body.querySelector("[data-lead]") !== null;
    this.list.hidden = this.body.rows.length === 0;
  }

  private tellWaiting(): void {
    const n = this.waiting.length + this.skipped;
    set(this.more, { hidden: n === 0 || !this.held });
    write(this.more, `▴ ${plural(n, "new event")}`);
  }

  /** release shows what was waiting, and scrolls to the top if that is out of sight. */
  private release(): void {
    this.paused = false;
    this.labelPause();
    this.hovered = false;
    if (this.outOfSight) this.element.scrollIntoView();
    this.outOfSight = false;
    this.draw(KEPT);
  }

  private togglePause(): void {
    this.paused = !this.paused;
    this.labelPause();
    this.plan();
  }

  private labelPause(): void {
    set(this.pause, { "aria-pressed": this.paused ? "true" : "false" });
    write(this.pause, this.paused ? "▸ resume" : "❚❚ pause view");
  }

  /** refilter starts again with the events in memory. */
  private refilter(): void {
    change(pathTo("", "", { stage: this.stage.value, form: this.form.value, filter: this.text.value.trim() }));
    this.show(this.page.stream.recent);
    this.knowForms(this.page.stream.recent);
    void this.lookBack();
  }

  /** show starts the list again. */
  private show(events: LeadgateEvent[]): void {
    this.waiting = [];
    this.skipped = 0;
    const shown = events.filter((event) => this.matches(event)).slice(-KEPT);
    this.body.replaceChildren(...shown.reverse().map((event) => rowOf(event)));
    this.showNothing();
    this.tellWaiting();
  }

  /** lookBack adds matching events that are older than those in memory. */
  private async lookBack(): Promise<void> {
    this.looking.abort();
    this.looking = new AbortController();
    const { signal } = this.looking;
    const filter = { stages: stagesOf(this.stage.value), form: this.form.value };
    if (filter.stages.length === 0 && !filter.form) return;
    const past = await history(filter, AbortSignal.any([signal, this.page.signal]));
    if (signal.aborted || this.page.signal.aborted) return;
    const recent = this.page.stream.recent;
    const known = new Set(recent.map((event) => event.id));
    this.show([...past.filter((event) => !known.has(event.id)), ...recent]);
  }

  private gap(reason: string, missed: number): void {
    const text = missed > 0 ? `${plural(missed, "event")} missing here: ${reason}` : `Events may be missing here. ${reason}`;
    this.body.prepend(h("tr", { role: "row", class: "gap" }, h("td", { role: "cell", colspan: columns.length }, text)));
  }

  private knowForms(events: LeadgateEvent[]): void {
    for (const event of events) if (event.lead?.form) this.knowForm(event.lead.form);
  }

  private knowForm(name: string): void {
    if (!name || this.forms.has(name)) return;
    this.forms.add(name);
    this.form.append(option(name, name));
  }

  private emptyFace(): HTMLElement {
    const form = this.page.gateway.stats?.forms?.find((f) => f.form)?.form ?? "contact";
    const line = `curl ${location.origin}/v1/forms/${form}/submissions -d email=grace@example.com -d firstname=Grace`;
    return h("div", { class: "face live-face", hidden: true }, h("p", { class: "face-title" }, "No leads to show yet."), h("p", {}, "Submit one, or loosen the filter. Try:"), copyable(line, "the command to try"));
  }
}

/** stagesOf returns the stages of a choice; none means all. */
const stagesOf = (choice: string): Stage[] => groups[choice] ?? (choice ? [choice as Stage] : []);

const option = (value: string, text: string): HTMLOptionElement => h("option", { value }, text);

/** name shows a name that may be too long for its column, with the full text as its title. */
const name = (text: string | undefined): HTMLElement | string => (text ? h("span", { title: text }, text) : "");

function rowOf(event: LeadgateEvent, isNew = false): HTMLTableRowElement {
  const lead = event.lead;
  const person = lead?.person || (lead ? "someone" : "");
  const link = lead?.leadId && lead.stage !== "STAGE_REJECTED" ? h("a", { href: leadPath(lead.leadId), "data-row": true }, person) : person;
  const record = lead?.stage === "STAGE_SUCCESS" && lead.recordUrl?.startsWith("http") ? h("a", { href: lead.recordUrl, target: "_blank", rel: "noreferrer" }, `${note(event)} ↗`) : note(event);
  return row(columns, [at(event.time), name(lead?.form ?? event.form?.form), link, state(word(event)), name(lead?.destination ?? event.destination?.destination), took(event), record], { class: isNew ? "new" : null, "data-lead": lead !== undefined });
}
