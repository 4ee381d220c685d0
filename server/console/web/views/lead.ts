// A lead's page, in order of time: what arrived, what was changed and why, what each CRM was sent and answered, and what happens next.

import type { GetLeadResponse, LeadRecord } from "api";
import { get } from "../api";
import { h, type Child } from "../dom";
import { at, count, when } from "../format";
import type { Page, View } from "../page";
import { note, took, word } from "../parts/describe";
import { fill } from "../parts/faces";
import { row, table, properties, type Column } from "../parts/table";
import { throttled } from "../poll";
import { leadPath, pathTo } from "../router";
import { spoken, state } from "../words";
import { deliveryStep } from "./lead_delivery";
import { cleanedStep, leadName, long } from "./lead_fields";
import { leadDeeds } from "./lead_deeds";
import { stateOf } from "./leads";

export function lead(page: Page): View {
  const id = page.place.rest;
  const element = h("article", { class: "lead", "aria-label": "The lead's story" });
  const show = (): Promise<void> =>
    fill(element, "The lead could not be read", page.signal, () => get<GetLeadResponse>(`/v1/leads/${encodeURIComponent(id)}`, {}, page.signal), (answer) => {
      document.title = `Lead ${count(answer.record?.sequence)} · leadgate`; // identifies the tab without revealing the person
      return story(page, answer, () => void show());
    });
  const soon = throttled(() => void show(), 200);
  page.stream.watch({ events: (events) => events.some((event) => event.lead?.leadId === id) && soon() }, page.signal);
  void show();
  return { title: "Lead", element };
}

function story(page: Page, answer: GetLeadResponse, again: () => void): Child {
  const record = answer.record ?? {};
  const deliveries = answer.deliveries ?? [];
  return [
    h("p", { class: "crumbs" }, h("a", { href: pathTo("leads") }, "Leads")),
    h(
      "header",
      { class: "lead-head" },
      h("div", {}, h("h1", {}, leadName(record)), h("div", { class: "became" }, stateOf(record, deliveries), h("span", { class: "muted" }, `lead ${count(record.sequence)}, accepted `, when(record.createTime)))),
      h("div", { class: "buttons" }, leadDeeds(page, record, deliveries, again)),
    ),
    record.holds?.length ? h("ul", { class: "holds" }, record.holds.map((hold) => h("li", {}, record.state === "LEAD_STATE_HELD" ? null : "was held: ", h("strong", {}, spoken(hold.reason, "HOLD_REASON_")), hold.detail ? `: ${hold.detail}` : ""))) : null,
    h("ol", { class: "story" }, receivedStep(record), cleanedStep(record), deliveries.map((d) => deliveryStep(page, d, again)), timelineStep(answer)),
  ];
}

function receivedStep(record: LeadRecord): Child {
  const { submission } = record;
  const from: [string, Child][] = [
    ["form", record.lead?.source?.form || "none: from a backend"],
    ["page", submission?.pageUrl ?? record.lead?.source?.pageUrl ?? ""],
    ["address", submission?.address ?? ""],
    ["browser", submission?.userAgent ?? ""],
    ["content type", submission?.contentType ?? ""],
    ["idempotency key", record.idempotencyKey ?? ""],
    ["lead id", h("code", {}, record.leadId ?? "")],
    ["request id", record.requestId && record.requestId !== record.leadId ? h("code", {}, record.requestId) : ""],
    ["belongs to", record.linkedLeadId ? h("a", { href: leadPath(record.linkedLeadId) }, record.linkedLeadId) : ""],
  ];
  return h(
    "li",
    {},
    h("h2", {}, "What was submitted ", at(submission?.time ?? record.createTime)),
    submission?.fields?.length
      ? properties("Fields as sent", submission.fields.map((field) => [field.name ?? "", (field.values ?? []).map((value) => long(value || "(empty)", field.name ?? ""))]))
      : h("p", { class: "muted" }, record.state === "LEAD_STATE_ERASED" ? "Erased." : "The lead came from a backend, already structured."),
    h("details", { "data-key": "from" }, h("summary", {}, "Source"), properties("Where it came from", from.filter(([, value]) => value !== ""))),
    submission?.fields?.length ? h("p", {}, h("a", { href: pathTo("preview", "", { lead: record.leadId ?? "" }) }, "Preview it with the current configuration")) : null,
  );
}

const columns: Column[] = [
  { name: "Time", kind: "time" },
  { name: "Stage", kind: "stage" },
  { name: "Destination", kind: "destination" },
  { name: "Took", kind: "figure took" },
  { name: "Note", kind: "note" },
];

function timelineStep(answer: GetLeadResponse): Child {
  const events = answer.timeline ?? [];
  if (events.length === 0) return null;
  return h(
    "li",
    {},
    h("h2", {}, "Every step"),
    h(
      "details",
      { "data-key": "timeline" },
      h("summary", {}, `${events.length} events`),
      table("Every step of this lead", columns, events.map((event) => row(columns, [at(event.time), state(word(event)), event.lead?.destination ?? "", took(event), note(event)])), { class: "rows" }),
    ),
  );
}
