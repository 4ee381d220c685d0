// Sends one entry, again under the same key until there is an answer.

import type { Answer, Refusal } from "../leadgate";
import { type Entry, drop, keep } from "./outbox";

const attempts = 5;
const longestWait = 30; // seconds
const answerTimeout = 30_000; // milliseconds
const keepaliveLimit = 60_000; // bytes; browsers allow 64 KiB

/** The least number of seconds until an unanswered entry may be sent again; 0 if unknown. */
type Wait = number;

export const failure = (refused: Partial<Refusal>): Error =>
  Object.assign(new Error(refused.detail), { status: 0, violations: [] }, refused);

/** One attempt. Throws a Refusal. */
async function attempt({ url, body, language }: Entry): Promise<Answer | Wait> {
  let refused: Partial<Refusal>;
  try {
    const response = await fetch(url, {
      method: "POST",
      body: new URLSearchParams(body),
      headers: { Accept: "application/json", "Accept-Language": language },
      credentials: "omit",
      keepalive: body.length < keepaliveLimit, // the request goes on when the visitor leaves the page
      signal: AbortSignal.timeout?.(answerTimeout),
    });
    const { status } = response;
    if (response.ok) return await response.json(); // a truncated answer is requested again
    if (status === 408 || status === 429 || status > 499) return +response.headers.get("Retry-After")! || 0;
    refused = { status, detail: "HTTP " + status, ...(await response.json().catch(() => {})) };
    // Not the visitor's mistake, so it is for the page's developer to see.
    if (!refused.violations) console.error("leadgate: " + refused.detail);
  } catch {
    return 0; // network failure
  }
  throw failure(refused);
}

/** Stores the entry on this device, sends it, and removes its content once there is an answer. Throws a Refusal. */
async function deliver(entry: Entry): Promise<Answer | Wait> {
  if (navigator.onLine) entry.until ||= Date.now() + entry.life;
  keep(entry);
  try {
    for (let n = 1; navigator.onLine; n++) {
      const answer = await attempt(entry);
      if (typeof answer === "object") {
        keep(entry, true);
        return answer;
      }
      if (n === attempts || answer > longestWait) return answer;
      const pause = Math.max(answer, 2 ** n * (0.25 + Math.random() / 4)); // up to 8 s, unless the gateway asks for more
      await new Promise((done) => setTimeout(done, pause * 1000));
    }
    return 0;
  } catch (refused) {
    drop(entry);
    throw refused;
  }
}

/**
 * Delivers an entry when no other tab is sending it; with ifAvailable, only if none is right now. Without locks, or in a sandbox that
 * forbids them, two tabs may send it: the gateway makes one lead of both.
 */
export async function deliverAlone(entry: Entry, ifAvailable = false): Promise<Answer | Wait | void> {
  let work: Promise<Answer | Wait> | undefined;
  try {
    await navigator.locks.request("leadgate " + entry.key, { ifAvailable }, (lock) => lock && (work = deliver(entry)));
  } catch {
    work ??= deliver(entry);
  }
  return work;
}
