// Describes an event in one line.

import type { Event as LeadgateEvent, LeadEvent } from "api";
import { duration, seconds } from "../format";
import { spoken, type Tone, type Word } from "../words";
import { ofStage } from "../words";

/** word returns the state that an event shows. */
export function word(event: LeadgateEvent): Word {
  if (event.lead) return ofStage(event.lead.stage);
  if (event.destination) {
    const type = event.destination.type ?? "";
    return { word: spoken(type, "DESTINATION_EVENT_TYPE_"), tone: toneOf(type) };
  }
  if (event.system) return { word: spoken(event.system.type, "SYSTEM_EVENT_TYPE_"), tone: toneOfSystem(event.system.type ?? "") };
  if (event.form) return { word: spoken(event.form.type, "FORM_EVENT_TYPE_"), tone: "retrying" };
  return { word: "event", tone: "waiting" };
}

function toneOfSystem(type: string): Tone {
  if (/ERROR|REFUSED|FAILED|FIRING/.test(type)) return "failing";
  if (/RESOLVED/.test(type)) return "success";
  return /WARNING|NEEDED/.test(type) ? "retrying" : "waiting";
}

function toneOf(type: string): Tone {
  if (/RESUMED|CLOSED|DRIFT_OVER/.test(type)) return "success";
  if (/REFUSED|OPEN|FAIL/.test(type)) return "failing";
  if (/LIMIT|QUOTA|DRIFT$/.test(type)) return "retrying";
  return "paused";
}

/** note returns what is worth saying about an event besides its state. */
export function note(event: LeadgateEvent): string {
  if (event.lead) return ofLead(event.lead, event.time);
  return event.destination?.detail ?? event.system?.detail ?? event.form?.detail ?? "";
}

function ofLead(lead: LeadEvent, time = ""): string {
  switch (lead.stage) {
    case "STAGE_RETRY":
      return [status(lead), after(time, lead.nextAttemptTime)].filter(Boolean).join(", ");
    case "STAGE_SUCCESS":
      return lead.recordId ? `record ${lead.recordId}` : "";
    case "STAGE_CRM_API_CALL":
      return `attempt ${lead.attempt ?? 1}`;
    case "STAGE_DUPLICATE":
      return lead.detail || "same key: the first answer again";
    default:
      return [status(lead), lead.detail].filter(Boolean).join("; ");
  }
}

/** after says how long a lead waits for its next call. A time relative to now would be wrong a second later. */
function after(time: string, next = ""): string {
  const wait = (Date.parse(next) - Date.parse(time)) / 1000;
  return wait > 0 ? `again after ${duration(wait)}` : "";
}

const status = (lead: LeadEvent): string => {
  const error = lead.error ?? "";
  return lead.crmStatus && !error.includes(String(lead.crmStatus)) ? `${lead.crmStatus} ${error}`.trim() : error;
};

/** took returns how long an event's stage took, in words; empty if unknown. */
export const took = (event: LeadgateEvent): string => (event.lead?.duration ? duration(seconds(event.lead.duration)) : "");
