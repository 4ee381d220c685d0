// HubSpot's own client against the simulator whose address and token are the arguments.
import assert from "node:assert/strict";
import { Client } from "@hubspot/api-client";

const [basePath, accessToken] = process.argv.slice(2);
const client = new Client({ accessToken, basePath, numberOfApiCallRetries: 0 });
const contacts = client.crm.contacts;
const faults = (body) => fetch(`${basePath}/_sim/faults`, { method: "POST", body: JSON.stringify(body) });
const fails = (promise, code, check = () => true) =>
  assert.rejects(promise, (e) => e.code === code && check(typeof e.body === "string" ? JSON.parse(e.body) : e.body));

// Create, read by address, update.
const created = await contacts.basicApi.create({ properties: { email: "Ada+b@Example.com", firstname: "Ada" }, associations: [] });
assert.match(created.id, /^\d+$/);
assert.equal(created.properties.email, "ada+b@example.com");
assert.ok(created.createdAt instanceof Date);
assert.equal((await contacts.basicApi.getById("ada+b@example.com", ["firstname"], undefined, undefined, undefined, "email")).id, created.id);
await contacts.basicApi.update("ada+b@example.com", { properties: { company: "Engines" } }, "email");
assert.equal((await contacts.basicApi.getById(created.id, ["company"])).properties.company, "Engines");

// Errors of one contact.
await fails(contacts.basicApi.create({ properties: { email: "ada+b@example.com" }, associations: [] }), 409);
await fails(contacts.basicApi.create({ properties: { email: "x@example.com", shoe_size: "9" }, associations: [] }), 400,
  (body) => body.category === "VALIDATION_ERROR" && body.message.includes("PROPERTY_DOESNT_EXIST"));
await fails(contacts.basicApi.getById("999"), 404);

// A batch, some of it wrong: 207 resolves.
const upserted = await contacts.batchApi.upsert({ inputs: [
  { idProperty: "email", id: "ada+b@example.com", objectWriteTraceId: "0", properties: { firstname: "Augusta" } },
  { idProperty: "email", id: "grace@example.com", objectWriteTraceId: "1", properties: { firstname: "Grace" } },
  { idProperty: "email", id: "mary@example.com", objectWriteTraceId: "2", properties: { numemployees: "many" } },
] });
assert.deepEqual(upserted.results.map((r) => [r.objectWriteTraceId, r._new]).sort(), [["0", false], ["1", true]]);
assert.equal(upserted.numErrors, 1);
assert.deepEqual(upserted.errors[0].context.objectWriteTraceId, ["2"]);
await fails(contacts.batchApi.upsert({ inputs: [
  { idProperty: "email", id: "a@example.com", properties: {} }, { idProperty: "email", id: "A@example.com", properties: {} },
] }), 400);
const read = await contacts.batchApi.read({ idProperty: "email", inputs: [{ id: "grace@example.com" }], properties: ["firstname"], propertiesWithHistory: [] });
assert.equal(read.results[0].properties.firstname, "Grace");

// Search and properties.
const found = await contacts.searchApi.doSearch({
  filterGroups: [{ filters: [{ propertyName: "email", operator: "EQ", value: "grace@example.com" }] }], properties: ["email"], limit: 10, after: "0", sorts: [], query: undefined,
});
assert.equal(found.total, 1);
const properties = await client.crm.properties.coreApi.getAll("contacts");
assert.ok(properties.results.some((p) => p.name === "numemployees" && p.options.length > 2));
await client.crm.properties.coreApi.create("contacts", { name: "shoe_size", label: "Shoe size", type: "string", fieldType: "text", groupName: "contactinformation" });
await contacts.basicApi.create({ properties: { email: "x@example.com", shoe_size: "9" }, associations: [] });
await client.crm.properties.coreApi.archive("contacts", "shoe_size");
await fails(contacts.basicApi.create({ properties: { email: "y@example.com", shoe_size: "9" }, associations: [] }), 400);

// Limits, outages, credentials.
await faults({ kind: "burst", times: 1 });
await fails(contacts.basicApi.getById(created.id), 429, (body) => body.policyName === "TEN_SECONDLY_ROLLING");
await faults({ kind: "daily", times: 1 });
await fails(contacts.basicApi.getById(created.id), 429, (body) => body.policyName === "DAILY");
await faults({ kind: "status", status: 502, times: 1 });
const patient = new Client({ accessToken, basePath, numberOfApiCallRetries: 3 });
assert.equal((await patient.crm.contacts.basicApi.getById(created.id)).id, created.id, "the client repeats a read by itself");
await fails(new Client({ accessToken: "wrong", basePath }).crm.contacts.basicApi.getById(created.id), 401, (body) => body.category === "INVALID_AUTHENTICATION");
console.log("all is well");
