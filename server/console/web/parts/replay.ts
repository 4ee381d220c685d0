// Replaying: what forms sent is mapped again with the current configuration, and changes are sent, after showing what they are.

import type { LeadFilter, OperationProblem, ReplayChange, ReplayLeadsResponse } from "api";
import { post } from "../api";
import { h, type Child } from "../dom";
import { count, number, plural } from "../format";
import { leadPath } from "../router";
import { ask, tell } from "./ask";
import { operate } from "./operation";

/** How many changes are shown in full. */
const SHOWN = 5;

const path = "/v1/leads:replay";

/** replay asks, replays, and describes what was done; an empty text if the answer was no, or there is nothing to do. */
export async function replay(what: string, filter: LeadFilter): Promise<string> {
  const plan = await post<ReplayLeadsResponse>(path, { filter, dryRun: true });
  const changed = changes(plan);
  const body: Child[] = [summary(plan), shown(plan.changes ?? []), problems(plan.problems ?? [])];
  if (changed === 0) {
    await tell(`Nothing to replay: ${what}`, body);
    return "";
  }
  const yes = await ask({ title: `Replay ${what}?`, yes: `Send ${plural(changed, "lead")}`, body });
  if (!yes) return "";
  const done = await operate<ReplayLeadsResponse>(`Replaying ${what}`, path, { filter });
  const refused = number(done.refused);
  return [`${plural(changes(done), "lead is", "leads are")} on the way`, refused > 0 ? `${count(refused)} left alone` : ""].filter(Boolean).join("; ");
}

const changes = (r: ReplayLeadsResponse): number => number(r.sent) + number(r.updated) + number(r.added);

function summary(r: ReplayLeadsResponse): HTMLElement {
  const facts: [string | undefined, string][] = [
    [r.sent, "held, would be sent"],
    [r.updated, "sent before, would be resent with different values"],
    [r.added, "sent before, would go to more destinations"],
    [r.unchanged, "would not change and stay as they are"],
    [r.held, "would stay held"],
    [r.refused, "would be left alone"],
  ];
  return h("ul", { class: "plan" }, facts.filter(([n]) => number(n) > 0).map(([n, text]) => h("li", {}, `${count(n)} ${text}`)), number(r.matched) === 0 ? h("li", {}, "No leads match.") : null);
}

function shown(all: ReplayChange[]): Child {
  if (all.length === 0) return null;
  return h(
    "details",
    { open: all.length === 1 },
    h("summary", {}, all.length > SHOWN ? `What would change for ${SHOWN} of them` : "What would change"),
    h("ul", { class: "changes" }, all.slice(0, SHOWN).map((change) => h(
      "li",
      {},
      h("a", { href: leadPath(change.leadId ?? ""), target: "_blank" }, h("code", {}, (change.leadId ?? "").slice(-12))),
      h("span", { class: "muted" }, [change.updated?.length ? ` again to ${change.updated.join(", ")}` : "", change.added?.length ? ` to ${change.added.join(", ")}` : ""].filter(Boolean).join(";")),
      (change.fields ?? []).map((field) => h("p", {}, h("code", {}, field.leadField ?? ""), " ", field.from ? h("del", { class: "old" }, field.from) : h("span", { class: "muted" }, "nothing"), h("span", { "aria-hidden": "true" }, " → "), h("ins", {}, field.to || "nothing"))),
    ))),
  );
}

function problems(all: OperationProblem[]): Child {
  if (all.length === 0) return null;
  const byMessage = Map.groupBy(all, (problem) => problem.message ?? "");
  return h("ul", { class: "plan" }, [...byMessage].slice(0, 8).map(([message, some]) => h("li", {}, `${count(some.length)} × ${message}`)));
}
