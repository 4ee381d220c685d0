// Destinations: each with its card, its success and failure over the last hour, and how long its calls take; and the forms.

import type { DestinationStats } from "api";
import { h, swap, write } from "../dom";
import { count, duration, number, plural, seconds, when } from "../format";
import type { Page, View } from "../page";
import { Card } from "../parts/card";
import { empty, fail } from "../parts/faces";
import { properties } from "../parts/table";
import { History } from "../parts/history";
import { curve } from "./figures";
import { forms } from "./forms";

export function destinations(page: Page): View {
  const place = h("div", { class: "destination-list" });
  const shown = new Map<string, Row>();
  page.gateway.changed(() => {
    const { destinations: all, error, stats } = page.gateway;
    if (error && !all) fail(place, "The destinations could not be read", new Error(error), () => page.gateway.refresh());
    if (!all) return;
    if (all.length === 0) swap(place, empty("No destination is configured."));
    if (all.map((d) => d.name).join() !== [...shown.keys()].join()) {
      shown.clear();
      for (const d of all) shown.set(d.name ?? "", new Row(page, d.name ?? ""));
      swap(place, [...shown.values()].map((row) => row.element));
    }
    for (const d of all) {
      const row = shown.get(d.name ?? "");
      row?.card.show(d);
      row?.show(stats?.destinations?.find((s) => s.destination === d.name));
    }
  }, page.signal);
  return { title: "Destinations", element: h("div", {}, h("h1", {}, "Destinations"), place, forms(page)) };
}

/** Row is one destination, across the page. */
export class Row {
  readonly card: Card;
  readonly element: HTMLElement;
  private readonly history = new History();
  private readonly caption = h("figcaption", { class: "muted" });
  private readonly latency = h("div", {});
  private key = "";

  constructor(page: Page, name: string) {
    this.card = new Card(page, name);
    this.element = h("div", { class: "destination-row" }, this.card.element, h("div", { class: "destination-figures" }, h("figure", {}, this.history.element, this.caption), this.latency));
  }

  show(stats: DestinationStats | undefined): void {
    const [delivered, failures] = [curve(stats ?? {}, "delivered"), curve(stats ?? {}, "failed")];
    this.history.show(delivered, failures);
    write(this.caption, `Last hour, by minute: ${count(stats?.counts?.delivered)} delivered, ${plural(number(stats?.counts?.failed), "failed call")}`);
    const key = JSON.stringify([stats?.call, stats?.speedToLead, stats?.lastDeliveryTime]);
    if (key === this.key) return;
    this.key = key;
    const percentiles = (of: { p50?: string; p95?: string; p99?: string } | undefined): string =>
      of?.p50 ? `p50 ${duration(seconds(of.p50))} · p95 ${duration(seconds(of.p95))} · p99 ${duration(seconds(of.p99))}` : "–";
    swap(this.latency, properties("How long it takes", [["a call", percentiles(stats?.call)], ["speed to lead", percentiles(stats?.speedToLead)], ["last delivered", when(stats?.lastDeliveryTime) || "–"]]));
  }
}
