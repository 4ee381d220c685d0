// One delivery in a lead's story: every call to the CRM with what was sent and answered, and what happens next.

import type { Attempt, Delivery, RetryDeliveryResponse } from "api";
import { post } from "../api";
import { h, type Child } from "../dom";
import { at, duration, json, seconds, when } from "../format";
import type { Page } from "../page";
import { button } from "../parts/button";
import { may } from "../session";
import { ofDelivery, ofOutcome, state } from "../words";

export function deliveryStep(page: Page, delivery: Delivery, again: () => void): HTMLElement {
  const { destination = "" } = delivery;
  const attempts = delivery.attempts ?? [];
  return h(
    "li",
    { "data-tone": ofDelivery(delivery.state).tone },
    h("h2", {}, `To ${destination} `, state(ofDelivery(delivery.state))),
    next(delivery),
    retriable(delivery) && may(page.session, "operate")
      ? h("p", { class: "buttons" }, button({ label: "Retry now", name: `Retry now: ${destination}`, kind: "primary", run: () => retry(delivery, again) }))
      : null,
    delivery.state === "DELIVERY_STATE_SUPERSEDED" && may(page.session, "operate")
      ? h("p", { class: "buttons" }, button({ label: "Send it anyway", name: `Send it anyway: ${destination}`, run: () => retry(delivery, again, true) }))
      : null,
    attempts.length > 0 ? h("ol", { class: "attempts" }, attempts.map((attempt) => attemptOf(attempt, delivery, attempt === attempts.at(-1)))) : h("p", { class: "muted" }, "No calls yet."),
  );
}

/** retriable reports whether it makes sense to ask for a call now. */
export const retriable = ({ state }: Delivery): boolean => state === "DELIVERY_STATE_DEAD" || state === "DELIVERY_STATE_RETRY_WAIT" || state === "DELIVERY_STATE_HELD";

/** retry makes a delivery due now; with force, even if there is a newer one for the same person. */
export async function retry(delivery: Delivery, again: () => void, force = false): Promise<string> {
  await post<RetryDeliveryResponse>(`/v1/deliveries/${encodeURIComponent(delivery.deliveryId ?? "")}:retry`, force ? { force } : {});
  again();
  return `Retrying ${delivery.destination ?? ""} now`;
}

/** next describes where the delivery stands and what comes next. */
function next(delivery: Delivery): Child {
  const { destination = "" } = delivery;
  switch (delivery.state) {
    case "DELIVERY_STATE_DELIVERED":
      return h("p", {}, delivery.recordId ? ["Record ", record(delivery)] : "The CRM has it", delivery.updateTime ? [", ", when(delivery.updateTime)] : null, ".");
    case "DELIVERY_STATE_RETRY_WAIT":
      return h("p", {}, "The next call is due ", when(delivery.dueTime), delivery.lastError ? `. ${delivery.lastError}` : ".");
    case "DELIVERY_STATE_PENDING":
      return h("p", {}, `It is waiting for its turn at ${destination}`, delivery.dueTime ? [", due ", when(delivery.dueTime)] : null, ".");
    case "DELIVERY_STATE_IN_FLIGHT":
      return h("p", {}, "A call is under way.");
    case "DELIVERY_STATE_DEAD":
      return h("p", {}, "No more calls will be made unless somebody retries it. ", delivery.reason || delivery.lastError || "");
    case "DELIVERY_STATE_HELD":
      return h("p", {}, "It is waiting for a person. ", delivery.reason ?? "");
    default:
      return delivery.reason ? h("p", {}, delivery.reason) : null;
  }
}

const record = (delivery: Delivery): Child =>
  delivery.recordUrl?.startsWith("http") ? h("a", { href: delivery.recordUrl, target: "_blank", rel: "noreferrer" }, `${delivery.recordId ?? ""} ↗`) : (delivery.recordId ?? "");

function attemptOf(attempt: Attempt, delivery: Delivery, last: boolean): HTMLElement {
  const key = `${delivery.deliveryId ?? ""} ${attempt.number ?? 0}`;
  const failed = attempt.outcome !== "ATTEMPT_OUTCOME_DELIVERED" && attempt.outcome !== "ATTEMPT_OUTCOME_UNDER_WAY" && attempt.outcome !== undefined;
  return h(
    "li",
    {},
    h(
      "p",
      { class: "attempt" },
      h("span", { class: "muted" }, `Call ${attempt.number ?? 0} `),
      at(attempt.startTime),
      state(ofOutcome(attempt.outcome)),
      attempt.crmStatus ? h("span", {}, `status ${attempt.crmStatus}`) : null,
      attempt.duration ? h("span", { class: "muted" }, duration(seconds(attempt.duration))) : null,
    ),
    attempt.error ? h("p", { class: "attempt-error" }, attempt.error) : null,
    attempt.droppedProperties?.length ? h("p", {}, `Sent without ${attempt.droppedProperties.join(", ")}, which the CRM rejected; once it accepts them, replay the lead.`) : null,
    attempt.payload ? block("What was sent", attempt.payload, `${key} sent`, last && !failed) : null,
    attempt.crmBody ? block("What the CRM answered", attempt.crmBody, `${key} answer`, last && failed) : null,
  );
}

function block(title: string, text: string, key: string, open: boolean): HTMLElement {
  return h("details", { "data-key": key, open }, h("summary", {}, title), h("pre", { tabindex: 0 }, h("code", {}, json(text))));
}
