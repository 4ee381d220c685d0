// Held: leads that wait for a person to release or discard them, and deliveries whose destination is gone, grouped by reason.

import type { Delivery, LeadRecord, ListLeadsResponse } from "api";
import { get } from "../api";
import { h } from "../dom";
import { count, when } from "../format";
import type { Page, View } from "../page";
import { empty, fill } from "../parts/faces";
import { Groups, type Kind } from "../parts/groups";
import { discard, release } from "../parts/held";
import { move } from "../parts/move";
import type { Column } from "../parts/table";
import { throttled } from "../poll";
import { leadPath } from "../router";
import { may } from "../session";
import { spoken } from "../words";
import { all, redrive, remove } from "./dead";
import { leadName } from "./lead_fields";

const PAGE = 500;
/** The most leads to read; the rest follows when these are dealt with. */
const MOST = 2000;

export function held(page: Page): View {
  const only = page.place.query.get("form") ?? "";
  const place = h("div", {});
  const leads = new Groups(leadKind(page, () => void show()));
  const deliveries = new Groups(deliveryKind(page, () => void show()));
  const show = (): Promise<void> => {
    if (leads.busy || deliveries.busy) return Promise.resolve();
    return fill(place, "The held leads could not be read", page.signal, async () => ({ leads: await heldLeads(page, only), deliveries: (await all(page, "HELD")).deliveries.filter((d) => !only || d.form === only) }), (found) => {
      if (found.leads.length + found.deliveries.length === 0) return empty("Nothing is held.", h("p", {}, "Leads that look like spam, or lack what the form needs, wait here for a person instead of being lost or sent."));
      leads.show(found.leads);
      deliveries.show(found.deliveries);
      return [
        found.leads.length >= MOST ? h("p", { class: "muted" }, `The newest ${count(MOST)} are shown.`) : null,
        found.leads.length > 0 ? leads.element : null,
        found.deliveries.length > 0 ? h("section", { class: "held-deliveries", "aria-labelledby": "held-deliveries" }, h("h2", { id: "held-deliveries" }, "Held deliveries"), deliveries.element) : null,
      ];
    });
  };
  const soon = throttled(() => void show(), 2_000);
  page.stream.watch({ events: (events) => events.some((event) => event.lead?.stage === "STAGE_HELD" || event.lead?.stage === "STAGE_DISCARDED" || event.destination?.type === "DESTINATION_EVENT_TYPE_HELD") && soon() }, page.signal);
  void show();
  return { title: "Held", element: h("div", {}, h("h1", {}, only ? `Held of form ${only}` : "Held"), place) };
}

async function heldLeads(page: Page, form: string): Promise<LeadRecord[]> {
  const leads: LeadRecord[] = [];
  let token = "";
  do {
    const answer = await get<ListLeadsResponse>("/v1/leads", { state: "HELD", form, page_size: PAGE, page_token: token }, page.signal);
    leads.push(...(answer.leads ?? []));
    token = answer.nextPageToken ?? "";
  } while (token && leads.length < MOST);
  return leads;
}

const leadColumns: Column[] = [
  { name: "Accepted", kind: "time" },
  { name: "Name", kind: "person" },
  { name: "E-mail", kind: "email" },
  { name: "Message", kind: "note" },
];

function leadKind(page: Page, done: () => void): Kind<LeadRecord> {
  return {
    one: "lead",
    many: "leads",
    columns: leadColumns,
    id: (record) => record.leadId ?? "",
    group: (record) => ({ about: record.lead?.source?.form ?? "from a backend", reason: reason(record) }),
    cells: (record) => [when(record.createTime), h("a", { href: leadPath(record.leadId ?? ""), "data-row": true }, leadName(record)), record.lead?.email ?? "", (record.lead?.message ?? "").slice(0, 120)],
    actions: may(page.session, "operate") ? [release, discard] : [],
    done: () => {
      page.gateway.refresh();
      done();
    },
  };
}

/** reason returns all reasons why a lead is held. */
const reason = (record: LeadRecord): string => (record.holds ?? []).map((hold) => [spoken(hold.reason, "HOLD_REASON_"), hold.detail].filter(Boolean).join(": ")).join("; ") || "no reason is known";

const deliveryColumns: Column[] = [
  { name: "Since", kind: "time" },
  { name: "Lead", kind: "person" },
  { name: "Form", kind: "form" },
];

function deliveryKind(page: Page, done: () => void): Kind<Delivery> {
  return {
    one: "delivery",
    many: "deliveries",
    columns: deliveryColumns,
    id: (delivery) => delivery.deliveryId ?? "",
    group: (delivery) => ({ about: delivery.destination ?? "", reason: delivery.reason || "no reason is known" }),
    cells: (delivery) => [when(delivery.updateTime), h("a", { href: leadPath(delivery.leadId ?? ""), "data-row": true }, `lead ${count(delivery.sequence)}`), delivery.form ?? ""],
    actions: may(page.session, "operate") ? [redrive(page), move(page), remove] : [],
    done: () => {
      page.gateway.refresh();
      done();
    },
  };
}
