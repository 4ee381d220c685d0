// Releasing, discarding and undiscarding held leads: one from its page, or many from the list.

import type { DiscardLeadsRequest, DiscardLeadsResponse, LeadRecord, OperationProblem, ReleaseLeadsRequest, ReleaseLeadsResponse, UndiscardLeadsRequest, UndiscardLeadsResponse } from "api";
import { post } from "../api";
import { h, type Child } from "../dom";
import { count, number, plural } from "../format";
import type { Action } from "./groups";
import { chunks, type Progress } from "./progress";

/** How many leads go into one request: few enough to show progress and to be able to stop. */
const AT_ONCE = 100;

const ids = (leads: LeadRecord[]): string[] => leads.map((lead) => lead.leadId ?? "");

export const release: Action<LeadRecord> = {
  label: "Release",
  kind: "primary",
  preview: async (leads) => {
    let [released, refused] = [0, 0];
    const problems: OperationProblem[] = [];
    for (const some of chunks(ids(leads), AT_ONCE)) {
      const plan = await send<ReleaseLeadsResponse>("release", { filter: { leadIds: some }, dryRun: true });
      released += number(plan.released);
      refused += number(plan.refused);
      problems.push(...(plan.problems ?? []));
    }
    return [
      h("p", {}, `${plural(released, "lead")} would be sent, mapped again with the current configuration.`),
      refused > 0 ? h("p", {}, `${count(refused)} would stay held:`) : null,
      because(problems),
    ];
  },
  run: async (leads, progress) => {
    let [released, refused] = [0, 0];
    const stopped = await inSteps(leads, progress, async (some) => {
      const done = await send<ReleaseLeadsResponse>("release", { filter: { leadIds: some } });
      released += number(done.released);
      refused += number(done.refused);
    });
    return [`${plural(released, "lead")} released`, refused > 0 ? `${plural(refused, "stays", "stay")} held` : "", stopped].filter(Boolean).join("; ");
  },
};

export const discard: Action<LeadRecord> = {
  label: "Discard",
  kind: "danger",
  preview: (leads) => Promise.resolve([h("p", {}, `${plural(leads.length, "lead is", "leads are")} not sent. ${leads.length === 1 ? "It stays" : "They stay"} in the list of leads, under the state discarded, and can be held again.`)]),
  run: async (leads, progress) => {
    let discarded = 0;
    const stopped = await inSteps(leads, progress, async (some) => {
      discarded += number((await send<DiscardLeadsResponse>("discard", { filter: { leadIds: some }, reason: "discarded in the console" })).discarded);
    });
    const text = [`${plural(discarded, "lead")} discarded`, stopped].filter(Boolean).join("; ");
    return discarded > 0 ? { text, undo: () => undiscard(leads) } : text;
  },
};

/** undiscard holds discarded leads again. */
export async function undiscard(leads: LeadRecord[]): Promise<string> {
  let held = 0;
  for (const some of chunks(ids(leads), AT_ONCE)) held += number((await send<UndiscardLeadsResponse>("undiscard", { filter: { leadIds: some } })).held);
  return `${plural(held, "lead is", "leads are")} held again`;
}

const send = <T>(verb: "release" | "discard" | "undiscard", request: ReleaseLeadsRequest | DiscardLeadsRequest | UndiscardLeadsRequest): Promise<T> => post<T>(`/v1/leads:${verb}`, request);

/** inSteps does something to leads, some at a time, until all are done or the reader stops it. */
async function inSteps(leads: LeadRecord[], progress: Progress, step: (ids: string[]) => Promise<void>): Promise<string> {
  let done = 0;
  for (const some of chunks(ids(leads), AT_ONCE)) {
    if (progress.signal.aborted) return "stopped";
    await step(some);
    done += some.length;
    progress.show(done);
  }
  return "";
}

function because(problems: OperationProblem[]): Child {
  if (problems.length === 0) return null;
  const reasons = Map.groupBy(problems, (problem) => problem.message ?? "");
  return h("ul", { class: "plan" }, [...reasons].slice(0, 8).map(([reason, some]) => h("li", {}, `${count(some.length)} × ${reason}`)));
}
