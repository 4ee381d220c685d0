// The newest events that match a filter, which may be older than what the live stream keeps.

import type { Event as LeadgateEvent, Stage, WatchDeliveriesResponse } from "api";

/** How many events are requested. */
const LAST = 200;
/** After this long without another line, in milliseconds, only new events would follow. */
const QUIET = 400;

export interface Filter {
  readonly stages: Stage[];
  readonly form: string;
}

/** history reads past events from a stream of its own and closes it. An error just ends it early: the live stream reports it. */
export async function history(filter: Filter, signal: AbortSignal): Promise<LeadgateEvent[]> {
  const end = new AbortController();
  const stop = (): void => end.abort();
  signal.addEventListener("abort", stop, { once: true });
  let timer = setTimeout(stop, 10 * QUIET);
  const events: LeadgateEvent[] = [];
  try {
    for await (const line of lines(filter, end.signal)) {
      const { hello, event } = (JSON.parse(line) as { result?: WatchDeliveriesResponse }).result ?? {};
      clearTimeout(timer);
      timer = setTimeout(stop, QUIET);
      if (hello && !hello.latestEventId) break;
      if (event) events.push(event);
      if (events.length >= LAST) break;
    }
  } catch {
    // time is up, or the result is no longer wanted
  } finally {
    clearTimeout(timer);
    stop();
    signal.removeEventListener("abort", stop);
  }
  return events;
}

async function* lines(filter: Filter, signal: AbortSignal): AsyncGenerator<string> {
  const query = new URLSearchParams({ last: String(LAST) });
  for (const stage of filter.stages) query.append("stage", stage);
  if (filter.form) query.set("form", filter.form);
  const response = await fetch(`/v1/deliveries:watch?${query.toString()}`, { signal, credentials: "same-origin" });
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  while (response.ok && reader) {
    const { done, value } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n");
    rest = parts.pop() ?? "";
    yield* parts.filter(Boolean);
  }
}
