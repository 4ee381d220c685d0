// The state of the gateway, requested once and shown in several places: the header, the tabs' counts, the destinations' cards.

import type { Alert, Destination, Drift, GetStatsResponse, ListAlertsResponse, ListDestinationsResponse, ListDriftResponse, ListLeadsResponse } from "api";
import { get, isAbort, messageOf } from "./api";
import { number } from "./format";
import { poll, throttled } from "./poll";
import type { SharedStream } from "./stream/shared";

const EVERY = 2_000;
/** How often what rarely changes is counted, in milliseconds. */
const SLOWLY = 20_000;
/** The most held leads to count. */
const COUNTED = 100;

export class Gateway extends EventTarget {
  destinations: Destination[] | undefined;
  stats: GetStatsResponse | undefined;
  /** error says why nothing is known; empty if something is. */
  error = "";
  /** firing are the alerts that need a person. */
  firing: Alert[] = [];
  /** drifts are mismatches between pages, configuration and CRMs. */
  drifts: Drift[] = [];
  /** heldLeads is how many leads wait for a person; moreHeld reports whether there are even more. */
  heldLeads = 0;
  moreHeld = false;

  private readonly again: () => void;
  private readonly countAgain: () => void;

  constructor(
    stream: SharedStream,
    private readonly signal: AbortSignal,
  ) {
    super();
    this.again = poll(() => this.ask(), EVERY, signal);
    this.countAgain = poll(() => this.askSeldom(), SLOWLY, signal);
    const soon = throttled(this.countAgain, 1_000);
    stream.watch(
      {
        events: (events) => {
          if (events.some((event) => event.destination)) this.again();
          if (events.some((event) => event.lead?.stage === "STAGE_HELD" || event.system?.alert || event.form)) soon();
        },
      },
      signal,
    );
  }

  /** changed calls show now and after every change. */
  changed(show: () => void, signal: AbortSignal): void {
    this.addEventListener("change", show, { signal });
    show();
  }

  /** refresh asks at once, after an action. */
  refresh(): void {
    this.again();
    this.countAgain();
  }

  get waiting(): number {
    return this.sum((d) => number(d.waiting));
  }

  get dead(): number {
    return this.sum((d) => number(d.dead));
  }

  get heldDeliveries(): number {
    return this.sum((d) => number(d.held));
  }

  private sum(of: (d: Destination) => number): number {
    return (this.destinations ?? []).reduce((total, d) => total + of(d), 0);
  }

  private async ask(): Promise<void> {
    try {
      const { destinations } = await get<ListDestinationsResponse>("/v1/destinations", {}, this.signal);
      this.destinations = destinations ?? [];
      this.stats = await get<GetStatsResponse>("/v1/stats", {}, this.signal);
      this.error = "";
    } catch (error) {
      if (isAbort(error)) return;
      this.error = messageOf(error);
    }
    this.dispatchEvent(new Event("change"));
  }

  private async askSeldom(): Promise<void> {
    const { alerts } = await get<ListAlertsResponse>("/v1/alerts", { state: "FIRING" }, this.signal);
    this.firing = alerts ?? [];
    this.drifts = (await get<ListDriftResponse>("/v1/drift", {}, this.signal)).drifts ?? [];
    const { leads, nextPageToken } = await get<ListLeadsResponse>("/v1/leads", { state: "HELD", page_size: COUNTED }, this.signal);
    this.heldLeads = leads?.length ?? 0;
    this.moreHeld = Boolean(nextPageToken);
    this.dispatchEvent(new Event("change"));
  }
}
