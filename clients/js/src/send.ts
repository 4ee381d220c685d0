// Sending: again under the same key until there is an answer.

import type { Answer, Refusal } from "../leadgate";
import { flush } from "./form";
import { type Entry, drop, keep } from "./outbox";

const attempts = 5;
const longestWait = 30; // seconds
const answerTimeout = 30_000; // milliseconds
const untilNext = 60_000; // milliseconds from giving up until all that waits is tried again
const keepaliveLimit = 60_000; // bytes; browsers allow 64 KiB

/** One attempt: the answer, or how many seconds to wait at least before the next one. Throws a Refusal. */
async function attempt({ url, body, language }: Entry): Promise<Answer | number> {
  let problem: Partial<Refusal>;
  try {
    const response = await fetch(url, {
      method: "POST",
      body: new URLSearchParams(body),
      headers: { Accept: "application/json", "Accept-Language": language },
      credentials: "omit",
      keepalive: body.length < keepaliveLimit, // it goes on when the visitor leaves the page
      signal: AbortSignal.timeout?.(answerTimeout),
    });
    const { status } = response;
    if (response.ok) return await response.json(); // an answer cut off is asked for again
    if (status === 408 || status === 429 || status > 499) return +response.headers.get("Retry-After")! || 0;
    problem = { status, detail: "HTTP " + status, violations: [], ...(await response.json().catch(() => {})) };
  } catch {
    return 0; // the network
  }
  throw Object.assign(new Error(problem.detail), problem);
}

async function untilAnswered(entry: Entry): Promise<Answer> {
  for (let n = 0; navigator.onLine; ) {
    const answer = await attempt(entry);
    if (typeof answer === "object") return answer;
    if (++n === attempts) break;
    const seconds = Math.min(longestWait, Math.max(answer, 2 ** n * (0.25 + Math.random() / 4)));
    await new Promise((done) => setTimeout(done, seconds * 1000));
  }
  setTimeout(flush, untilNext);
  return { queued: true };
}

/** Keeps the entry on this device, sends it, and forgets its content once there is an answer. Throws a Refusal. */
async function deliver(entry: Entry): Promise<Answer> {
  keep(entry);
  try {
    const answer = await untilAnswered(entry);
    if (!answer.queued) keep({ ...entry, body: "" });
    return answer;
  } catch (refused) {
    drop(entry);
    throw refused;
  }
}

/**
 * Delivers when no other tab is at work on the same key; with ifAvailable only if none is now. Where there are no locks two
 * may send it: the gateway makes one lead of them.
 */
export const deliverAlone = async (entry: Entry, ifAvailable = false): Promise<Answer | void> => {
  const { locks } = navigator;
  return locks ? locks.request("leadgate " + entry.key, { ifAvailable }, (lock) => (lock ? deliver(entry) : undefined)) : deliver(entry);
};

/** Dispatches an event; false if a listener wants to show it itself. */
export const tell = (target: EventTarget, name: string, detail: unknown): boolean =>
  target.dispatchEvent(new CustomEvent("leadgate:" + name, { detail, bubbles: true, cancelable: true }));
