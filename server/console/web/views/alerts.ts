// Alerts: those that need a person, with the cause, what to do and where; those that are over; and the state of the notifiers.

import type { Alert, ListAlertsResponse, Notifier, TestAlertsResponse } from "api";
import { get, post } from "../api";
import { h, type Child } from "../dom";
import { count, duration, number, plural, when } from "../format";
import type { Page, View } from "../page";
import { alertCard, byUrgency } from "../parts/alert";
import { announce } from "../parts/announce";
import { button } from "../parts/button";
import { copyable } from "../parts/copy";
import { empty, fill } from "../parts/faces";
import { row, table, type Column } from "../parts/table";
import { poll } from "../poll";
import { may } from "../session";
import { state } from "../words";

const EVERY = 15_000;

export function alerts(page: Page): View {
  const place = h("div", {});
  const show = (): Promise<void> => fill(place, "The alerts could not be read", page.signal, () => get<ListAlertsResponse>("/v1/alerts", {}, page.signal), (answer) => draw(page, answer, () => void show()));
  const again = poll(show, EVERY, page.signal);
  page.stream.watch({ events: (events) => events.some((event) => event.system?.alert || event.system?.notifier) && again() }, page.signal);
  return { title: "Alerts", element: h("div", {}, h("h1", {}, "Alerts"), place) };
}

function draw(page: Page, answer: ListAlertsResponse, again: () => void): Child {
  const all = answer.alerts ?? [];
  const firing = all.filter((alert) => alert.state === "ALERT_STATE_FIRING").sort(byUrgency);
  const over = all.filter((alert) => alert.state !== "ALERT_STATE_FIRING");
  return [
    firing.length === 0 ? empty("Nothing needs your attention.", h("p", {}, "leadgate watches for failing calls, leads that wait too long, silent forms and more. Alerts that fire appear here.")) : h("div", { class: "alerts" }, firing.map((alert) => alertCard(page, alert, again))),
    over.length > 0 ? h("section", { class: "part", "aria-labelledby": "over" }, h("h2", { id: "over" }, "Over"), overTable(over)) : null,
    h("section", { class: "part", "aria-labelledby": "notifiers" }, h("h2", { id: "notifiers" }, "Who is notified"), notifiers(page, answer.notifiers ?? [], again)),
  ];
}

const overColumns: Column[] = [{ name: "Over", kind: "time" }, { name: "What", kind: "what" }, { name: "Lasted", kind: "figure" }];

function overTable(alerts: Alert[]): HTMLElement {
  return table("Resolved alerts", overColumns, alerts.map((alert) => {
    const lasted = (Date.parse(alert.resolveTime ?? "") - Date.parse(alert.fireTime ?? "")) / 1000;
    return row(overColumns, [when(alert.resolveTime), alert.summary ?? "", lasted > 0 ? duration(lasted) : ""]);
  }), { class: "rows" });
}

const notifierColumns: Column[] = [{ name: "Name", kind: "person" }, { name: "Kind", kind: "form" }, { name: "State", kind: "stage" }, { name: "Last notified", kind: "time" }, { name: "What went wrong", kind: "note" }];

function notifiers(page: Page, all: Notifier[], again: () => void): Child {
  if (all.length === 0) return empty("Nobody is notified.", h("p", {}, "To send alerts to a chat, a pager or a mailbox, add a notifier under alerts in the configuration:"), copyable('alerts: { notifiers: { chat: { slack: { url: "${env:SLACK_URL}" } } } }', "the configuration"));
  return [
    table("Notifiers", notifierColumns, all.map((n) => row(notifierColumns, [
      n.name ?? "",
      n.kind ?? "",
      n.lastError ? state({ word: "failing", tone: "failing" }) : number(n.waiting) > 0 ? state({ word: `${count(n.waiting)} waiting`, tone: "waiting" }) : state({ word: "well", tone: "success" }),
      when(n.lastSentTime),
      n.lastError ?? "",
    ])), { class: "rows" }),
    may(page.session, "operate") ? h("p", { class: "buttons" }, button({ label: "Send a test to all", run: () => test(again) })) : null,
  ];
}

async function test(again: () => void): Promise<string> {
  const { results = [] } = await post<TestAlertsResponse>("/v1/alerts:test");
  again();
  const failed = results.filter((result) => result.error);
  for (const result of failed) announce(`${result.name ?? ""}: ${result.error ?? ""}`, "failing");
  return failed.length === results.length ? "" : `The test reached ${plural(results.length - failed.length, "notifier")}`;
}
