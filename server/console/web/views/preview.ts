// Preview: what would become of a submission with the current configuration. Nothing is stored or sent. It starts with what a lead's form
// sent, or empty.

import type { GetLeadResponse, PreviewDelivery, PreviewFormResponse, PreviewOutcome, Submission } from "api";
import { get, post } from "../api";
import { h, swap, type Child } from "../dom";
import { json } from "../format";
import type { Page, View } from "../page";
import { failed, fill } from "../parts/faces";
import { FORMS, formNames } from "../parts/formnames";
import { change, leadPath, pathTo } from "../router";
import { spoken, state, type Word } from "../words";
import { cleanedTable } from "./lead_fields";

const outcomes: Partial<Record<PreviewOutcome, Word>> = {
  PREVIEW_OUTCOME_SENT: { word: "It would be accepted and sent", tone: "success" },
  PREVIEW_OUTCOME_HELD: { word: "It would be accepted and held for a person", tone: "paused" },
  PREVIEW_OUTCOME_REJECTED: { word: "It would be refused", tone: "failing" },
};

type Fields = NonNullable<Submission["fields"]>;

export function preview(page: Page): View {
  const { query } = page.place;
  const form = h("input", { type: "text", name: "form", list: FORMS, required: true, autocomplete: "off", spellcheck: "false", value: query.get("form") ?? "" });
  const sheet = h("textarea", { name: "fields", rows: 10, spellcheck: "false", placeholder: "email=grace@example.com\ncompany_name=Example Ltd" });
  const result = h("div", { class: "preview-result", "aria-live": "polite" });
  const show = (): void => {
    change(pathTo("preview", "", { form: form.value.trim(), lead: query.get("lead") ?? "" }));
    swap(result);
    void fill(result, "The preview failed", page.signal, () => post<PreviewFormResponse>(`/v1/forms/${encodeURIComponent(form.value.trim())}:preview`, body(read(sheet.value)), page.signal), (answer) => draw(answer, read(sheet.value)));
  };
  const lead = query.get("lead");
  const begin = async (): Promise<void> => {
    const { record } = await get<GetLeadResponse>(`/v1/leads/${encodeURIComponent(lead ?? "")}`, {}, page.signal);
    form.value = record?.lead?.source?.form ?? form.value;
    sheet.value = write(record?.submission?.fields ?? []);
    if (sheet.value) show();
  };
  if (lead) begin().catch((error: unknown) => page.signal.aborted || swap(result, failed("The lead could not be read", error, () => void begin())));
  return {
    title: "Preview",
    element: h(
      "div",
      {},
      h("p", { class: "crumbs" }, lead ? h("a", { href: leadPath(lead) }, "The lead") : h("a", { href: pathTo("destinations") }, "Forms")),
      h("h1", {}, "Preview"),
      h("p", { class: "muted" }, "See what would become of a submission under the current configuration. Nothing is kept or sent."),
      h(
        "div",
        { class: "preview" },
        h(
          "form",
          { class: "preview-sheet", "aria-label": "Submission", submit: (event) => { event.preventDefault(); show(); } },
          h("label", { class: "field" }, "Form", form, formNames(page)),
          h("label", { class: "field" }, "Fields, one per line, as name=value", sheet),
          h("button", { class: "primary" }, "Preview"),
        ),
        result,
      ),
    ),
  };
}

/** The indentation of further lines of a value. */
const INDENT = "  ";

/** read parses fields from lines. */
function read(text: string): Fields {
  const fields: { name: string; values: string[] }[] = [];
  for (const line of text.split("\n")) {
    const last = fields.at(-1);
    const at = line.indexOf("=");
    if (line.startsWith(INDENT) && last) last.values[0] = `${last.values[0] ?? ""}\n${line.slice(INDENT.length)}`;
    else if (at > 0) fields.push({ name: line.slice(0, at), values: [line.slice(at + 1)] });
    else if (line.trim()) fields.push({ name: line.trim(), values: [""] });
  }
  return fields;
}

/** write is the inverse of read. */
const write = (fields: Fields): string => fields.flatMap((field) => (field.values ?? []).map((value) => `${field.name ?? ""}=${value.replaceAll("\n", `\n${INDENT}`)}`)).join("\n");

/** body returns what a page's script would send: a repeated name becomes a list. */
function body(fields: Fields): object {
  const values = new Map<string, string[]>();
  for (const field of fields) values.set(field.name ?? "", [...(values.get(field.name ?? "") ?? []), ...(field.values ?? [])]);
  return Object.fromEntries([...values].map(([name, all]) => [name, all.length > 1 ? all : all[0]]));
}

function draw(answer: PreviewFormResponse, fields: Fields): Child {
  const word = (answer.outcome && outcomes[answer.outcome]) ?? { word: spoken(answer.outcome, "PREVIEW_OUTCOME_"), tone: "waiting" as const };
  return [
    h("p", { class: "outcome" }, state(word)),
    answer.problems?.length ? h("ul", { class: "plan" }, answer.problems.map((problem) => h("li", {}, problem.field ? [h("code", {}, problem.field), ": "] : null, problem.message ?? ""))) : null,
    answer.holds?.length ? h("ul", { class: "plan" }, answer.holds.map((hold) => h("li", {}, h("strong", {}, spoken(hold.reason, "HOLD_REASON_")), hold.detail ? `: ${hold.detail}` : ""))) : null,
    answer.unmapped?.length ? h("p", {}, "Nothing maps ", answer.unmapped.map((name, i) => [i > 0 ? ", " : "", h("code", {}, name)]), ".") : answer.detail ? h("p", { class: "muted" }, answer.detail) : null,
    cleanedTable({ lead: answer.lead, changes: answer.changes, submission: { fields } }),
    (answer.deliveries ?? []).map(delivery),
  ];
}

const delivery = (d: PreviewDelivery): HTMLElement =>
  h(
    "section",
    { class: "preview-delivery", "aria-label": `To ${d.destination ?? ""}` },
    h("h2", {}, `To ${d.destination ?? ""}`),
    d.error ? h("p", { class: "card-error" }, d.error) : null,
    d.payload ? h("pre", { tabindex: 0 }, h("code", {}, json(d.payload))) : null,
    d.omitted?.length ? h("ul", { class: "plan" }, d.omitted.map((text) => h("li", {}, `left out: ${text}`))) : null,
  );
