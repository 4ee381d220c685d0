// What an operator can do with a lead.

import type { Delivery, LeadRecord } from "api";
import type { Page } from "../page";
import { button, type Deed } from "../parts/button";
import { may } from "../session";
import { retriable, retry } from "./lead_delivery";

export function leadDeeds(page: Page, record: LeadRecord, deliveries: Delivery[], again: () => void): HTMLElement[] {
  if (!may(page.session, "operate") || !record.leadId) return [];
  const deeds: Deed[] = [];
  const waiting = deliveries.filter(retriable);
  if (waiting.length > 1) {
    deeds.push({
      label: "Retry all now",
      kind: "primary",
      run: async () => {
        await Promise.all(waiting.map((delivery) => retry(delivery, () => undefined)));
        again();
        return `${waiting.length} deliveries are tried again now`;
      },
    });
  }
  return deeds.map(button);
}
