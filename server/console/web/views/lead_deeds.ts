// What an operator can do with a lead.

import type { Delivery, LeadRecord } from "api";
import type { Page } from "../page";
import { button, type Deed } from "../parts/button";
import { erase } from "../parts/erase";
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
        return `${failed.length} deliveries are tried again now`;
      },
    });
  }
  const email = record.lead?.email;
  if (email && record.state !== "LEAD_STATE_ERASED") {
    deeds.push({
      label: "Erase …",
      name: "Erase this person …",
      run: async () => {
        const done = await erase(email);
        if (done) again();
        return done;
      },
    });
  }
  return deeds.map(button);
}
