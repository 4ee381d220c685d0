// One connection to the gateway's live stream, which reconnects by itself and resumes where it stopped.

import type { Event as LeadgateEvent, WatchDeliveriesResponse, WatchGap } from "api";

export type Link =
  | { readonly state: "connecting" }
  | { readonly state: "live" }
  /** until is when the next try is due, in milliseconds, as in Date.now(). */
  | { readonly state: "lost"; readonly until: number };

export interface Listener {
  event(event: LeadgateEvent): void;
  gap(gap: WatchGap): void;
  link(link: Link): void;
}

interface Frame {
  result?: WatchDeliveriesResponse;
  error?: { message?: string };
}

/** How many events the first connection starts with. */
export const HISTORY = 200;
/** The gateway sends something every 15 s. After this long without, in milliseconds, the connection is dead. */
const SILENCE = 40_000;
/** Waits between tries: 1 s, 2 s, 4 s, 8 s, then 15 s. */
const FIRST_WAIT = 1_000;
const LONGEST_WAIT = 15_000;

export class Source {
  private source: EventSource | undefined;
  private timer: number | undefined;
  private silence: number | undefined;
  /** said is when the gateway last sent something, as in performance.now(). */
  private said = 0;
  private failures = 0;
  private heard = false;

  constructor(
    private readonly listener: Listener,
    /** The last event that was seen; the stream resumes after it. */
    private last: string | undefined,
  ) {
    this.connect();
  }

  /** now tries again without waiting. */
  now(): void {
    if (this.timer === undefined) return;
    this.connect();
  }

  close(): void {
    clearTimeout(this.timer);
    clearTimeout(this.silence);
    this.timer = undefined;
    this.silence = undefined;
    this.source?.close();
    this.source = undefined;
  }

  private connect(): void {
    this.close();
    this.heard = false;
    if (this.failures === 0) this.listener.link({ state: "connecting" });
    const query = this.last ? `resume_after=${encodeURIComponent(this.last)}` : `last=${HISTORY}`;
    const source = new EventSource(`/v1/deliveries:watch?${query}`);
    this.source = source;
    source.addEventListener("message", (message: MessageEvent<string>) => this.receive(JSON.parse(message.data) as Frame));
    source.addEventListener("error", () => this.fail());
    this.listen();
  }

  private receive(frame: Frame): void {
    this.listen();
    if (frame.error) {
      this.fail(); // the gateway is stopping
      return;
    }
    const { hello, event, gap } = frame.result ?? {};
    if (hello) {
      this.heard = true;
      this.failures = 0;
      this.listener.link({ state: "live" });
    }
    if (gap) this.listener.gap(gap);
    if (event) {
      this.last = event.id ?? this.last;
      this.listener.event(event);
    }
  }

  /** listen restarts the time of silence. It does not reset the timer, which hundreds of events a second would each do. */
  private listen(): void {
    this.said = performance.now();
    this.silence ??= setTimeout(() => this.judge(), SILENCE);
  }

  /** judge fails the connection, unless something was sent meanwhile. */
  private judge(): void {
    const left = this.said + SILENCE - performance.now();
    this.silence = left > 0 ? setTimeout(() => this.judge(), left) : undefined;
    if (left <= 0) this.fail();
  }

  private fail(): void {
    const refused = this.source?.readyState === EventSource.CLOSED && !this.heard;
    this.close();
    this.failures++;
    if (refused && this.last && this.failures > 1) {
      // The gateway answers, but rejects this identifier: it may be another gateway now.
      this.last = undefined;
      this.listener.gap({ reason: "The stream could not resume where it stopped." });
    }
    const wait = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** (this.failures - 1));
    this.listener.link({ state: "lost", until: Date.now() + wait });
    this.timer = setTimeout(() => this.connect(), wait);
  }
}
