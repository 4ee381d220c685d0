// A stock client, generated of the description, walks through the API: first as a backend would, with everything checked by
// the compiler, then every other route with as little as it takes. What is answered must be described.

import createClient from "openapi-fetch";
import type { paths } from "./api";

declare const process: { argv: string[]; exitCode: number };

const [, , baseUrl, description] = process.argv as [string, string, string, string];
const client = createClient<paths>({ baseUrl });
const called = new Set<string>();

// Every call through the client is noted, with what came back.
client.use({
  onResponse: ({ schemaPath, request, response }) => {
    check(request.method.toLowerCase(), schemaPath, response);
  },
});

function expect(what: string, holds: unknown): asserts holds {
  if (holds) return;
  console.error("FAILED:", what);
  process.exitCode = 1;
}

interface Operation {
  operationId: string;
  parameters?: { $ref?: string; in?: string; name?: string; required?: boolean }[];
  responses: Record<string, unknown>;
}
type Description = { paths: Record<string, Record<string, Operation>> };
const api = (await (await fetch(description)).json()) as Description;

function check(method: string, path: string, response: Response): void {
  const operation = api.paths[path]?.[method];
  expect(`${method} ${path} is described`, operation);
  called.add(operation.operationId);
  expect(`${method} ${path} may answer ${response.status}`, String(response.status) in operation.responses);
  expect(`${method} ${path} names its request`, response.headers.get("x-request-id"));
  expect(`${method} ${path} does not fail inside`, response.status !== 500);
}

// ---- a backend ----

const lead = { email: "ada@example.com", firstName: "Ada", custom: { budget: "4000" } };
const submit = (email: string) =>
  client.POST("/v1/leads", { params: { header: { "Idempotency-Key": "k1" } }, body: { lead: { ...lead, email } } });

const created = await submit("ada@example.com");
expect("a new lead is 201", created.response.status === 201 && created.data?.replayed === false);
const leadId: string = created.data!.leadId;
expect("its place is named", created.response.headers.get("location") === `/v1/leads/${leadId}`);
const again = await submit("ada@example.com");
expect("again is 200 and the same lead", again.response.status === 200 && again.data?.leadId === leadId && again.response.headers.get("idempotency-replayed") === "true");
const reused = await submit("grace@example.com");
expect("another lead under the key is 422 and names what differs", reused.response.status === 422 && reused.error?.fields?.join() === "email" && reused.error.leadId === leadId);
const invalid = await client.POST("/v1/leads", { body: { lead: { email: "nobody", country: "Utopia" } } });
expect("broken rules are 400, all of them named", invalid.response.status === 400 && invalid.error?.violations?.map((v) => v.field).join() === "lead.email,lead.country");

const batch = await client.POST("/v1/leads:batch", { body: { leads: [{ lead: { email: "b1@example.com" } }, { lead: { email: "nobody" } }] } });
expect("one of a batch fails alone", batch.data?.results?.[0]?.leadId && batch.data.results[1]?.refusal?.violations?.[0]?.field === "lead.email");

const form = await client.POST("/v1/forms/{form}/submissions", { params: { path: { form: "contact" } }, body: { email: "form@example.com", firstname: "Form" } });
expect("a form's submission is 201", form.response.status === 201 && form.data?.leadId);
const nowhere = await client.POST("/v1/forms/{form}/submissions", { params: { path: { form: "nowhere" } }, body: { email: "form@example.com" } });
expect("an unknown form is 404", nowhere.response.status === 404 && nowhere.error?.reason === "FORM_NOT_FOUND");

const shown = await client.GET("/v1/leads/{leadId}", { params: { path: { leadId } } });
expect("a lead is shown", shown.data?.record?.lead?.email === "ada@example.com" && (shown.data.timeline?.length ?? 0) > 0);
const listed = await client.GET("/v1/leads", { params: { query: { state: "LEAD_STATE_OPEN" } } });
expect("leads are listed", (listed.data?.leads?.length ?? 0) > 0);
const found = await client.POST("/v1/leads:search", { body: { email: "ada@example.com" } });
expect("a person's leads are found", found.data?.leads?.length === 1);
const deliveries = await client.GET("/v1/deliveries", { params: { query: { pageSize: 1 } } });
const deliveryId = deliveries.data?.deliveries?.[0]?.deliveryId;
expect("deliveries are listed", deliveryId && deliveries.data?.nextPageToken);
const delivery = await client.GET("/v1/deliveries/{deliveryId}", { params: { path: { deliveryId: deliveryId! } } });
expect("a delivery is shown", delivery.data?.delivery?.destination === "crm");
const destinations = await client.GET("/v1/destinations");
expect("destinations are listed", destinations.data?.destinations?.[0]?.name === "crm");
const paused = await client.POST("/v1/destinations/{name}:pause", { params: { path: { name: "crm" } }, body: { reason: "a test" } });
const resumed = await client.POST("/v1/destinations/{name}:resume", { params: { path: { name: "crm" } }, body: {} });
expect("a destination is paused and resumed", paused.response.status === 200 && resumed.response.status === 200);

const abort = new AbortController();
const watched = await client.GET("/v1/deliveries:watch", { params: { query: { last: 5 } }, parseAs: "stream", signal: abort.signal });
const first = await (watched.data as ReadableStream<Uint8Array>).getReader().read();
expect("a watch says hello", new TextDecoder().decode(first.value).startsWith('{"result":{"hello"'));
abort.abort();

// ---- every other route ----

for (const [path, item] of Object.entries(api.paths)) {
  for (const [method, operation] of Object.entries(item)) {
    if (called.has(operation.operationId)) continue;
    const url = baseUrl + path.replace(/\{\w+\}/g, "unknown");
    const response = await fetch(url, method === "get" ? {} : { method: method.toUpperCase(), headers: { "Content-Type": "application/json" }, body: "{}", signal: AbortSignal.timeout(20_000) });
    check(method, path, response);
    const media = response.headers.get("content-type") ?? "";
    expect(`${method} ${path} answers ${response.status} as it should, not ${media}`, response.ok ? /^application\/(json|x-ndjson)/.test(media) : media.startsWith("application/problem+json"));
    await response.body?.cancel();
  }
}
console.log(`called ${called.size} operations`);
expect("every operation was called", called.size === Object.values(api.paths).flatMap((item) => Object.keys(item)).length);
