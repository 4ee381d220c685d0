// jsforce against the simulator whose address and client secret are the arguments.
import assert from "node:assert/strict";
import jsforce from "jsforce";

const [base, secret] = process.argv.slice(2);
const { Connection, OAuth2 } = jsforce;

async function connect(clientSecret) {
  const conn = new Connection({
    oauth2: new OAuth2({ loginUrl: base, clientId: "gateway", clientSecret }),
    loginUrl: base, instanceUrl: base, version: "62.0", maxRequest: 5,
  });
  const user = await conn.authorize({ grant_type: "client_credentials" });
  assert.equal(user.organizationId.length, 18);
  return conn;
}

const faults = (body) => fetch(`${base}/_sim/faults`, { method: "POST", body: JSON.stringify(body) });
const fields = (body) => fetch(`${base}/_sim/fields`, { method: "POST", body: JSON.stringify(body) });

// Refused credentials.
await assert.rejects(connect("wrong"), (e) => /invalid client credentials/.test(e.message));

const conn = await connect(secret);
const leads = conn.sobject("Lead");

// Create, read, update, delete.
const created = await leads.create({ LastName: "Lovelace", Company: "Engines", Email: "ada@example.com" });
assert.ok(created.success && /^00Q.{15}$/.test(created.id));
assert.equal((await leads.retrieve(created.id)).LastName, "Lovelace");
assert.ok((await leads.update({ Id: created.id, Company: "Analytical Engines" })).success);
assert.equal((await leads.retrieve(created.id)).Company, "Analytical Engines");
assert.match(String(conn.limitInfo?.apiUsage?.used ?? ""), /^\d+$/);

// Errors of one record.
await assert.rejects(leads.create({ Company: "Engines" }), (e) => e.errorCode === "REQUIRED_FIELD_MISSING" && /LastName/.test(e.message));
await assert.rejects(leads.create({ LastName: "x", Company: "x", Budget__c: 1 }), (e) => e.errorCode === "INVALID_FIELD");
await assert.rejects(leads.create({ LastName: "x", Company: "x", Email: "ada@example.com" }), (e) => e.errorCode === "DUPLICATES_DETECTED");
const saved = await conn.request({
  method: "POST", url: "/sobjects/Lead", body: JSON.stringify({ LastName: "x", Company: "x", Email: "ada@example.com" }),
  headers: { "content-type": "application/json", "sforce-duplicate-rule-header": "allowSave=true" },
});
assert.ok(saved.success);
await assert.rejects(leads.upsert({ Email: "ada@example.com", Company: "y" }, "Email"), (e) => e.errorCode === "MULTIPLE_CHOICES" || e.name === "MULTIPLE_CHOICES");
assert.ok((await leads.destroy(saved.id)).success);

// Upsert by an external id: once made, once changed.
assert.equal((await leads.upsert({ Gateway_Key__c: "k1", LastName: "Hopper", Company: "Navy" }, "Gateway_Key__c")).created, true);
assert.equal((await leads.upsert({ Gateway_Key__c: "k1", Company: "US Navy" }, "Gateway_Key__c")).created, false);
await assert.rejects(leads.upsert({ Gateway_Key__c: "a/b", LastName: "x", Company: "x" }, "Gateway_Key__c"), (e) => e.errorCode === "NOT_FOUND");

// A batch, some of it wrong.
const results = await leads.upsert([
  { Gateway_Key__c: "k2", LastName: "Johnson", Company: "NASA" },
  { Gateway_Key__c: "k3", Company: "NASA" },
  { Gateway_Key__c: "k2", LastName: "Johnson", Company: "NASA" },
], "Gateway_Key__c", { allOrNone: false });
assert.deepEqual(results.map((r) => r.success), [true, false, false]);
assert.equal(results[1].errors[0].statusCode ?? results[1].errors[0].errorCode, "REQUIRED_FIELD_MISSING");
const rolledBack = await leads.create([{ LastName: "a", Company: "a" }, { LastName: "b" }], { allOrNone: true });
assert.deepEqual(rolledBack.map((r) => r.success), [false, false]);

// More than fit into one call.
const many = await leads.create(Array.from({ length: 250 }, (_, i) => ({ LastName: `n${i}`, Company: "x" })), { allowRecursive: true });
assert.equal(many.filter((r) => r.success).length, 250);

// Query and describe.
const found = await conn.query("SELECT Id, Company FROM Lead WHERE Gateway_Key__c = 'k1'");
assert.equal(found.totalSize, 1);
assert.equal(found.records[0].Company, "US Navy");
let described = await leads.describe();
assert.equal(described.fields.find((f) => f.name === "Company").nillable, false);
assert.ok(described.fields.find((f) => f.name === "LeadSource").picklistValues.length > 2);
await fields({ remove: ["Website"], length: { City: 5 } });
described = await leads.describe();
assert.equal(described.fields.find((f) => f.name === "Website"), undefined);
await assert.rejects(leads.create({ LastName: "x", Company: "x", City: "London" }), (e) => e.errorCode === "STRING_TOO_LONG");

// Limits, pages, outages.
await faults({ kind: "daily", times: 1 });
await assert.rejects(leads.create({ LastName: "x", Company: "x" }), (e) => e.errorCode === "REQUEST_LIMIT_EXCEEDED");
await faults({ kind: "html", status: 403, times: 1 });
await assert.rejects(leads.create({ LastName: "x", Company: "x" }));
await faults({ kind: "status", status: 503, times: 1, method: "GET" });
assert.ok((await leads.describe()).fields.length > 5, "a read is repeated by the client itself");
await faults({ kind: "status", status: 503, times: 1 });
await assert.rejects(leads.create({ LastName: "x", Company: "x" }), (e) => e.errorCode === "SERVER_UNAVAILABLE");

// A session that ended.
await fetch(`${base}/_sim/tokens`, { method: "POST", body: `{"expire":true}` });
await assert.rejects(leads.create({ LastName: "x", Company: "x" }), /Unable to refresh session/, "the client asks for a new one, and has nothing to ask with");
assert.ok((await (await connect(secret)).sobject("Lead").create({ LastName: "x", Company: "x" })).success);
console.log("all is well");
process.exit(0);
