// The word, shape and colour of every state: the same everywhere, so that colour is never the only sign.

import type { AttemptOutcome, DeliveryState, DestinationStatus, LeadState, Stage } from "api";
import { h, type Child } from "./dom";

export type Tone = "success" | "waiting" | "retrying" | "failing" | "paused";

const shapes: Record<Tone, string> = { success: "●", waiting: "◐", retrying: "↻", failing: "▲", paused: "❚❚" };

export interface Word {
  readonly word: string;
  readonly tone: Tone;
}

const as = (tone: Tone, word: string): Word => ({ word, tone });

export const stages: Record<Exclude<Stage, "STAGE_UNSPECIFIED">, Word> = {
  STAGE_RECEIVED: as("waiting", "received"),
  STAGE_VALIDATED: as("waiting", "validated"),
  STAGE_REJECTED: as("failing", "rejected"),
  STAGE_DUPLICATE: as("paused", "duplicate"),
  STAGE_HELD: as("paused", "held"),
  STAGE_QUEUED: as("waiting", "queued"),
  STAGE_CRM_API_CALL: as("waiting", "CRM call"),
  STAGE_RETRY: as("retrying", "retry"),
  STAGE_SUCCESS: as("success", "success"),
  STAGE_FAILURE: as("failing", "failure"),
  STAGE_DEAD: as("failing", "dead"),
  STAGE_SUPERSEDED: as("paused", "superseded"),
  STAGE_ERASED: as("paused", "erased"),
  STAGE_DISCARDED: as("paused", "discarded"),
  STAGE_PREPARED: as("waiting", "enriched"),
};

const deliveryStates: Record<Exclude<DeliveryState, "DELIVERY_STATE_UNSPECIFIED">, Word> = {
  DELIVERY_STATE_PENDING: as("waiting", "waiting"),
  DELIVERY_STATE_IN_FLIGHT: as("waiting", "being sent"),
  DELIVERY_STATE_RETRY_WAIT: as("retrying", "waiting for a retry"),
  DELIVERY_STATE_DELIVERED: as("success", "delivered"),
  DELIVERY_STATE_DEAD: as("failing", "dead"),
  DELIVERY_STATE_HELD: as("paused", "held"),
  DELIVERY_STATE_SUPERSEDED: as("paused", "superseded"),
  DELIVERY_STATE_CANCELLED: as("paused", "cancelled"),
};

const leadStates: Record<Exclude<LeadState, "LEAD_STATE_UNSPECIFIED">, Word> = {
  LEAD_STATE_OPEN: as("success", "open"),
  LEAD_STATE_HELD: as("paused", "held"),
  LEAD_STATE_DISCARDED: as("paused", "discarded"),
  LEAD_STATE_ERASED: as("paused", "erased"),
};

const statuses: Record<Exclude<DestinationStatus, "DESTINATION_STATUS_UNSPECIFIED">, Word> = {
  DESTINATION_STATUS_FLOWING: as("success", "flowing"),
  DESTINATION_STATUS_PAUSED: as("paused", "paused"),
  DESTINATION_STATUS_FAILING: as("failing", "last calls failed"),
  DESTINATION_STATUS_RATE_LIMITED: as("retrying", "asked to slow down"),
  DESTINATION_STATUS_CREDENTIALS_REFUSED: as("failing", "credentials refused"),
  DESTINATION_STATUS_UNREACHABLE: as("failing", "cannot be reached"),
};

const outcomes: Record<Exclude<AttemptOutcome, "ATTEMPT_OUTCOME_UNSPECIFIED">, Word> = {
  ATTEMPT_OUTCOME_DELIVERED: as("success", "delivered"),
  ATTEMPT_OUTCOME_DELIVERED_PARTLY: as("retrying", "delivered without some properties"),
  ATTEMPT_OUTCOME_RETRY: as("retrying", "failed, will retry"),
  ATTEMPT_OUTCOME_RATE_LIMITED: as("retrying", "asked to slow down"),
  ATTEMPT_OUTCOME_REFUSED: as("failing", "refused"),
  ATTEMPT_OUTCOME_CREDENTIALS_REFUSED: as("failing", "credentials refused"),
  ATTEMPT_OUTCOME_UNKNOWN: as("retrying", "answer lost"),
  ATTEMPT_OUTCOME_UNDECIDED: as("paused", "a person decides"),
  ATTEMPT_OUTCOME_UNDER_WAY: as("waiting", "under way"),
};

/** find looks up a value. A newer gateway may have values that this page does not know. */
function find(words: Record<string, Word>, value: string | undefined, prefix: string): Word {
  if (!value) return as("waiting", "under way");
  return words[value] ?? as("waiting", value.replace(prefix, "").toLowerCase().replaceAll("_", " "));
}

export const ofStage = (value: Stage | undefined): Word => find(stages, value, "STAGE_");
export const ofDelivery = (value: DeliveryState | undefined): Word => find(deliveryStates, value, "DELIVERY_STATE_");
export const ofLead = (value: LeadState | undefined): Word => find(leadStates, value, "LEAD_STATE_");
export const ofStatus = (value: DestinationStatus | undefined): Word => find(statuses, value, "DESTINATION_STATUS_");
export const ofOutcome = (value: AttemptOutcome | undefined): Word => find(outcomes, value, "ATTEMPT_OUTCOME_");

/** state shows a state by word, shape and colour. */
export function state(word: Word, text: Child = word.word): HTMLElement {
  return h("span", { class: `state ${word.tone}` }, h("span", { class: "shape", "aria-hidden": "true" }, shapes[word.tone]), text);
}

/** spoken turns an enum's name into words: "HOLD_REASON_KEY_REUSED" is "key reused". */
export const spoken = (value: string | undefined, prefix: string): string => (value ?? "").replace(prefix, "").toLowerCase().replaceAll("_", " ");
