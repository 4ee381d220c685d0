// The figures of the last hour: what arrived, what was delivered, what failed, and how fast.

import type { GetStatsResponse, StatsCounts, StatsMinute } from "api";
import { h, write, type Child } from "../dom";
import { count, duration, number, percent, rate, seconds } from "../format";
import type { Page } from "../page";
import { Spark } from "../parts/spark";

const MINUTES = 60;
const MINUTE = 60_000;

export function figures(page: Page): HTMLElement {
  const submitted = new Figure("submitted", true);
  const delivered = new Figure("delivered", true);
  const failed = new Figure("failed calls");
  const speed = new Figure("speed to lead");
  const element = h("dl", { class: "figures", "aria-label": "The last hour" }, submitted.element, delivered.element, failed.element, speed.element);
  page.gateway.changed(() => {
    const stats = page.gateway.stats;
    if (!stats) return;
    submitted.show(`${rate(perMinute(stats, "submitted"))}/min`, `${count(stats.counts?.submitted)} in the last hour`, curve(stats, "submitted"));
    delivered.show(`${rate(perMinute(stats, "delivered"))}/min`, `${count(stats.counts?.delivered)} in the last hour`, curve(stats, "delivered"));
    failed.show(count(stats.counts?.failed), number(stats.counts?.dead) > 0 ? `${count(stats.counts?.dead)} given up, in the last hour` : "in the last hour");
    const { p50, p95 } = stats.speedToLead ?? {};
    speed.show(p50 ? duration(seconds(p50)) : "–", p95 ? `half of all; ${percent(0.95)} within ${duration(seconds(p95))}` : "no lead delivered in the last hour");
  }, page.signal);
  return element;
}

class Figure {
  private readonly value = h("span", { class: "figure-value" }, "–");
  private readonly more = h("span", { class: "muted figure-more" });
  private readonly spark: Spark | undefined;
  readonly element: HTMLElement;

  constructor(name: string, curved = false) {
    this.spark = curved ? new Spark() : undefined;
    const parts: Child[] = [this.value, this.spark?.element, this.more];
    this.element = h("div", {}, h("dt", {}, name), h("dd", {}, parts));
  }

  show(value: string, more: string, values?: number[]): void {
    write(this.value, value);
    write(this.more, more);
    if (values) this.spark?.show(values);
  }
}

type Counter = keyof StatsCounts;

/** curve returns a number for each of the last sixty minutes, oldest first. Omitted minutes count as 0. */
export function curve(stats: { minutes?: StatsMinute[] }, counter: Counter, now = Date.now()): number[] {
  const values = new Array<number>(MINUTES).fill(0);
  for (const minute of stats.minutes ?? []) {
    const age = Math.floor(now / MINUTE) - Math.floor(Date.parse(minute.time ?? "") / MINUTE);
    if (age >= 0 && age < MINUTES) values[MINUTES - 1 - age] = number(minute.counts?.[counter]);
  }
  return values;
}

/** perMinute returns the present rate: the current minute, and the previous one weighted by how much of it is less than a minute ago. */
function perMinute(stats: GetStatsResponse, counter: Counter, now = Date.now()): number {
  const values = curve(stats, counter, now);
  const gone = (now % MINUTE) / MINUTE;
  return (values[MINUTES - 1] ?? 0) + (values[MINUTES - 2] ?? 0) * (1 - gone);
}
