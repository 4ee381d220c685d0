// Entries that wait on this device to be sent: when a page opens, when the browser is online again, or after a minute.

import type { Answer } from "../leadgate";
import { tell } from "./dom";
import { type Entry, drop, waiting } from "./outbox";
import { deliverAlone, failure } from "./send";

const untilNext = 60; // seconds from giving up until everything that waits is tried again

type Show = (event: string, detail: unknown) => void;

let next = 0; // a single timer, since it sends everything

/** The forms taken over, each with a function that shows the event of an earlier entry. */
export const attached = new Map<HTMLFormElement, Show>();

/** Sends an entry until there is an answer; without one, it waits if it may. Does nothing if another tab is sending it. */
export async function send(entry: Entry, ifAvailable?: boolean): Promise<Answer | void> {
  const answer = await deliverAlone(entry, ifAvailable);
  if (typeof answer !== "number") return answer;
  if (entry.fleeting) throw failure({ detail: "no answer" });
  clearTimeout(next);
  next = setTimeout(flush, Math.max(untilNext, answer) * 1000);
  return { queued: true };
}

/** Sends what waits, and shows the result in its form if the page has it. Gives up what is too old to be sent safely. */
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
