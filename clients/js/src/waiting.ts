// Entries that wait on this device for another time: when a page opens, when the browser is online again, or in a minute.

import type { Answer } from "../leadgate";
import { tell } from "./dom";
import { type Entry, drop, waiting } from "./outbox";
import { deliverAlone, failure } from "./send";

const untilNext = 60; // seconds from giving up until all that waits is tried again

type Show = (event: string, detail: unknown) => void;

let next = 0; // the timer: one, however many wait, since it sends all

/** The forms taken over, each with what shows the event of an earlier entry in it. */
export const attached = new Map<HTMLFormElement, Show>();

/** Sends an entry until there is an answer; without one it waits, if it may. Nothing if another tab is at work on it. */
export async function send(entry: Entry, ifAvailable?: boolean): Promise<Answer | void> {
  const answer = await deliverAlone(entry, ifAvailable);
  if (typeof answer !== "number") return answer;
  if (entry.fleeting) throw failure({ detail: "no answer" });
  clearTimeout(next);
  next = setTimeout(flush, Math.max(untilNext, answer) * 1000);
  return { queued: true };
}

/** Sends what waits, shown in its form if the page has it. What is too old to be sent safely is given up. */
export function flush(): void {
  for (const [entry, alive] of waiting()) {
    const show: Show = (event, detail) => {
      const [, showInForm] = [...attached].find(([form]) => form.isConnected && form.dataset.leadgate === entry.form) ?? [];
      showInForm ? showInForm(event, detail) : tell(document, event, detail);
    };
    if (alive) {
      send(entry, true).then(
        (answer) => answer && show(answer.queued ? "queued" : "success", answer),
        (refused) => show("error", refused),
      );
    } else {
      drop(entry);
      show("expired", entry);
    }
  }
}
