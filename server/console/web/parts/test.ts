// Testing a destination: whether its CRM is up and accepts the credentials, whose account it is, and whether the mapping fits. It changes
// nothing there.

import type { DestinationReport, TestDestinationResponse } from "api";
import { post } from "../api";
import { h, type Child } from "../dom";
import { count, duration, seconds } from "../format";
import { state } from "../words";
import { tell } from "./ask";
import { properties } from "./table";

export async function testDestination(name: string): Promise<string> {
  const { report } = await post<TestDestinationResponse>(`/v1/destinations/${name}:test`);
  await tell(`Test of ${name}`, found(report ?? {}));
  return "";
}

function found(report: DestinationReport): Child[] {
  const word = report.reachable ? state({ word: "it is up and accepts the credentials", tone: "success" }) : state({ word: "it failed", tone: "failing" });
  const facts: [string, Child][] = [
    ["problem", report.problem ?? ""],
    ["status", report.crmStatus ? String(report.crmStatus) : ""],
    ["answered in", report.latency ? duration(seconds(report.latency)) : ""],
    ["account", report.account ?? ""],
    ["properties", report.propertiesProblem || (report.properties ? count(report.properties) : "")],
    ...(report.quotas ?? []).map((quota): [string, Child] => [`left in ${duration(seconds(quota.window))}`, quota.limit ? `${count(quota.remaining)} of ${count(quota.limit)} calls` : `${count(quota.remaining)} calls`]),
  ];
  const drifts = report.drifts ?? [];
  return [
    h("p", {}, word),
    properties("Test result", facts.filter(([, value]) => value !== "")),
    drifts.length > 0 ? [h("p", {}, "What does not fit the mapping:"), h("ul", { class: "plan" }, drifts.map((drift) => h("li", {}, h("code", {}, drift.field ?? ""), ": ", drift.detail ?? "")))] : null,
  ];
}
