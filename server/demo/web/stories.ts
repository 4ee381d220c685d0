// The way of each lead in plain words: received, cleaned, kept, sent, and what the CRM said.

import type { Event as LeadgateEvent, FormEvent, GetLeadResponse, LeadEvent, LeadRecord } from "api";
import { get } from "../../console/web/api";
import { h, swap, type Child } from "../../console/web/dom";
import { duration, seconds, when } from "../../console/web/format";
import { leadPath } from "../../console/web/router";
import { ofStage, state, type Tone } from "../../console/web/words";
import { flat } from "../../console/web/views/lead_fields";

/** So many leads are shown. */
const SHOWN = 12;

/** CRMs by the names they have in the demo's configuration. */
const named = (destination: string | undefined): string => (destination === "crm" ? "HubSpot" : (destination ?? "the CRM"));

export class Stories {
  private readonly stories = new Map<string, Story>();

  constructor(
    private readonly list: HTMLElement,
    private readonly empty: HTMLElement,
  ) {}

  take(event: LeadgateEvent): void {
    if (event.form) this.add(driftNote(event.form));
    const { lead } = event;
    if (!lead?.leadId) return;
    let story = this.stories.get(lead.leadId);
    if (!story) {
      story = new Story();
      this.stories.set(lead.leadId, story);
      this.add(story.element);
    }
    story.take(lead, event.time ?? "");
  }

  private add(element: HTMLElement): void {
    this.list.prepend(element);
    while (this.list.childElementCount > SHOWN) this.list.lastElementChild?.remove();
    for (const [id, story] of this.stories) if (!story.element.isConnected) this.stories.delete(id);
    this.empty.hidden = true;
  }
}

/** Story is one lead's card. */
class Story {
  private readonly who = h("strong", {}, "A visitor");
  private readonly now = h("span", {});
  private readonly steps = h("ol", { class: "steps" });
  private readonly retry = h("li", { class: "step" });
  private readonly more = h("p", { class: "more-about" });
  readonly element = h("li", { class: "story new" }, h("p", { class: "story-head" }, this.who, this.now), this.steps, this.more);
  private received = 0;

  take(lead: LeadEvent, time: string): void {
    if (lead.person) swap(this.who, lead.person);
    swap(this.now, state(ofStage(lead.stage)));
    const millis = Date.parse(time);
    switch (lead.stage) {
      case "STAGE_RECEIVED":
        this.received = millis;
        this.step("success", "received");
        break;
      case "STAGE_VALIDATED":
        // What was changed is told below, from the lead itself.
        for (const part of (lead.detail ?? "").split("; ")) if (part.startsWith("nothing maps")) this.step("retrying", `${part}: it is kept with the lead but not sent`);
        break;
      case "STAGE_QUEUED":
        this.step("success", "safe on disk, and the visitor has an answer", this.received ? duration(Math.max(1, millis - this.received) / 1000) : "");
        void this.clean(lead.leadId ?? "");
        swap(this.more, h("a", { href: leadPath(lead.leadId ?? "") }, "The whole story"));
        break;
      case "STAGE_DUPLICATE":
        this.step("paused", "the second click: same key, same answer, no second lead");
        swap(this.now, state({ word: "one lead", tone: "success" }));
        break;
      case "STAGE_REJECTED":
        this.step("failing", [lead.error, lead.detail].filter(Boolean).join("; ") || "refused: the visitor was told what to correct");
        break;
      case "STAGE_HELD":
        this.step("paused", `kept for a person to decide: ${lead.detail ?? ""}`);
        break;
      case "STAGE_RETRY":
        swap(this.retry, state({ word: "", tone: "retrying" }), h("span", {}, `${named(lead.destination)} is not accepting it now; retrying `, h("span", { "aria-live": "off" }, when(lead.nextAttemptTime)), " ", h("span", { class: "muted" }, lead.error ?? "")));
        this.steps.append(this.retry);
        break;
      case "STAGE_SUCCESS":
        this.retry.remove();
        this.step("success", [`sent to ${named(lead.destination)}`, (lead.attempt ?? 1) > 1 ? ` on the ${ordinal(lead.attempt ?? 1)} try` : "", lead.recordId ? `: contact ${lead.recordId}` : ""].join(""), lead.duration ? duration(seconds(lead.duration)) : "");
        break;
      case "STAGE_FAILURE":
      case "STAGE_DEAD":
        this.retry.remove();
        this.step("failing", `${named(lead.destination)} refused it: ${lead.error ?? lead.detail ?? ""}`);
        break;
      default:
    }
  }

  private step(tone: Tone, text: Child, took = ""): HTMLElement {
    const element = h("li", { class: "step" }, state({ word: "", tone }), h("span", {}, text), took ? h("span", { class: "muted took" }, took) : null);
    this.steps.append(element);
    return element;
  }

  /** clean says what was made of the fields, before the calls to the CRM. */
  private async clean(leadId: string): Promise<void> {
    const place = this.step("success", "cleaned");
    const answer = await get<GetLeadResponse>(`/v1/leads/${leadId}`).catch(() => undefined);
    const changes = answer?.record ? cleaned(answer.record) : [];
    if (changes.length === 0) place.remove();
    else swap(place, state({ word: "", tone: "success" }), h("span", {}, "cleaned: ", changes.map((change, i) => [i > 0 ? ", " : "", change])));
  }
}

/** Where the fields of the form lead, as the demo's configuration says. */
const fields: Record<string, string> = { email: "email", firstname: "first_name", lastname: "last_name", phone: "phone", company_name: "company", country: "country", message: "message" };

/** cleaned lists what became another value than was sent. */
function cleaned(record: LeadRecord): Child[] {
  const values = new Map(flat(record.lead ?? {}));
  return (record.submission?.fields ?? []).flatMap((field): Child[] => {
    const name = fields[field.name ?? ""] ?? "";
    const before = (field.values ?? []).join(", ");
    const after = values.get(name);
    if (!before || !after || before === after) return [];
    return [[`${name.replaceAll("_", " ")} `, h("del", {}, before), h("span", { "aria-hidden": "true" }, " → "), h("ins", {}, after)]];
  });
}

const ordinal = (n: number): string => `${n}${n === 2 ? "nd" : n === 3 ? "rd" : "th"}`;

/** driftNote tells of a renamed field, and what to do. */
function driftNote(form: FormEvent): HTMLElement {
  return h(
    "li",
    { class: "story new drift" },
    h("p", { class: "story-head" }, h("strong", {}, `The page now says “${form.field ?? ""}”`), state({ word: "drift", tone: "retrying" })),
    h("p", {}, `Nobody told the CRM. The lead is still kept and sent; one line in the configuration brings the ${form.leadField ?? "field"} back:`),
    h("pre", { tabindex: 0 }, h("code", {}, form.suggestion ?? "")),
  );
}
