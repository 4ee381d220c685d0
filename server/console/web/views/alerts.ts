// Alerts: what asks for a person, with the cause, what to do and where; what is over; and how those who tell people are doing.

import type { AcknowledgeAlertResponse, Alert, ListAlertsResponse, Notifier, TestAlertsResponse } from "api";
import { get, post } from "../api";
import { h, type Child } from "../dom";
import { count, duration, number, plural, when } from "../format";
import type { Page, View } from "../page";
import { announce } from "../parts/announce";
import { ask } from "../parts/ask";
import { button } from "../parts/button";
import { copyable } from "../parts/copy";
import { empty, fill } from "../parts/faces";
import { row, table, type Column } from "../parts/table";
import { poll } from "../poll";
import { leadPath, pathTo } from "../router";
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
  const firing = all.filter((alert) => alert.state === "ALERT_STATE_FIRING");
  const over = all.filter((alert) => alert.state !== "ALERT_STATE_FIRING");
  return [
    firing.length === 0 ? empty("Nothing asks for you.", h("p", {}, "Failing calls, leads that wait too long, forms that fell silent and more are watched; what fires stands here.")) : h("div", { class: "alerts" }, firing.map((alert) => card(page, alert, again))),
    over.length > 0 ? h("section", { class: "part", "aria-labelledby": "over" }, h("h2", { id: "over" }, "Over"), overTable(over)) : null,
    h("section", { class: "part", "aria-labelledby": "notifiers" }, h("h2", { id: "notifiers" }, "Who is told"), notifiers(page, answer.notifiers ?? [], again)),
  ];
}

function card(page: Page, alert: Alert, again: () => void): HTMLElement {
  const critical = alert.severity === "ALERT_SEVERITY_CRITICAL";
  const told = (alert.notifications ?? []).filter((n) => n.sentTime).map((n) => n.notifier);
  const untold = (alert.notifications ?? []).filter((n) => !n.sentTime);
  return h(
    "article",
    { class: "card", "aria-label": alert.summary ?? alert.rule, "data-tone": critical ? "failing" : "retrying" },
    h("header", { class: "card-head" }, h("h2", {}, alert.summary ?? ""), onIt(alert) ? state({ word: "somebody is on it", tone: "paused" }) : state(critical ? { word: "now", tone: "failing" } : { word: "in working hours", tone: "retrying" })),
    alert.cause ? h("p", { class: "card-error" }, alert.cause) : null,
    alert.action ? h("p", {}, alert.action) : null,
    h("p", { class: "buttons" }, h("a", { href: pageOf(alert), class: "button" }, placeOf(alert)), alert.leadId ? h("a", { href: leadPath(alert.leadId), class: "button", "data-row": true }, "The lead") : null, may(page.session, "operate") ? acknowledgeButton(page, alert, again) : null),
    alert.command ? copyable(alert.command, `the command against ${alert.summary ?? ""}`) : null,
    onIt(alert) ? h("p", {}, "Somebody is on it since ", when(alert.acknowledgeTime), alert.acknowledgeNote ? `: ${alert.acknowledgeNote}` : "") : null,
    h("p", { class: "muted" }, "since ", when(alert.fireTime), told.length > 0 ? `; told to ${told.join(", ")}` : "; told to nobody", alert.remindTime ? ["; again ", when(alert.remindTime)] : null),
    untold.length > 0 ? h("p", { class: "card-error" }, untold.map((n) => `${n.notifier ?? ""} does not take it: ${n.lastError ?? ""}`).join("; ")) : null,
  );
}

/** onIt says whether somebody acknowledged an alert. */
const onIt = (alert: Alert): boolean => Date.parse(alert.acknowledgedUntil ?? "1970-01-01") > Date.now();

const spans: [string, string][] = [["3600s", "1 hour"], ["28800s", "8 hours"], ["86400s", "a day"], ["604800s", "a week"]];

function acknowledgeButton(page: Page, alert: Alert, again: () => void): HTMLButtonElement {
  const send = async (duration: string, note: string, done: string): Promise<string> => {
    await post<AcknowledgeAlertResponse>("/v1/alerts:acknowledge", { alertId: alert.alertId, duration, note });
    page.gateway.refresh();
    again();
    return done;
  };
  const about = alert.summary ?? "";
  if (onIt(alert)) return button({ label: "Nobody is on it", name: `Nobody is on it: ${about}`, kind: "quiet", run: () => send("0s", "", "Reminders go on") });
  return button({
    label: "I am on it …",
    name: `I am on it: ${about}`,
    run: async () => {
      const span = h("select", {}, spans.map(([value, text]) => h("option", { value }, text)));
      span.value = "28800s";
      const note = h("input", { type: "text", maxlength: 500, value: page.session.name ? `${page.session.name}: ` : "", autocomplete: "off" });
      const yes = await ask({
        title: "Are you on it?",
        yes: "I am on it",
        body: [h("p", {}, about), h("p", { class: "muted" }, "For a time nobody is reminded of it, nor told if it fires again. When it is over, that is told."), h("label", { class: "field" }, "No reminders for", span), h("label", { class: "field" }, "For the others", note)],
      });
      return yes ? send(span.value, note.value.trim(), "Nobody is reminded meanwhile") : "";
    },
  });
}

/** pageOf is the console's page about an alert: the gateway may know itself by another address than the reader does. */
function pageOf(alert: Alert): string {
  const url = alert.url ? new URL(alert.url, location.href) : location;
  return url.pathname.startsWith(pathTo("")) ? url.pathname + url.search : pathTo("");
}

const placeOf = (alert: Alert): string => {
  const [tab, name] = pageOf(alert).slice(pathTo("").length).split(/[/?]/);
  if (!tab) return "To what happens now";
  return tab === "destinations" && name ? `To ${decodeURIComponent(name)}` : `To ${tab}`;
};

const overColumns: Column[] = [{ name: "Over", kind: "time" }, { name: "What", kind: "what" }, { name: "Lasted", kind: "figure" }];

function overTable(alerts: Alert[]): HTMLElement {
  return table("Alerts that are over", overColumns, alerts.map((alert) => {
    const lasted = (Date.parse(alert.resolveTime ?? "") - Date.parse(alert.fireTime ?? "")) / 1000;
    return row(overColumns, [when(alert.resolveTime), alert.summary ?? "", lasted > 0 ? duration(lasted) : ""]);
  }), { class: "rows" });
}

const notifierColumns: Column[] = [{ name: "Name", kind: "person" }, { name: "Kind", kind: "form" }, { name: "State", kind: "stage" }, { name: "Told last", kind: "time" }, { name: "What went wrong", kind: "note" }];

function notifiers(page: Page, all: Notifier[], again: () => void): Child {
  if (all.length === 0) return empty("Nobody is told.", h("p", {}, "Name a notifier in the configuration, under alerts, and alerts reach a chat, a pager or a mailbox:"), copyable('alerts: { notifiers: { chat: { slack: { url: "${env:SLACK_URL}" } } } }', "the configuration"));
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
