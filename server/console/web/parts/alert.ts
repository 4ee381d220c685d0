// A firing alert: what is wrong, why, what to do and where, and a button to acknowledge it. It appears in the list of alerts, and on the
// page that it leads to.

import type { AcknowledgeAlertResponse, Alert } from "api";
import { post } from "../api";
import { h, swap } from "../dom";
import { when } from "../format";
import type { Page } from "../page";
import { leadPath, pathTo } from "../router";
import { may } from "../session";
import { state } from "../words";
import { ask } from "./ask";
import { button } from "./button";
import { copyable } from "./copy";

/** alertsHere shows the alerts that lead to the open page, so that whoever follows an alert finds its cause there. */
export function alertsHere(page: Page): HTMLElement {
  const element = h("div", { class: "alerts here" });
  let shown = "";
  page.gateway.changed(() => {
    const here = page.gateway.firing.filter(isHere).sort(byUrgency);
    const key = JSON.stringify(here);
    element.hidden = here.length === 0;
    if (key === shown) return;
    shown = key;
    swap(element, here.map((alert) => alertCard(page, alert, () => page.gateway.refresh())));
  }, page.signal);
  return element;
}

/** isHere reports whether an alert leads to the open page, and that is not just the list of alerts. */
const isHere = (alert: Alert): boolean => isOpen(alert) && pageOf(alert) !== pathTo("alerts");

/** isOpen reports whether the page that an alert leads to is open. */
function isOpen(alert: Alert): boolean {
  const url = new URL(pageOf(alert), location.href);
  const open = new URLSearchParams(location.search);
  return url.pathname === location.pathname && [...url.searchParams].every(([name, value]) => open.get(name) === value);
}

export function alertCard(page: Page, alert: Alert, again: () => void): HTMLElement {
  const critical = alert.severity === "ALERT_SEVERITY_CRITICAL";
  const told = (alert.notifications ?? []).filter((n) => n.sentTime).map((n) => n.notifier);
  const untold = (alert.notifications ?? []).filter((n) => !n.sentTime);
  return h(
    "article",
    { class: "card", "aria-label": alert.summary ?? alert.rule, "data-tone": critical ? "failing" : "retrying" },
    h("header", { class: "card-head" }, h("h2", {}, alert.summary ?? ""), onIt(alert) ? state({ word: "somebody is on it", tone: "paused" }) : state(critical ? { word: "now", tone: "failing" } : { word: "in working hours", tone: "retrying" })),
    alert.cause ? h("p", { class: "card-error" }, alert.cause) : null,
    alert.action ? h("p", {}, alert.action) : null,
    h("p", { class: "buttons" }, isOpen(alert) ? null : h("a", { href: pageOf(alert), class: "button" }, placeOf(alert)), alert.leadId ? h("a", { href: leadPath(alert.leadId), class: "button", "data-row": true }, "The lead") : null, may(page.session, "operate") ? acknowledgeButton(page, alert, again) : null),
    alert.command ? copyable(alert.command, `the command against ${alert.summary ?? ""}`) : null,
    onIt(alert) ? h("p", {}, alert.acknowledgeNote || "Somebody is on it", h("span", { class: "muted" }, ", ", when(alert.acknowledgeTime))) : null,
    h("p", { class: "muted" }, "since ", when(alert.fireTime), told.length > 0 ? `; notified: ${told.join(", ")}` : "; nobody notified", alert.remindTime ? ["; again ", when(alert.remindTime)] : null),
    untold.length > 0 ? h("p", { class: "card-error" }, untold.map((n) => `${n.notifier ?? ""} did not accept it: ${n.lastError ?? ""}`).join("; ")) : null,
  );
}

/** byUrgency sorts critical alerts first and acknowledged ones last. */
export const byUrgency = (a: Alert, b: Alert): number => urgency(a) - urgency(b);

const urgency = (alert: Alert): number => (onIt(alert) ? 2 : alert.severity === "ALERT_SEVERITY_CRITICAL" ? 0 : 1);

/** onIt reports whether somebody acknowledged an alert. */
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
  if (onIt(alert)) return button({ label: "No longer on it", name: `No longer on it: ${about}`, kind: "quiet", run: () => send("0s", "", "Reminders go on") });
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
        body: [h("p", {}, about), h("p", { class: "muted" }, "For a time nobody is reminded of it, nor notified if it fires again. Its resolution is still sent."), h("label", { class: "field" }, "No reminders for", span), h("label", { class: "field" }, "Note for others", note)],
      });
      return yes ? send(span.value, note.value.trim(), "Nobody is reminded meanwhile") : "";
    },
  });
}

/**
 * pageOf returns the console's page about an alert. It ignores the host: the gateway may know another address of itself than the
 * reader.
 */
function pageOf(alert: Alert): string {
  const url = alert.url ? new URL(alert.url, location.href) : location;
  return url.pathname.startsWith(pathTo("")) ? url.pathname + url.search : pathTo("");
}

const placeOf = (alert: Alert): string => {
  const [tab, name] = pageOf(alert).slice(pathTo("").length).split(/[/?]/);
  if (!tab) return "See what is happening now";
  return tab === "destinations" && name ? `To ${decodeURIComponent(name)}` : `To ${tab}`;
};
