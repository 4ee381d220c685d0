// The page makes its idempotency key when it loads, so that however often the button is pressed, one lead is made.
"use strict";

const $ = (id) => document.getElementById(id);
const form = $("form"), key = $("key"), events = $("events");
const newKey = () => { key.value = crypto.randomUUID(); };
newKey();

// ---- sending ----

const fieldsOf = (form) => Object.fromEntries([...new FormData(form)].filter(([, value]) => value !== ""));

async function send() {
  const response = await fetch(form.action, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(fieldsOf(form)),
  });
  return { status: response.status, body: await response.json() };
}

function say(text, state = "", shape = "") {
  const answer = $("answer");
  answer.replaceChildren();
  const span = document.createElement("span");
  span.textContent = text;
  if (state) { span.className = "state " + state; span.dataset.shape = shape; }
  answer.append(span);
}

function showProblems(violations) {
  for (const old of form.querySelectorAll(".field-problem")) old.remove();
  for (const input of form.elements) { input.removeAttribute?.("aria-invalid"); }
  const rest = [];
  for (const { field, message } of violations) {
    const input = form.elements[field];
    if (!(input instanceof HTMLElement)) { rest.push(message); continue; }
    input.setAttribute("aria-invalid", "true");
    const note = document.createElement("span");
    note.className = "field-problem";
    note.textContent = message;
    input.after(note);
  }
  $("problems").textContent = rest.join(" ");
  $("problems").hidden = rest.length === 0;
}

async function submit(times) {
  showProblems([]);
  $("send").disabled = true;
  say("Sending …");
  try {
    const answers = await Promise.all(Array.from({ length: times }, send));
    const accepted = answers.filter((a) => a.status === 201).length;
    const replayed = answers.filter((a) => a.status === 200).length;
    const refused = answers.find((a) => a.status >= 400);
    if (refused) {
      showProblems(refused.body.violations ?? []);
      say(refused.body.detail ?? refused.body.title ?? "That did not work.", "failing", "▲");
    } else if (times > 1) {
      say(`${times} requests, ${accepted} lead: ${replayed} answered as a replay.`, "success", "●");
    } else {
      say(replayed ? "Received before: still one lead." : "Thank you. We have it.", "success", "●");
    }
  } catch {
    say("The gateway cannot be reached. Nothing is lost: press Send again.", "failing", "▲");
  }
  $("send").disabled = false;
}

form.addEventListener("submit", (event) => { event.preventDefault(); submit(1); });
// Changing a field after sending makes another lead, thus another key.
form.addEventListener("input", newKey);
$("double").addEventListener("click", () => { newKey(); submit(2); });
$("down").addEventListener("click", async (event) => {
  const button = event.currentTarget, label = button.textContent;
  button.disabled = true;
  await fetch("crm/down", { method: "POST" });
  for (let left = 20; left > 0; left--) {
    button.textContent = `CRM is down, ${left} s left`;
    await new Promise((done) => setTimeout(done, 1000));
  }
  button.textContent = label;
  button.disabled = false;
});

// ---- watching ----

const words = {
  STAGE_RECEIVED: ["received", "waiting", "◐"], STAGE_VALIDATED: ["validated", "waiting", "◐"],
  STAGE_REJECTED: ["rejected", "failing", "▲"], STAGE_DUPLICATE: ["duplicate", "paused", "❚"],
  STAGE_HELD: ["held", "paused", "❚"], STAGE_QUEUED: ["queued", "waiting", "◐"],
  STAGE_CRM_API_CALL: ["CRM call", "waiting", "◐"], STAGE_RETRY: ["retry", "retrying", "↻"],
  STAGE_SUCCESS: ["success", "success", "●"], STAGE_FAILURE: ["failure", "failing", "▲"],
  STAGE_DEAD: ["dead", "failing", "▲"], STAGE_SUPERSEDED: ["superseded", "paused", "❚"],
  STAGE_ERASED: ["erased", "paused", "❚"],
};
const MAX_ROWS = 200;
const milliseconds = (duration) => duration ? `${Math.max(1, Math.round(parseFloat(duration) * 1000))} ms` : "";

function describe(lead) {
  const took = milliseconds(lead.duration);
  switch (lead.stage) {
    case "STAGE_RECEIVED": return `${lead.person ?? "a visitor"} through ${lead.form ?? "the API"}`;
    case "STAGE_VALIDATED": return lead.detail || `cleaned${took ? " in " + took : ""}`;
    case "STAGE_QUEUED": return `on disk, bound for ${lead.destination}`;
    case "STAGE_DUPLICATE": return "same key: the first answer again, no second lead";
    case "STAGE_CRM_API_CALL": return `attempt ${lead.attempt} to ${lead.destination}`;
    case "STAGE_SUCCESS": return `${lead.destination} has it${took ? " after " + took : ""}${lead.recordId ? ", record " + lead.recordId : ""}`;
    case "STAGE_RETRY": {
      const wait = lead.nextAttemptTime ? Math.max(0, (Date.parse(lead.nextAttemptTime) - Date.now()) / 1000) : 0;
      return `${lead.error || "failed"}; again in ${wait.toFixed(1)} s`;
    }
    default: return [lead.error, lead.detail].filter(Boolean).join("; ");
  }
}

function row(event) {
  const [word, state, shape] = words[event.lead.stage] ?? [event.lead.stage, "waiting", "◐"];
  const li = document.createElement("li");
  li.className = "new";
  const at = new Date(event.time);
  const time = document.createElement("time");
  time.dateTime = event.time;
  time.textContent = at.toLocaleTimeString([], { hour12: false }) + "." + String(at.getMilliseconds()).padStart(3, "0");
  const stage = document.createElement("span");
  stage.className = "state " + state;
  stage.dataset.shape = shape;
  stage.textContent = word;
  const what = document.createElement("span");
  what.className = "what";
  what.textContent = describe(event.lead);
  li.append(time, stage, what);
  return li;
}

let waiting = [], drawn = false;
function draw() {
  drawn = false;
  const stick = events.scrollTop + events.clientHeight >= events.scrollHeight - 8;
  events.append(...waiting.splice(0).map(row));
  while (events.childElementCount > MAX_ROWS) events.firstElementChild.remove();
  if (stick) events.scrollTop = events.scrollHeight;
  $("empty").hidden = events.childElementCount > 0;
}

function link(word, state, shape) {
  const span = document.createElement("span");
  span.className = "state " + state;
  span.dataset.shape = shape;
  span.textContent = word;
  $("link").replaceChildren(span);
}

const source = new EventSource("/v1/deliveries:watch?last=30");
source.onopen = () => link("live", "success", "●");
source.onerror = () => link("disconnected, trying again", "failing", "▲");
source.onmessage = ({ data }) => {
  const event = JSON.parse(data).result?.event;
  if (!event?.lead) return;
  waiting.push(event);
  if (!drawn) { drawn = true; requestAnimationFrame(draw); }
  if (event.lead.stage === "STAGE_SUCCESS") showContacts();
};

// ---- the CRM's side ----

async function showContacts() {
  const contacts = await (await fetch("crm/contacts")).json();
  $("count").textContent = contacts.length ? `· ${contacts.length} contact${contacts.length > 1 ? "s" : ""}` : "";
  $("no-contacts").hidden = contacts.length > 0;
  $("contacts").replaceChildren(...contacts.slice(-8).reverse().map(({ id, properties: p }) => {
    const tr = document.createElement("tr");
    for (const text of [id, [p.firstname, p.lastname].filter(Boolean).join(" "), p.email, p.phone ?? "", p.country ?? ""]) {
      tr.insertCell().textContent = text;
    }
    return tr;
  }));
}
showContacts();

$("curl").textContent = `curl ${location.origin}/v1/forms/contact/submissions -d email=grace@example.com -d firstname=Grace`;
