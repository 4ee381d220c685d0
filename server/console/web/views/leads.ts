// The list of leads, newest first, filtered by state, form or person.

import type { Delivery, DeliveryState, LeadEvent, LeadRecord, ListLeadsResponse, Stage } from "api";
import { post } from "../api";
import { h, swap, write, type Child } from "../dom";
import { count, when } from "../format";
import type { Page, View } from "../page";
import { button } from "../parts/button";
import { copyable } from "../parts/copy";
import { empty, fill } from "../parts/faces";
import { FORMS, formNames } from "../parts/formnames";
import { replay } from "../parts/replay";
import { row, table, type Column } from "../parts/table";
import { throttled } from "../poll";
import { change, leadPath, pathTo } from "../router";
import { may } from "../session";
import { ofDelivery, ofLead, state } from "../words";
import { leadName } from "./lead_fields";

const PAGE = 50;

const columns: Column[] = [
  { name: "Accepted", kind: "time" },
  { name: "Name", kind: "person" },
  { name: "E-mail", kind: "email" },
  { name: "Form", kind: "form" },
  { name: "State", kind: "stage" },
];

export function leads(page: Page): View {
  const { query } = page.place;
  const email = h("input", { type: "search", name: "email", "aria-label": "E-mail address", placeholder: "e-mail address", autocomplete: "off", spellcheck: "false", value: query.get("email") ?? "" });
  const chosen = h("select", { "aria-label": "State" }, [["", "all states"], ["OPEN", "open"], ["HELD", "held"], ["DISCARDED", "discarded"], ["ERASED", "erased"]].map(([value, text]) => h("option", { value }, text)));
  chosen.value = query.get("state") ?? "";
  const form = h("input", { type: "search", name: "form", "aria-label": "Form", placeholder: "form", list: FORMS, autocomplete: "off", spellcheck: "false", value: query.get("form") ?? "" });
  const list = h("div", {});
  /** newest is when the newest lead shown was accepted; later leads are news. */
  let newest = Infinity;
  let arrived = 0;
  let rows: LeadRows | undefined;
  const newer = h("button", { type: "button", class: "quiet", hidden: true, click: () => void show().then(() => list.querySelector<HTMLElement>("[data-row]")?.focus()) });
  // Announced once: a count that is read out as it grows drowns out everything else.
  const heard = h("span", { class: "hidden", role: "status" });

  const show = (): Promise<void> => {
    const filter = { email: email.value.trim().toLowerCase(), state: chosen.value, form: form.value.trim() };
    change(pathTo("leads", "", filter));
    arrived = 0;
    newer.hidden = true;
    write(heard, "");
    rows = undefined;
    swap(list);
    return fill(list, "The leads could not be read", page.signal, async () => {
      const answer = await ask(page, filter);
      newest = Date.parse(answer.leads?.[0]?.createTime ?? "1970-01-01");
      return answer;
    }, (answer) => {
      if (!answer.leads?.length && !answer.nextPageToken) return nothing(filter);
      rows = new LeadRows(page, filter, answer);
      return rows.element;
    });
  };
  // What a form sent can be mapped again, but only of a single form: there would be too much to go through.
  const again = button({
    label: "Replay …",
    name: "Replay the leads of this form …",
    kind: "quiet",
    run: () => {
      const filter = { form: form.value.trim(), email: email.value.trim().toLowerCase() };
      return filter.form ? replay(`the leads of ${filter.form}`, filter) : Promise.resolve(complain(form, "Enter the form whose leads to replay"));
    },
  });
  const controls = h("form", { class: "toolbar", role: "search", "aria-label": "Leads", submit: (event) => { event.preventDefault(); void show(); } }, email, form, formNames(page), chosen, h("button", { class: "quiet" }, "Search"), may(page.session, "operate") ? again : null, newer, heard);
  chosen.addEventListener("change", () => void show());
  const tell = throttled(() => {
    newer.hidden = arrived === 0;
    write(newer, `▴ ${count(arrived)} new`);
    write(heard, arrived > 0 ? "New leads have arrived" : "");
  }, 500);
  page.stream.watch({
    events: (events) => {
      for (const { lead } of events) if (lead) rows?.follow(lead);
      arrived += events.filter((event) => event.lead?.stage === "STAGE_VALIDATED" && Date.parse(event.time ?? "") > newest).length;
      if (arrived > 0) tell();
    },
  }, page.signal);
  void show();
  return { title: "Leads", element: h("div", {}, h("h1", {}, "Leads"), controls, list) };
}

/** complain shows an error at a field, until it is changed or left. */
function complain(field: HTMLInputElement, text: string): string {
  const over = (): void => field.setCustomValidity("");
  field.setCustomValidity(text);
  field.reportValidity();
  for (const event of ["input", "blur"]) field.addEventListener(event, over, { once: true });
  return "";
}

type Filter = Record<"email" | "state" | "form", string>;

const ask = (page: Page, filter: Filter, token = ""): Promise<ListLeadsResponse> => post<ListLeadsResponse>("/v1/leads:search", { ...filter, state: `LEAD_STATE_${filter.state || "UNSPECIFIED"}`, pageSize: PAGE, pageToken: token, withDeliveries: true }, page.signal);

function nothing(filter: Filter): HTMLElement {
  if (Object.values(filter).some(Boolean)) return empty("No leads match.", h("p", {}, "Enter the complete e-mail address."));
  return empty("No leads yet.", h("p", {}, "Submit one through a form on your website, or try:"), copyable(`curl ${location.origin}/v1/forms/contact/submissions -d email=grace@example.com -d firstname=Grace`, "the command to try"));
}

/** LeadRows is a table that grows by a page on request. */
class LeadRows {
  readonly element = h("div", {});
  private readonly table = table("Leads, newest first", columns, [], { class: "rows leads" });
  private readonly foot = h("p", { class: "buttons" });
  /** places are where each lead's row shows its deliveries. */
  private readonly places = new Map<string, HTMLElement>();

  constructor(
    private readonly page: Page,
    private readonly filter: Filter,
    first: ListLeadsResponse,
  ) {
    this.element.append(this.table, this.foot);
    this.add(first);
  }

  /** follow keeps the state of a delivery in its row current. */
  follow({ leadId = "", stage, destination }: LeadEvent): void {
    const place = this.places.get(leadId);
    const now = stage && makes[stage];
    if (!place || !now || !destination) return;
    const line = place.querySelector(`[data-destination="${CSS.escape(destination)}"]`);
    if (line) swap(line, deliveryState(now, destination));
  }

  private add(answer: ListLeadsResponse): void {
    const deliveries = Map.groupBy(answer.deliveries ?? [], (delivery) => delivery.leadId ?? "");
    for (const record of answer.leads ?? []) {
      const place = h("div", {}, stateOf(record, deliveries.get(record.leadId ?? "") ?? []));
      this.places.set(record.leadId ?? "", place);
      this.table.tBodies[0]?.append(rowOf(record, place));
    }
    const token = answer.nextPageToken;
    swap(this.foot, token ? button({ label: "Older leads", kind: "quiet", run: async () => { this.add(await ask(this.page, this.filter, token)); return ""; } }) : null);
  }
}

/** What a stage makes of a delivery. */
const makes: Partial<Record<Stage, DeliveryState>> = {
  STAGE_QUEUED: "DELIVERY_STATE_PENDING",
  STAGE_CRM_API_CALL: "DELIVERY_STATE_IN_FLIGHT",
  STAGE_RETRY: "DELIVERY_STATE_RETRY_WAIT",
  STAGE_SUCCESS: "DELIVERY_STATE_DELIVERED",
  STAGE_DEAD: "DELIVERY_STATE_DEAD",
  STAGE_SUPERSEDED: "DELIVERY_STATE_SUPERSEDED",
};

function rowOf(record: LeadRecord, became: HTMLElement): HTMLTableRowElement {
  return row(columns, [
    when(record.createTime),
    h("a", { href: leadPath(record.leadId ?? ""), "data-row": true }, leadName(record)),
    record.lead?.email === leadName(record) ? "" : (record.lead?.email ?? ""),
    record.lead?.source?.form ?? "",
    became,
  ]);
}

/** stateOf shows the state of a lead: of an open one, the states of its deliveries, which say more. */
export function stateOf(record: LeadRecord, deliveries: Delivery[]): Child {
  if (record.state !== "LEAD_STATE_OPEN" || deliveries.length === 0) return state(ofLead(record.state));
  return deliveries.map((delivery) => h("div", { "data-destination": delivery.destination }, deliveryState(delivery.state, delivery.destination)));
}

const deliveryState = (is: DeliveryState | undefined, destination = ""): Child => [state(ofDelivery(is)), " ", h("span", { class: "muted" }, destination)];
