// One live stream per browser, no matter how many tabs are open: with HTTP/1.1 a browser has six connections to a gateway, and six tabs
// with a stream each would leave none for anything else.
//
// The visible tabs compete for a lock. The one that has it leads: it holds the connection and passes events to the others. A tab that is
// hidden releases the lock and closes its stream; when it is visible again, it resumes from the leader's memory or the gateway's.

import type { Event as LeadgateEvent, WatchGap } from "api";
import { type Link, Source } from "./source";

/** How many events are kept for views that are opened later; also the most that a live list shows. */
export const KEPT = 500;
/** How long the leader collects events before it passes them on, in milliseconds. */
const BATCH = 80;
/** How long a tab waits for the leader's memory before it continues without, in milliseconds. */
const ANSWER = 1_000;

const LOCK = "leadgate-stream";

type Message =
  | { readonly kind: "events"; readonly events: LeadgateEvent[] }
  | { readonly kind: "gap"; readonly gap: WatchGap }
  | { readonly kind: "link"; readonly link: Link }
  | { readonly kind: "join"; readonly tab: string }
  | { readonly kind: "leave"; readonly tab: string }
  | { readonly kind: "lead" }
  | { readonly kind: "memory"; readonly tab: string; readonly events: LeadgateEvent[]; readonly link: Link };

export interface Watcher {
  /** events gets new events, oldest first. */
  events?(events: LeadgateEvent[]): void;
  gap?(gap: WatchGap): void;
  link?(link: Link): void;
}

export class SharedStream {
  /** recent holds the newest events, oldest first. */
  recent: LeadgateEvent[] = [];
  link: Link = { state: "connecting" };

  private readonly channel = new BroadcastChannel(LOCK);
  private readonly tab = Math.random().toString(36).slice(2);
  private readonly watchers = new Set<Watcher>();
  /** followers are the other visible tabs, if this one leads; if there are none, nothing is sent to them. */
  private readonly followers = new Set<string>();
  private source: Source | undefined;
  private batch: LeadgateEvent[] = [];
  private joining: number | undefined;
  private leave: (() => void) | undefined;

  constructor() {
    this.channel.addEventListener("message", (message: MessageEvent<Message>) => this.hear(message.data));
    document.addEventListener("visibilitychange", () => this.look());
    // A page in the browser's back/forward cache must not hold the lock either.
    addEventListener("pagehide", () => this.hide());
    addEventListener("pageshow", () => this.look());
    this.look();
  }

  /** watch passes everything to a watcher until the signal is aborted. */
  watch(watcher: Watcher, signal: AbortSignal): void {
    this.watchers.add(watcher);
    signal.addEventListener("abort", () => this.watchers.delete(watcher));
  }

  /** now reconnects without waiting, if this tab leads. */
  now(): void {
    this.source?.now();
  }

  private look(): void {
    if (document.visibilityState === "hidden") this.hide();
    else if (!this.leave) this.show();
  }

  private show(): void {
    const end = new AbortController();
    this.leave = () => end.abort();
    if (!("locks" in navigator)) { // over plain HTTP, browsers offer no locks: then each visible tab has its own stream
      end.signal.addEventListener("abort", () => this.stopLeading());
      this.lead();
      return;
    }
    this.join();
    end.signal.addEventListener("abort", () => this.channel.postMessage({ kind: "leave", tab: this.tab } satisfies Message));
    navigator.locks
      .request(LOCK, { signal: end.signal }, async () => {
        this.lead();
        await new Promise<void>((done) => end.signal.addEventListener("abort", () => done()));
        this.stopLeading();
      })
      .catch(() => undefined); // hidden while it waited for the lock
  }

  private hide(): void {
    this.leave?.();
    this.leave = undefined;
  }

  private lead(): void {
    this.joined();
    this.channel.postMessage({ kind: "lead" } satisfies Message); // followers join again
    this.source = new Source(
      {
        event: (event) => {
          if (this.batch.length === 0) setTimeout(() => this.flush(), BATCH);
          this.batch.push(event);
        },
        gap: (gap) => {
          this.flush();
          this.say({ kind: "gap", gap });
        },
        link: (link) => this.say({ kind: "link", link }),
      },
      this.recent.at(-1)?.id,
    );
  }

  private stopLeading(): void {
    this.flush();
    this.source?.close();
    this.source = undefined;
  }

  private flush(): void {
    if (this.batch.length === 0) return;
    const events = this.batch;
    this.batch = [];
    this.say({ kind: "events", events });
  }

  /** say handles a message here and sends it to the other tabs. */
  private say(message: Message): void {
    if (this.followers.size > 0) this.channel.postMessage(message);
    this.take(message);
  }

  /** join asks the leader, if there is one, for what happened while this tab was hidden. */
  private join(): void {
    clearTimeout(this.joining);
    this.joining = setTimeout(() => this.joined(), ANSWER);
    this.channel.postMessage({ kind: "join", tab: this.tab } satisfies Message);
  }

  private joined(): void {
    clearTimeout(this.joining);
    this.joining = undefined;
  }

  private hear(message: Message): void {
    // Every tab keeps track of the others, since it may lead later.
    if (message.kind === "leave") this.followers.delete(message.tab);
    if (message.kind === "join") {
      this.flush();
      this.followers.add(message.tab);
      if (!this.source) return;
      this.channel.postMessage({ kind: "memory", tab: message.tab, events: this.recent, link: this.link } satisfies Message);
      return;
    }
    if (!this.leave || this.source) return; // a hidden tab does not listen, and a leader needs no news
    if (message.kind === "lead") {
      this.join();
      return;
    }
    if (message.kind === "memory") {
      if (message.tab === this.tab && this.joining !== undefined) this.remember(message.events, message.link);
      return;
    }
    if (this.joining === undefined || message.kind === "link") this.take(message);
  }

  /** remember takes over the part of the leader's memory that follows what this tab has seen. */
  private remember(events: LeadgateEvent[], link: Link): void {
    this.joined();
    const last = this.recent.at(-1)?.id;
    const seen = last ? events.findIndex((event) => event.id === last) : -1;
    if (last && seen < 0 && events.length > 0) this.take({ kind: "gap", gap: { reason: "More happened while this tab was hidden than the gateway remembers." } });
    this.take({ kind: "events", events: events.slice(seen + 1) });
    this.take({ kind: "link", link });
  }

  private take(message: Message): void {
    switch (message.kind) {
      case "events":
        this.recent = [...this.recent, ...message.events].slice(-KEPT);
        for (const watcher of this.watchers) watcher.events?.(message.events);
        break;
      case "gap":
        for (const watcher of this.watchers) watcher.gap?.(message.gap);
        break;
      case "link":
        this.link = message.link;
        for (const watcher of this.watchers) watcher.link?.(message.link);
        break;
      case "join":
      case "leave":
      case "lead":
      case "memory":
    }
  }
}
