// Formats figures and times for people. Numbers follow the browser's locale.

import { h } from "./dom";

const whole = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 });
const tenths = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 });
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3, hour12: false });

const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const dayOfYear = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });

/** number parses an int64 of protobuf's JSON. */
export const number = (value: string | number | undefined): number => Number(value ?? 0);

/** count formats a number of things. */
export const count = (value: string | number | undefined): string => whole.format(number(value));

/** rate formats a number per second. */
export const rate = (value: number): string => (value < 100 ? tenths : whole).format(value);

/** perTime formats a rate per second in the first unit in which it is at least one: 9/s, 30/min, 1/h. */
export const perTime = (value: number): string => (value >= 1 ? `${rate(value)}/s` : value * 60 >= 1 ? `${rate(value * 60)}/min` : `${rate(value * 3600)}/h`);

const percents = new Intl.NumberFormat(undefined, { style: "percent", maximumFractionDigits: 0 });

export const percent = (share: number): string => percents.format(share);

export const plural = (n: number, one: string, many = one + "s"): string => `${count(n)} ${n === 1 ? one : many}`;

/** seconds parses a duration, such as "1.5s". */
export const seconds = (duration: string | undefined): number => (duration ? parseFloat(duration) : 0);

/** duration formats a time span in its two largest units. */
export function duration(secs: number): string {
  if (secs < 0.001) return secs > 0 ? "< 1 ms" : "0 ms";
  if (secs < 1) return `${Math.round(secs * 1000)} ms`;
  if (secs < 10) return `${tenths.format(secs)} s`;
  const s = Math.round(secs);
  if (s < 60) return `${s} s`;
  const [m, hours, d] = [Math.floor(s / 60), Math.floor(s / 3600), Math.floor(s / 86400)];
  if (s < 3600) return join(m, "min", s % 60, "s");
  if (s < 86400) return join(hours, "h", m % 60, "min");
  return join(d, "d", hours % 24, "h");
}

const join = (a: number, unit: string, b: number, smaller: string): string => (b > 0 ? `${a} ${unit} ${b} ${smaller}` : `${a} ${unit}`);

/** ago formats a time relative to now: "12 s ago", "in 4 s". */
export function ago(time: string, now = Date.now()): string {
  const secs = (now - Date.parse(time)) / 1000;
  if (Math.abs(secs) < 1) return "now";
  return secs > 0 ? `${duration(Math.floor(secs))} ago` : `in ${duration(Math.ceil(-secs))}`;
}

/** when shows a time relative to now, with the exact time as its title. refresh keeps it current. */
export function when(time: string | undefined): HTMLTimeElement | string {
  if (!time) return "";
  return h("time", { datetime: time, title: exact.format(new Date(time)), "data-ago": true }, ago(time));
}

/** refresh updates every relative time below an element. */
export function refresh(root: ParentNode): void {
  for (const element of root.querySelectorAll<HTMLTimeElement>("time[data-ago]")) {
    const text = ago(element.dateTime);
    if (element.textContent !== text) element.textContent = text;
  }
}

/** at shows the time of day to the millisecond and the time zone, preceded by the date if that is not today. */
export function at(time: string | undefined, now = new Date()): HTMLTimeElement | string {
  if (!time) return "";
  const date = new Date(time);
  const today = date.toDateString() === now.toDateString();
  const before = today ? "" : `${(date.getFullYear() === now.getFullYear() ? day : dayOfYear).format(date)} `;
  return h("time", { datetime: time, title: exact.format(date) }, before + clock.format(date));
}

/** json indents JSON for reading; other text stays as it is. */
export function json(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
