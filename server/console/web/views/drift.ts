// Drift: mismatches between pages, configuration and CRMs, each with the line that fixes it.

import type { Drift, DriftType, ListDriftResponse } from "api";
import { get } from "../api";
import { h, type Child } from "../dom";
import { ago, when } from "../format";
import type { Page, View } from "../page";
import { button } from "../parts/button";
import { copyable } from "../parts/copy";
import { empty, fill } from "../parts/faces";
import { replay } from "../parts/replay";
import { testDestination } from "../parts/test";
import { poll } from "../poll";
import { may } from "../session";
import { spoken, state } from "../words";

const EVERY = 15_000;

const titles: Partial<Record<DriftType, string>> = {
  DRIFT_TYPE_FIELD_RENAMED: "renamed on the page",
  DRIFT_TYPE_PROPERTY_GONE: "gone from the CRM",
  DRIFT_TYPE_PROPERTY_READ_ONLY: "read-only in the CRM",
  DRIFT_TYPE_PROPERTY_TYPE: "of another type in the CRM",
  DRIFT_TYPE_PROPERTY_TOO_SHORT: "too short in the CRM",
  DRIFT_TYPE_PROPERTY_REQUIRED: "required by the CRM",
  DRIFT_TYPE_PROPERTY_OPTION: "not an option in the CRM",
};

export function drift(page: Page): View {
  const place = h("div", {});
  const show = (): Promise<void> =>
    fill(place, "Drift could not be read", page.signal, () => get<ListDriftResponse>("/v1/drift", {}, page.signal), ({ drifts = [] }) => (drifts.length > 0 ? h("div", { class: "alerts" }, drifts.map((found) => card(page, found))) : nothing()));
  const again = poll(show, EVERY, page.signal);
  page.stream.watch({ events: (events) => events.some((event) => event.form || event.destination) && again() }, page.signal);
  return { title: "Drift", element: h("div", {}, h("h1", {}, "Drift"), place) };
}

const nothing = (): HTMLElement => empty("Everything fits.", h("p", {}, "When somebody renames a form field or a CRM property, it appears here with the line to paste. Meanwhile no lead is lost."));

function card(page: Page, found: Drift): HTMLElement {
  const where = found.form ? `form ${found.form}` : `destination ${found.destination ?? ""}`;
  const section = found.form ? `fields of form ${found.form}` : `properties of destination ${found.destination ?? ""}`;
  const kind = (found.type && titles[found.type]) ?? spoken(found.type, "DRIFT_TYPE_");
  const mend: Child = found.suggestion ? [h("p", { class: "muted" }, `The line for ${section}:`), copyable(found.suggestion, `the line for ${found.field ?? ""}`)] : null;
  return h(
    "article",
    { class: "card", "aria-label": `${found.field ?? ""}, ${where}`, "data-tone": "retrying" },
    h("header", { class: "card-head" }, h("h2", {}, h("code", {}, found.field ?? ""), found.leadField ? [h("span", { "aria-hidden": "true" }, " → "), h("code", {}, found.leadField)] : null), state({ word: kind, tone: "retrying" })),
    found.detail ? h("p", {}, found.detail) : null,
    mend,
    h("p", { class: "muted" }, where, found.since ? [", since ", when(found.since)] : null),
    found.form && found.since && may(page.session, "operate")
      ? h("div", { class: "buttons" }, button({
          label: "Replay leads since then …",
          name: `Replay leads since then: form ${found.form} …`,
          kind: "quiet",
          run: () => replay(`the leads of ${found.form ?? ""} since ${ago(found.since ?? "")}`, { form: found.form, since: found.since }),
        }), h("span", { class: "muted" }, "once the line is in the configuration"))
      : null,
    found.destination && may(page.session, "operate")
      ? h("div", { class: "buttons" }, button({ label: "Test again", name: `Test ${found.destination} again`, kind: "quiet", run: () => testDestination(found.destination ?? "") }), h("span", { class: "muted" }, "once it is fixed"))
      : null,
  );
}
