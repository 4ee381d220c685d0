// The list of leads, newest first, narrowed by state, form or person.

import type { Delivery, LeadRecord, ListLeadsResponse } from "api";
import { post } from "../api";
import { h, swap, type Child } from "../dom";
import { count, when } from "../format";
import type { Page, View } from "../page";
import { button } from "../parts/button";
import { empty, fill } from "../parts/faces";
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
  const form = h("input", { type: "search", name: "form", "aria-label": "Form", placeholder: "form", autocomplete: "off", spellcheck: "false", value: query.get("form") ?? "" });
  const list = h("div", {});
  /** newest is when the newest lead that is shown was accepted; later ones are news. */
  let newest = Infinity;
  const news = h("p", { class: "muted", role: "status" });

  const show = (): void => {
    const filter = { email: email.value.trim().toLowerCase(), state: chosen.value, form: form.value.trim() };
    change(pathTo("leads", "", filter));
    swap(news);
    void fill(list, "The leads could not be read", page.signal, async () => {
      const answer = await ask(page, filter);
      newest = Date.parse(answer.leads?.[0]?.createTime ?? "1970-01-01");
      return answer;
    }, (answer) => (answer.leads?.length || answer.nextPageToken ? new LeadRows(page, filter, answer).element : nothing(filter)));
  };
  // What a form sent may be mapped anew; a form that is not named has too much to look through.
  const again = button({
    label: "Replay …",
    name: "Replay the leads of this form …",
    kind: "quiet",
    run: () => {
      const filter = { form: form.value.trim(), email: email.value.trim().toLowerCase() };
      return filter.form ? replay(`the leads of ${filter.form}`, filter) : Promise.reject(new Error("Enter the form whose leads to replay"));
    },
  });
  const controls = h("form", { class: "toolbar", role: "search", "aria-label": "Leads", submit: (event) => { event.preventDefault(); show(); } }, email, form, chosen, h("button", { class: "quiet" }, "Search"), may(page.session, "operate") ? again : null, news);
  chosen.addEventListener("change", show);
  let arrived = 0;
  const tell = throttled(() => swap(news, h("button", { type: "button", class: "quiet", click: () => { arrived = 0; show(); } }, `▴ ${count(arrived)} new`)), 500);
  page.stream.watch({
    events: (events) => {
      arrived += events.filter((event) => event.lead?.stage === "STAGE_VALIDATED" && Date.parse(event.time ?? "") > newest).length;
      if (arrived > 0) tell();
    },
  }, page.signal);
  show();
  return { title: "Leads", element: h("div", {}, h("h1", {}, "Leads"), controls, list) };
}

type Filter = Record<"email" | "state" | "form", string>;

const ask = (page: Page, filter: Filter, token = ""): Promise<ListLeadsResponse> => post<ListLeadsResponse>("/v1/leads:search", { ...filter, state: `LEAD_STATE_${filter.state || "UNSPECIFIED"}`, pageSize: PAGE, pageToken: token, withDeliveries: true }, page.signal);

function nothing(filter: Filter): HTMLElement {
  if (Object.values(filter).some(Boolean)) return empty("No leads match.", h("p", {}, "Enter the complete e-mail address."));
  return empty("No leads yet.", h("p", {}, "Submit one through a form on your website, or try:"), h("pre", { tabindex: 0 }, h("code", {}, `curl ${location.origin}/v1/forms/contact/submissions -d email=grace@example.com -d firstname=Grace`)));
}

/** LeadRows is a table that grows by a page when asked. */
class LeadRows {
  readonly element = h("div", {});
  private readonly table = table("Leads, newest first", columns, [], { class: "rows leads" });
  private readonly foot = h("p", { class: "buttons" });

  constructor(
    private readonly page: Page,
    private readonly filter: Filter,
    first: ListLeadsResponse,
  ) {
    this.element.append(this.table, this.foot);
    this.add(first);
  }

  private add(answer: ListLeadsResponse): void {
    const deliveries = Map.groupBy(answer.deliveries ?? [], (delivery) => delivery.leadId ?? "");
    this.table.tBodies[0]?.append(...(answer.leads ?? []).map((record) => rowOf(record, deliveries.get(record.leadId ?? "") ?? [])));
    const token = answer.nextPageToken;
    swap(this.foot, token ? button({ label: "Older leads", kind: "quiet", run: async () => { this.add(await ask(this.page, this.filter, token)); return ""; } }) : null);
  }
}

function rowOf(record: LeadRecord, deliveries: Delivery[]): HTMLTableRowElement {
  return row(columns, [
    when(record.createTime),
    h("a", { href: leadPath(record.leadId ?? ""), "data-row": true }, leadName(record)),
    record.lead?.email === leadName(record) ? "" : (record.lead?.email ?? ""),
    record.lead?.source?.form ?? "",
    stateOf(record, deliveries),
  ]);
}

/** stateOf says what became of a lead: that it is open says nothing, what its deliveries are does. */
function stateOf(record: LeadRecord, deliveries: Delivery[]): Child {
  if (record.state !== "LEAD_STATE_OPEN" || deliveries.length === 0) return state(ofLead(record.state));
  return deliveries.map((delivery) => h("div", {}, state(ofDelivery(delivery.state)), " ", h("span", { class: "muted" }, delivery.destination ?? "")));
}
