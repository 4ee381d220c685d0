// Erasing a person: everything that leadgate stores about an e-mail address, after showing what that is.

import type { EraseLeadsResponse } from "api";
import { post } from "../api";
import { h, type Child } from "../dom";
import { count, number, plural } from "../format";
import { ask } from "./ask";

/** erase asks, erases, and describes what was done; an empty text if the answer was no. */
export async function erase(email: string): Promise<string> {
  const plan = await post<EraseLeadsResponse>("/v1/leads:erase", { email, dryRun: true });
  const matched = number(plan.matched);
  if (matched === 0) return "Nothing is left to erase";
  const yes = await ask({
    title: `Erase ${email}?`,
    yes: `Erase ${plural(matched, "lead")}`,
    dangerous: true,
    body: [h("p", {}, `${plural(matched, "lead")} of this person, with everything that was sent and answered, for good. This cannot be undone.`), cancelled(plan), elsewhere(plan)],
  });
  if (!yes) return "";
  const done = await post<EraseLeadsResponse>("/v1/leads:erase", { email, expectedCount: matched });
  return `${plural(number(done.erased), "lead")} erased`;
}

const cancelled = (plan: EraseLeadsResponse): Child => (number(plan.deliveriesCancelled) > 0 ? h("p", {}, `${plural(number(plan.deliveriesCancelled), "delivery", "deliveries")} will be cancelled.`) : null);

/** elsewhere lists what to erase in the CRMs, where leadgate cannot. */
function elsewhere(plan: EraseLeadsResponse): Child {
  const records = plan.crmRecords ?? [];
  if (records.length === 0) return null;
  return [
    h("p", {}, `The CRM${records.length > 1 ? "s keep" : " keeps"} ${count(records.length)} of these; erase them there:`),
    h("ul", { class: "plan" }, records.map((record) => {
      const name = `${record.destination ?? ""} ${record.recordId ?? "(ID not known)"}`;
      return h("li", {}, record.recordUrl?.startsWith("http") ? h("a", { href: record.recordUrl, target: "_blank", rel: "noreferrer" }, `${name} ↗`) : name, record.uncertain ? " (not certain)" : "");
    })),
  ];
}
