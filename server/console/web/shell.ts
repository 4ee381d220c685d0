// What surrounds every view: the header with health and search, tabs with counts, the bar that reports a lost connection.

import { h, set, swap, write } from "./dom";
import { count, duration, plural, seconds } from "./format";
import { help, listenToKeys, type Tab } from "./keyboard";
import { notes } from "./parts/announce";
import { button } from "./parts/button";
import { pathTo, place } from "./router";
import { searchField } from "./search";
import { may, signOut, type Session } from "./session";
import type { Gateway } from "./gateway";
import type { SharedStream } from "./stream/shared";
import { ofStatus, state, type Word } from "./words";

export const tabs: Tab[] = [
  { name: "Now", tab: "", letter: "n" },
  { name: "Leads", tab: "leads", letter: "l" },
  { name: "Held", tab: "held", letter: "h" },
  { name: "Dead", tab: "dead", letter: "x" },
  { name: "Destinations", tab: "destinations", letter: "d" },
  { name: "Drift", tab: "drift", letter: "f" },
  { name: "Alerts", tab: "alerts", letter: "a" },
];

/** A connection that is back sooner than this needs no bar, in milliseconds. */
const BLINK = 1_200;

export class Shell {
  readonly element: HTMLElement;
  readonly main = h("main", { id: "main", tabindex: -1 });
  private readonly links = new Map<string, { link: HTMLAnchorElement; badge: HTMLElement }>();
  private readonly health = h("p", { class: "health", role: "status" });
  private readonly bar = h("div", { class: "lost", role: "status", hidden: true });
  private healthKey = "";

  constructor(
    session: Session,
    private readonly stream: SharedStream,
    private readonly gateway: Gateway,
    signal: AbortSignal,
  ) {
    const nav = h("nav", { "aria-label": "Console" }, h("ul", {}, tabs.map((tab) => h("li", {}, this.tabLink(tab)))));
    this.element = h(
      "div",
      { class: "shell" },
      h("a", { class: "skip", href: "#main", click: (event) => { event.preventDefault(); this.main.focus(); } }, "Skip to content"),
      h(
        "header",
        { class: "top" },
        h("p", { class: "brand" }, h("span", { class: "mark", "aria-hidden": "true" }), "leadgate ", h("span", { class: "muted" }, `▸ ${location.host}`)),
        this.health,
        searchField(),
        session.keys ? h("p", { class: "who" }, h("span", { class: "muted" }, session.name ?? "", may(session, "operate") ? "" : " (read-only)"), button({ label: "Sign out", kind: "quiet", run: leave })) : null,
      ),
      nav,
      this.bar,
      this.main,
      h("footer", { class: "foot" }, h("button", { type: "button", class: "quiet", click: () => help(tabs) }, "Keyboard shortcuts")),
      notes(),
    );
    gateway.changed(() => this.showHealth(), signal);
    stream.watch({ link: () => this.showLink() }, signal);
    this.showLink();
    listenToKeys(tabs);
  }

  /** mark shows which tab is open. */
  mark(): void {
    const { tab } = place();
    for (const [name, { link }] of this.links) {
      set(link, { "aria-current": name === tab ? "page" : null });
      if (name === tab) this.reveal(link);
    }
  }

  /** reveal scrolls the tabs, which do not all fit on a phone, until one is visible. */
  private reveal(link: HTMLElement): void {
    const tabs = link.closest("ul");
    if (tabs) tabs.scrollLeft = link.offsetLeft - (tabs.clientWidth - link.offsetWidth) / 2;
  }

  private tabLink(tab: Tab): HTMLAnchorElement {
    const badge = h("span", { class: "badge" });
    const link = h("a", { href: pathTo(tab.tab), "aria-keyshortcuts": `g ${tab.letter}` }, tab.name, " ", badge);
    this.links.set(tab.tab, { link, badge });
    return link;
  }

  private badge(tab: string, text: string): void {
    const badge = this.links.get(tab)?.badge;
    if (!badge || badge.textContent === text) return;
    write(badge, text);
    const open = this.links.get(place().tab)?.link;
    if (open) this.reveal(open); // the tabs before it may have grown
  }

  private showHealth(): void {
    const { gateway } = this;
    const held = gateway.heldLeads + gateway.heldDeliveries;
    this.badge("held", held > 0 ? count(held) + (gateway.moreHeld ? "+" : "") : "");
    this.badge("dead", gateway.dead > 0 ? count(gateway.dead) : "");
    this.badge("drift", gateway.drifts.length > 0 ? count(gateway.drifts.length) : "");
    this.badge("alerts", gateway.firing.length > 0 ? count(gateway.firing.length) : "");
    const [word, text, about] = this.judge();
    const oldest = gateway.stats?.oldestWaiting;
    const waiting = gateway.waiting > 0 ? `${count(gateway.waiting)} waiting` + (oldest ? ` · oldest ${duration(seconds(oldest))}` : "") : "";
    // The region is polite, and is announced when the problem changes, not with every figure.
    if (this.healthKey !== text) {
      this.healthKey = text;
      swap(this.health, state(word, about ? h("a", { href: about }, text) : text), h("span", { class: "muted", "aria-live": "off", id: "waiting" }));
    }
    const figure = this.health.querySelector("#waiting");
    if (figure) write(figure, waiting);
  }

  /** judge returns the worst problem of the gateway, and the page about it. */
  private judge(): [word: Word, text: string, about?: string] {
    const { gateway } = this;
    if (gateway.error) return [{ word: "", tone: "failing" }, "the gateway does not answer"];
    if (!gateway.destinations) return [{ word: "", tone: "waiting" }, "asking"];
    const critical = gateway.firing.find((alert) => alert.severity === "ALERT_SEVERITY_CRITICAL");
    const troubled = gateway.destinations.filter((d) => ofStatus(d.status).tone !== "success");
    const [first] = troubled.sort((a, b) => rank(ofStatus(a.status)) - rank(ofStatus(b.status)));
    if (critical && (!first || ofStatus(first.status).tone !== "failing")) return [{ word: "", tone: "failing" }, critical.summary ?? "an alert is firing", pathTo("alerts")];
    if (!first && gateway.firing[0]) return [{ word: "", tone: "retrying" }, gateway.firing[0].summary ?? "an alert is firing", pathTo("alerts")];
    if (!first) return [{ word: "", tone: "success" }, "all well"];
    const more = troubled.length > 1 ? ` and ${plural(troubled.length - 1, "more", "more")}` : "";
    return [ofStatus(first.status), `${first.name ?? ""}: ${ofStatus(first.status).word}${more}`, troubled.length > 1 ? pathTo("destinations") : pathTo("destinations", first.name)];
  }

  private showLink(): void {
    const { link } = this.stream;
    if (link.state !== "lost") {
      set(this.bar, { hidden: true });
      return;
    }
    setTimeout(() => {
      if (this.stream.link.state !== "lost" || !this.bar.hidden) return;
      swap(this.bar, state({ word: "", tone: "failing" }, "Disconnected. This page has stopped updating; it catches up without a gap once the gateway is back."), button({ label: "Try now", kind: "quiet", run: () => { this.stream.now(); return Promise.resolve(""); } }));
      set(this.bar, { hidden: false });
    }, BLINK);
  }
}

const rank = (word: Word): number => ["failing", "retrying", "paused", "waiting", "success"].indexOf(word.tone);

/** leave signs out and reloads the page. */
export async function leave(): Promise<string> {
  await signOut();
  location.reload();
  return "";
}
