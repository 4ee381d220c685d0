// Moving deliveries to another destination: those of one that is gone, or everything that waits for one in trouble.

import type { Delivery, MoveDeliveriesRequest, MoveDeliveriesResponse } from "api";
import { messageOf, post } from "../api";
import { h, type Child } from "../dom";
import { number, plural } from "../format";
import type { Page } from "../page";
import { ask } from "./ask";
import type { Action } from "./groups";
import { operate } from "./operation";
import { each } from "./progress";

const path = "/v1/deliveries:move";

/** chooser offers the configured destinations, except those that the deliveries come from. */
function chooser(page: Page, from: string[]): HTMLSelectElement {
  const names = (page.gateway.destinations ?? []).map((d) => d.name ?? "").filter((name) => !from.includes(name));
  return h("select", { "aria-label": "Destination to move to", required: true }, names.map((name) => h("option", { value: name }, name)));
}

const body = (n: number, to: HTMLSelectElement): Child[] =>
  to.options.length === 0
    ? [h("p", {}, "There is no other destination in the configuration. Add one first.")]
    : [
        h("label", { class: "field" }, `${plural(n, "delivery goes", "deliveries go")} to`, to),
        h("p", { class: "muted" }, "They become due there at once, mapped for that destination. What a CRM already has stays there."),
      ];

/** move moves selected deliveries to a destination. */
export function move(page: Page): Action<Delivery> {
  let to: HTMLSelectElement | undefined;
  return {
    label: "Move",
    preview: (deliveries) => {
      to = chooser(page, deliveries.map((d) => d.destination ?? ""));
      return Promise.resolve(body(deliveries.length, to));
    },
    run: async (deliveries, progress) => {
      const target = to?.value;
      if (!target) throw new Error("There is no other destination to move them to");
      const problems = await each(deliveries, progress, ({ state, destination, leadId }) => post<MoveDeliveriesResponse>(path, { filter: { state, destination, leadId }, to: target } satisfies MoveDeliveriesRequest));
      const moved = `${plural(deliveries.length - problems.length, "delivery", "deliveries")} moved to ${target}`;
      if (problems.length > 0) throw new Error(`${moved}; ${plural(problems.length, "was", "were")} not: ${messageOf(problems[0])}`);
      return progress.signal.aborted ? "Stopped; what was moved stays moved" : moved;
    },
  };
}

/** moveAll moves everything that waits for a destination, or is held for it, to another; an empty text if the answer was no. */
export async function moveAll(page: Page, from: string): Promise<string> {
  const filter = { destination: from };
  const to = chooser(page, [from]);
  const any = to.options[0]?.value;
  const matched = any ? number((await post<MoveDeliveriesResponse>(path, { filter, to: any, dryRun: true })).matched) : 0;
  if (any && matched === 0) return `Nothing is waiting for ${from}`;
  const yes = await ask({ title: `Move the deliveries waiting for ${from}?`, yes: any ? `Move ${plural(matched, "delivery", "deliveries")}` : "Close", body: body(matched, to) });
  if (!yes || !any) return "";
  const done = await operate<MoveDeliveriesResponse>(`Moving from ${from} to ${to.value}`, path, { filter, to: to.value });
  return `${plural(number(done.moved), "delivery", "deliveries")} moved to ${to.value}`;
}
