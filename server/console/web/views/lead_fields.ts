// A lead's fields, and what was changed in what arrived.

import type { Lead, LeadRecord } from "api";
import { h, type Child } from "../dom";
import { count } from "../format";
import { row, table, type Column } from "../parts/table";

/** leadName returns the name by which to show a lead. */
export function leadName(record: LeadRecord): string {
  const { firstName, lastName, email, phone } = record.lead ?? {};
  return [firstName, lastName].filter(Boolean).join(" ") || email || phone || (record.state === "LEAD_STATE_ERASED" ? "Erased lead" : "Lead without a name");
}

/** flat lists the fields that are set, under the configuration's names: first_name, custom.budget, source.utm_source. */
export function flat(value: object, prefix = ""): [name: string, value: string][] {
  return Object.entries(value).flatMap(([key, inner]: [string, unknown]): [string, string][] => {
    const name = prefix + (prefix === "custom." || prefix === "consents." ? key : key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`));
    if (typeof inner === "object" && inner !== null && !Array.isArray(inner)) return flat(inner, `${name}.`);
    if (Array.isArray(inner) && inner.some((item) => typeof item === "object")) {
      return inner.flatMap((item: object, i) => flat(item, `${name}[${i}].`));
    }
    return [[name, Array.isArray(inner) ? inner.join(", ") : String(inner)]];
  });
}

/**
 * consents returns a lead's consents by purpose, as the configuration names them; the newest of each. Each says whether it was
 * granted: JSON omits false, and a refusal would look like an agreement.
 */
const consents = ({ consents = [] }: Lead): object => Object.fromEntries(consents.map(({ purpose = "", ...parts }) => [purpose, { granted: false, ...parts }]));

/** How many characters are shown at once; longer values can be scrolled. */
const GLANCE = 1_000;

/** long shows a value unchanged, without letting a message of many pages push away what follows. */
export const long = (value: string, name: string): HTMLElement =>
  value.length > GLANCE ? h("div", { class: "raw long", tabindex: 0, role: "group", "aria-label": `${name}, ${count(value.length)} characters` }, value) : h("div", { class: "raw" }, value);

/** tidy removes white space that is not visible. */
const tidy = (text: string): string => text.trim().replace(/\s+/g, " ");

const columns: Column[] = [{ name: "Field" }, { name: "Value" }, { name: "What was changed", kind: "note" }];

export function cleanedStep(record: LeadRecord): Child {
  const made = cleanedTable(record);
  return made && h("li", {}, h("h2", {}, "The resulting lead"), made);
}

/** cleanedTable shows the fields of a lead with what was changed and why; nothing if there are none. */
export function cleanedTable(record: Pick<LeadRecord, "lead" | "changes" | "submission">): Child {
  const lead: Lead = record.lead ?? {};
  const changes = record.changes ?? [];
  const sent = new Map((record.submission?.fields ?? []).map((field) => [field.name ?? "", (field.values ?? []).join(", ")]));
  const rows = flat({ ...lead, consents: consents(lead) })
    .filter(([name]) => name !== "source.form")
    .map(([name, value]) => {
      const why = changes.filter((change) => change.leadField === name);
      const was = [...why.map((change) => change.from || sent.get(change.field ?? "")), sent.get(name)].find((text) => text && text !== value);
      const before = was && tidy(was) !== tidy(value) ? was : "";
      return row(columns, [
        h("code", {}, name),
        before ? [h("del", { class: "old" }, h("span", { class: "hidden" }, "was "), before), h("span", { "aria-hidden": "true" }, " → "), h("ins", {}, value)] : value.length > GLANCE ? long(value, name) : value,
        why.map((change) => change.reason ?? "").filter(Boolean).join("; "),
      ]);
    });
  if (rows.length === 0) return null;
  const dropped = changes.filter((change) => !change.leadField);
  return [
    table("The lead's fields", columns, rows, { class: "rows fields" }),
    dropped.length > 0 ? h("ul", { class: "dropped" }, dropped.map((change) => h("li", {}, h("code", {}, change.field ?? ""), ": ", change.reason ?? "left out"))) : null,
  ];
}
