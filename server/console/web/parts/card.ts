// A destination's card: how sending is going, its figures, and the one button that helps.

import type { Destination, PauseDestinationResponse } from "api";
import { h, swap, write, type Child } from "../dom";
import { post } from "../api";
import { count, duration, number, percent, perTime, rate, seconds, when } from "../format";
import type { Page } from "../page";
import { may } from "../session";
import { ofStatus, state } from "../words";
import { pathTo } from "../router";
import { button, type Deed } from "./button";
import { testDestination } from "./test";

export class Card {
  readonly element: HTMLElement;
  private readonly body = h("div", { class: "card-body" });
  private readonly buttons = h("div", { class: "buttons" });
  private readonly account = h("span", { class: "muted" });
  private shown = "";
  private status: Destination["status"];

  constructor(
    private readonly page: Page,
    name: string,
  ) {
    this.element = h(
      "article",
      { class: "card", "aria-label": `Destination ${name}` },
      h("header", { class: "card-head" }, h("h2", {}, h("a", { href: pathTo("destinations", name) }, name)), this.account),
      this.body,
      this.buttons,
    );
  }

  show(d: Destination): void {
    const key = JSON.stringify(d);
    if (key === this.shown) return;
    this.shown = key;
    write(this.account, [d.kind !== d.name ? d.kind : "", d.account].filter(Boolean).join(" · "));
    this.element.dataset.tone = ofStatus(d.status).tone;
    swap(this.body, facts(d));
    if (d.status === this.status) return; // keeps a busy button
    this.status = d.status;
    const deeds = may(this.page.session, "operate") ? this.deeds(d) : [];
    swap(this.buttons, deeds.map(button));
  }

  private deeds(d: Destination): Deed[] {
    const name = d.name ?? "";
    const act = async (verb: string, body: object, done: string): Promise<string> => {
      await post<PauseDestinationResponse>(`/v1/destinations/${name}:${verb}`, body);
      this.page.gateway.refresh();
      return done;
    };
    if (d.status === "DESTINATION_STATUS_PAUSED") {
      return [{ label: "Resume", name: `Resume ${name}`, kind: "primary", run: () => act("resume", {}, `Sending to ${name} resumed`) }];
    }
    const pause: Deed = { label: "Pause", name: `Pause ${name}`, run: () => act("pause", { reason: "paused in the console" }, `${name} is paused; leads are still accepted and wait`) };
    // The button that helps comes first: if something is wrong, the one that finds out what.
    const wrong = ofStatus(d.status).tone === "failing";
    const test: Deed = { label: "Test now", name: `Test now: ${name}`, kind: wrong ? "primary" : "quiet", run: () => testDestination(name) };
    if (d.status === "DESTINATION_STATUS_RATE_LIMITED") {
      return [{ label: "Resume now", name: `Resume now: ${name}`, run: () => act("resume", {}, `Sending to ${name} resumed`) }, pause, test];
    }
    return wrong ? [test, pause] : [pause, test];
  }
}

function facts(d: Destination): Child[] {
  const limit = d.requestsPerSecondLimit ? ` of ${perTime(d.requestsPerSecondLimit)}` : "/s, no limit";
  const dead = number(d.dead), held = number(d.held);
  const resumes = d.status === "DESTINATION_STATUS_UNREACHABLE" ? "next check " : "resumes ";
  return [
    h("p", { class: "card-state" }, state(ofStatus(d.status)), h("span", { class: "figure" }, `${rate(d.requestsPerSecond ?? 0)}${limit}`)),
    h("dl", { class: "facts" }, fact("waiting", count(d.waiting)), fact("oldest", d.oldestWaiting ? duration(seconds(d.oldestWaiting)) : "–"), fact("delivered", count(d.delivered)),
      d.requestsPerDayLimit && number(d.requestsPerDayLimit) > 0 ? fact("quota left", percent(number(d.requestsLeftToday) / number(d.requestsPerDayLimit))) : null,
      held > 0 ? fact("held", h("a", { href: pathTo("held") }, count(held))) : null,
      fact("dead", dead > 0 ? h("a", { href: pathTo("dead", "", { destination: d.name ?? "" }) }, count(dead)) : "0")),
    d.resumeTime ? h("p", { class: "muted" }, resumes, when(d.resumeTime)) : null,
    d.pauseReason ? h("p", { class: "muted" }, "Paused: ", d.pauseReason) : null,
    d.lastError ? h("p", { class: "card-error" }, d.lastError, " ", h("span", { class: "muted" }, when(d.lastErrorTime))) : null,
  ];
}

const fact = (term: string, value: Child): HTMLElement => h("div", {}, h("dt", {}, term), h("dd", {}, value));

/** Cards shows a card for each destination and keeps them up to date. */
export class Cards {
  readonly element = h("div", { class: "cards" });
  private readonly cards = new Map<string, Card>();

  constructor(private readonly page: Page) {}

  show(destinations: Destination[]): void {
    const names = new Set(destinations.map((d) => d.name ?? ""));
    for (const [name, card] of this.cards) {
      if (names.has(name)) continue;
      card.element.remove();
      this.cards.delete(name);
    }
    for (const d of destinations) {
      let card = this.cards.get(d.name ?? "");
      if (!card) {
        card = new Card(this.page, d.name ?? "");
        this.cards.set(d.name ?? "", card);
        this.element.append(card.element);
      }
      card.show(d);
    }
  }
}
