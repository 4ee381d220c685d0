// What an operator can do with a lead.

import type { Delivery, LeadRecord } from "api";
import type { Page } from "../page";
import type { Done } from "../parts/announce";
import { button, type Deed } from "../parts/button";
import { erase } from "../parts/erase";
import type { Action } from "../parts/groups";
import { discard, release, undiscard } from "../parts/held";
import { ask } from "../parts/ask";
import { Progress } from "../parts/progress";
import { replay } from "../parts/replay";
import { may } from "../session";
import { retriable, retry } from "./lead_delivery";

export function leadDeeds(page: Page, record: LeadRecord, deliveries: Delivery[], again: () => void): HTMLElement[] {
  if (!may(page.session, "operate")) return [];
  const deeds: Deed[] = [];
  const failed = deliveries.filter(retriable);
  if (failed.length > 1) {
    deeds.push({
      label: "Retry all now",
      kind: "primary",
      run: async () => {
        await Promise.all(failed.map((delivery) => retry(delivery, () => undefined)));
        again();
        return `Retrying ${failed.length} deliveries now`;
      },
    });
  }
  if (record.state === "LEAD_STATE_HELD") {
    for (const action of [release, discard]) deeds.push({ label: `${action.label} …`, kind: action === release ? "primary" : "quiet", run: () => decide(action, record, again) });
  }
  if (record.state === "LEAD_STATE_DISCARDED") {
    deeds.push({
      label: "Hold it again",
      kind: "primary",
      run: async () => {
        const done = await undiscard([record]);
        again();
        return done;
      },
    });
  }
  if (record.submission && (record.state === "LEAD_STATE_OPEN" || record.state === "LEAD_STATE_HELD")) {
    deeds.push({
      label: "Replay …",
      name: "Replay with the current configuration …",
      kind: "quiet",
      run: async () => {
        const done = await replay("this lead", { leadIds: [record.leadId ?? ""] });
        if (done) again();
        return done;
      },
    });
  }
  const email = record.lead?.email;
  if (email && record.state !== "LEAD_STATE_ERASED") {
    deeds.push({
      label: "Erase …",
      name: "Erase this person …",
      kind: "quiet",
      run: async () => {
        const done = await erase(email);
        if (done) again();
        return done;
      },
    });
  }
  return deeds.map(button);
}

/** decide runs an action for many leads on a single one, after the same preview. */
async function decide(action: Action<LeadRecord>, record: LeadRecord, again: () => void): Promise<Done> {
  const yes = await ask({ title: `${action.label} this lead?`, body: await action.preview([record]), yes: action.label, dangerous: action.kind === "danger" });
  if (!yes) return "";
  const done = await action.run([record], new Progress(action.label, 1));
  again();
  return typeof done === "string" ? done : { ...done, undo: () => done.undo().finally(again) };
}
