// One destination: its state, what waits for it and why, and everything that can be done about it.

import type { Delivery, ListDeliveriesResponse, RetryDeliveriesResponse } from "api";
import { get, Problem } from "../api";
import { h, swap, type Child } from "../dom";
import { count, number, plural, when } from "../format";
import type { Page, View } from "../page";
import { button } from "../parts/button";
import { empty, fill } from "../parts/faces";
import { moveAll } from "../parts/move";
import { operate } from "../parts/operation";
import { row, table, type Column } from "../parts/table";
import { throttled } from "../poll";
import { leadPath, pathTo } from "../router";
import { may } from "../session";
import { ofDelivery, state } from "../words";
import { Row } from "./destinations";

/** How many deliveries in each state are listed. */
const SHOWN = 20;
const states = ["RETRY_WAIT", "PENDING", "HELD"];

const columns: Column[] = [
  { name: "Lead", kind: "person" },
  { name: "Form", kind: "form" },
  { name: "State", kind: "stage" },
  { name: "Due", kind: "time" },
  { name: "Calls", kind: "figure" },
  { name: "What went wrong last", kind: "note" },
];

export function destination(page: Page): View {
  const name = page.place.rest;
  const place = h("div", { class: "destination-list" });
  const waiting = h("div", { class: "waiting-list" });
  const row = new Row(page, name);
  page.gateway.changed(() => {
    const found = page.gateway.destinations?.find((d) => d.name === name);
    if (page.gateway.destinations && !found) swap(place, empty(`No destination ${name} is configured.`, h("p", {}, "Deliveries that wait for it are ", h("a", { href: pathTo("held") }, "held"), ". Configure it again, or move them to another destination.")));
    if (!found) return;
    if (!place.contains(row.element)) swap(place, row.element);
    row.card.show(found);
    row.show(page.gateway.stats?.destinations?.find((s) => s.destination === name));
  }, page.signal);
  const show = (): Promise<void> => fill(waiting, "The waiting deliveries could not be read", page.signal, () => ask(page, name), (lists) => draw(page, name, lists, () => void show()));
  const soon = throttled(() => void show(), 2_000);
  page.stream.watch({ events: (events) => events.some((event) => event.lead?.destination === name || event.destination?.destination === name) && soon() }, page.signal);
  void show();
  return {
    title: name,
    element: h("div", {}, h("p", { class: "crumbs" }, h("a", { href: pathTo("destinations") }, "Destinations")), h("h1", {}, name), place, h("section", { class: "part", "aria-labelledby": "waiting-title" }, h("h2", { id: "waiting-title" }, "What waits"), waiting)),
  };
}

const ask = (page: Page, destination: string): Promise<ListDeliveriesResponse[]> =>
  Promise.all(states.map((state) => get<ListDeliveriesResponse>("/v1/deliveries", { state, destination, page_size: SHOWN }, page.signal).catch(noneIfGone)));

/** noneIfGone returns no deliveries for a destination that the gateway does not know. */
function noneIfGone(error: unknown): ListDeliveriesResponse {
  if (error instanceof Problem && error.status === 404) return {};
  throw error;
}

function draw(page: Page, name: string, lists: ListDeliveriesResponse[], again: () => void): Child {
  const deliveries = lists.flatMap((list) => list.deliveries ?? []);
  if (deliveries.length === 0) return empty("Nothing is waiting.");
  const retrying = lists[0]?.deliveries?.length ?? 0;
  const done = (text: string): string => {
    page.gateway.refresh();
    again();
    return text;
  };
  const deeds = may(page.session, "operate")
    ? [
        retrying > 0 ? button({ label: "Retry failed deliveries now", kind: "primary", run: async () => done(await retryAll(name)) }) : null,
        button({ label: "Move to another destination …", kind: "quiet", run: async () => done(await moveAll(page, name)) }),
      ]
    : [];
  const more = lists.some((list) => list.nextPageToken);
  return [
    deeds.length > 0 ? h("p", { class: "buttons" }, deeds) : null,
    table(`Waiting for ${name}`, columns, deliveries.map(rowOf), { class: "rows waiting" }),
    more ? h("p", { class: "muted" }, `The newest ${count(SHOWN)} of each state are shown.`) : null,
  ];
}

async function retryAll(destination: string): Promise<string> {
  const done = await operate<RetryDeliveriesResponse>(`Retrying at ${destination}`, "/v1/deliveries:retry", { filter: { destination, state: "DELIVERY_STATE_RETRY_WAIT" } });
  return `Retrying ${plural(number(done.retried), "delivery", "deliveries")} now`;
}

const rowOf = (delivery: Delivery): HTMLTableRowElement =>
  row(columns, [
    h("a", { href: leadPath(delivery.leadId ?? ""), "data-row": true }, `lead ${count(delivery.sequence)}`),
    delivery.form ?? "",
    state(ofDelivery(delivery.state)),
    when(delivery.dueTime),
    count(delivery.attemptCount),
    delivery.reason || delivery.lastError || "",
  ]);
