// The forms' figures of the last hour, with their speed to lead.

import type { FormStats } from "api";
import { h } from "../dom";
import { count, duration, seconds, when } from "../format";
import type { Page } from "../page";
import { row, table, type Column } from "../parts/table";
import { pathTo } from "../router";

const columns: Column[] = [
  { name: "Form", kind: "person" },
  { name: "Submitted", kind: "figure" },
  { name: "Refused", kind: "figure" },
  { name: "Held", kind: "figure" },
  { name: "Delivered", kind: "figure" },
  { name: "Speed to lead", kind: "figure speed" },
  { name: "Last submission", kind: "time" },
  { name: "Preview", kind: "deed" },
];

/** forms returns a table that keeps itself up to date, and is hidden while it is empty. */
export function forms(page: Page): HTMLElement {
  const list = table("Forms, the last hour", columns, [], { class: "rows" });
  const element = h("section", { class: "part", "aria-labelledby": "forms" }, h("h2", { id: "forms" }, "Forms"), list);
  let shown = "";
  page.gateway.changed(() => {
    const all = page.gateway.stats?.forms ?? [];
    element.hidden = all.length === 0;
    const key = JSON.stringify(all);
    if (key === shown) return;
    shown = key;
    list.tBodies[0]?.replaceChildren(...all.map(rowOf));
  }, page.signal);
  return element;
}

function rowOf(form: FormStats): HTMLTableRowElement {
  const { counts, speedToLead } = form;
  const name = form.form ? h("a", { href: pathTo("leads", "", { form: form.form }), "data-row": true }, form.form) : "from backends";
  const speed = speedToLead?.p50 ? `p50 ${duration(seconds(speedToLead.p50))} · p95 ${duration(seconds(speedToLead.p95))}` : "–";
  return row(columns, [name, count(counts?.submitted), count(counts?.rejected), count(counts?.held), count(counts?.delivered), speed, when(form.lastSubmissionTime) || "–", form.form ? h("a", { href: pathTo("preview", "", { form: form.form }), "aria-label": `Preview a submission of ${form.form}` }, "Preview") : ""]);
}
