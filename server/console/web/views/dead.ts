// Dead: deliveries that were given up or refused, grouped by what the CRM said, to be sent again once the cause is fixed.

import type { DeleteDeliveriesRequest, DeleteDeliveriesResponse, Delivery, GetDeliveryResponse, ListDeliveriesResponse, RetryDeliveryResponse } from "api";
import { get, messageOf, post } from "../api";
import { h, type Child } from "../dom";
import { count, duration, json, plural, when } from "../format";
import type { Page, View } from "../page";
import { empty, fill } from "../parts/faces";
import { Groups, type Action, type Kind } from "../parts/groups";
import { move } from "../parts/move";
import { each } from "../parts/progress";
import type { Column } from "../parts/table";
import { throttled } from "../poll";
import { leadPath } from "../router";
import { may } from "../session";

const PAGE = 1000;
/** The most deliveries to read; the rest follows when these are dealt with. */
const MOST = 5000;

const columns: Column[] = [
  { name: "Given up", kind: "time" },
  { name: "Lead", kind: "person" },
  { name: "Form", kind: "form" },
  { name: "Calls", kind: "figure" },
];

export function dead(page: Page): View {
  const only = page.place.query.get("destination") ?? "";
  const place = h("div", {});
  const groups = new Groups(kind(page, () => void show()));
  const show = (): Promise<void> => {
    if (groups.busy) return Promise.resolve();
    return fill(place, "The dead deliveries could not be read", page.signal, () => all(page, "DEAD", only), ({ deliveries, more }) => {
      if (deliveries.length === 0) return empty("Nothing is dead.", h("p", {}, "Deliveries that a CRM refuses for good, or that failed for too long, come here. None is lost."));
      groups.show(deliveries);
      return [more ? h("p", { class: "muted" }, `The newest ${count(MOST)} are shown.`) : null, groups.element];
    });
  };
  const soon = throttled(() => void show(), 2_000);
  page.stream.watch({ events: (events) => events.some((event) => event.lead?.stage === "STAGE_DEAD") && soon() }, page.signal);
  void show();
  return { title: "Dead", element: h("div", {}, h("h1", {}, only ? `Dead at ${only}` : "Dead"), place) };
}

/** all reads every delivery in a state, page by page. */
export async function all(page: Page, state: string, destination = ""): Promise<{ deliveries: Delivery[]; more: boolean }> {
  const deliveries: Delivery[] = [];
  let token = "";
  do {
    const answer = await get<ListDeliveriesResponse>("/v1/deliveries", { state, destination, page_size: PAGE, page_token: token }, page.signal);
    deliveries.push(...(answer.deliveries ?? []));
    token = answer.nextPageToken ?? "";
  } while (token && deliveries.length < MOST);
  return { deliveries, more: token !== "" };
}

function kind(page: Page, done: () => void): Kind<Delivery> {
  return {
    one: "delivery",
    many: "deliveries",
    columns,
    id: (delivery) => delivery.deliveryId ?? "",
    group: (delivery) => ({ about: delivery.destination ?? "", reason: reason(delivery) }),
    cells: (delivery) => [when(delivery.updateTime), h("a", { href: leadPath(delivery.leadId ?? ""), "data-row": true }, `lead ${count(delivery.sequence)}`), delivery.form ?? "", count(delivery.attemptCount)],
    sample: (delivery) => answer(delivery, page.signal),
    actions: may(page.session, "operate") ? [redrive(page), move(page), remove] : [],
    done: () => {
      page.gateway.refresh();
      done();
    },
  };
}

/** answer returns the CRM's answer when it refused a delivery. */
async function answer(delivery: Delivery, signal: AbortSignal): Promise<Child> {
  const { delivery: whole } = await get<GetDeliveryResponse>(`/v1/deliveries/${encodeURIComponent(delivery.deliveryId ?? "")}`, {}, signal);
  const last = whole?.attempts?.at(-1);
  return last?.crmBody ? [h("p", { class: "muted" }, `The CRM's answer to the newest, status ${last.crmStatus ?? 0}:`), h("pre", { tabindex: 0 }, h("code", {}, json(last.crmBody)))] : null;
}

/** reason returns what deliveries that died alike have in common: what differs between leads is left out. */
export const reason = (delivery: Delivery): string =>
  (delivery.lastError || delivery.reason || "no reason is known")
    .replace(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(\.[a-z0-9-]+)?/gi, "…")
    .replace(/\d{4,}/g, "…");

/** remove deletes deliveries that are no longer wanted. */
export const remove: Action<Delivery> = {
  label: "Delete",
  kind: "danger",
  preview: (deliveries) => Promise.resolve([h("p", {}, `${plural(deliveries.length, "delivery is", "deliveries are")} removed, with what was sent and answered. The leads and what happened to them stay.`)]),
  run: async (deliveries, progress) => {
    const problems = await each(deliveries, progress, ({ state, destination, leadId }) => post<DeleteDeliveriesResponse>("/v1/deliveries:delete", { filter: { state, destination, leadId } } satisfies DeleteDeliveriesRequest));
    if (problems.length > 0) throw new Error(`${plural(problems.length, "delivery", "deliveries")} not deleted: ${messageOf(problems[0])}`);
    return progress.signal.aborted ? "Stopped; what was deleted stays deleted" : `${plural(deliveries.length, "delivery", "deliveries")} deleted`;
  },
};

export function redrive(page: Page): Action<Delivery> {
  return {
    label: "Retry",
    kind: "primary",
    preview: (deliveries) => Promise.resolve(plan(page, deliveries)),
    run: async (deliveries, progress) => {
      const problems = await each(deliveries, progress, (delivery) => post<RetryDeliveryResponse>(`/v1/deliveries/${encodeURIComponent(delivery.deliveryId ?? "")}:retry`));
      const done = `${plural(deliveries.length - problems.length, "delivery", "deliveries")} on the way again`;
      if (problems.length > 0) throw new Error(`${done}; ${problems.length} failed: ${messageOf(problems[0])}`);
      return progress.signal.aborted ? "Stopped; what was started goes on" : done;
    },
  };
}

/** plan describes what a redrive will do at each destination. */
function plan(page: Page, deliveries: Delivery[]): Child[] {
  const byDestination = Map.groupBy(deliveries, (delivery) => delivery.destination ?? "");
  return [
    h("ul", { class: "plan" }, [...byDestination].map(([name, some]) => {
      const destination = page.gateway.destinations?.find((d) => d.name === name);
      const limit = destination?.requestsPerSecondLimit;
      const pace = limit ? `, in about ${duration(Math.max(1, some.length / limit))} or less` : "";
      const paused = destination?.status === "DESTINATION_STATUS_PAUSED" ? "; it is paused, so they wait" : "";
      return h("li", {}, `${count(some.length)} to ${name}${pace}${paused}`);
    })),
    h("p", { class: "muted" }, "Deliveries are mapped again with the current configuration. A CRM record that is newer keeps its values; only its empty fields are filled in."),
  ];
}
