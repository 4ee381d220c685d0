// HubSpot's own client as a public app, against the simulator whose address, refresh token and client secret are the arguments.
import assert from "node:assert/strict";
import hubspot from "@hubspot/api-client";

const [base, refreshToken, clientSecret] = process.argv.slice(2);
const connect = (options = {}) => new hubspot.Client({ basePath: base, numberOfApiCallRetries: 0, ...options });
const faults = (body) => fetch(`${base}/_sim/faults`, { method: "POST", body: JSON.stringify(body) });
const refused = async (call, code, category) => {
  const error = await call.then(() => assert.fail(`not refused with ${code}`), (e) => e);
  assert.equal(error.code, code, error.stack);
  if (category) assert.equal(error.body.category, category);
  return error;
};

// A token for the refresh token; a wrong one is refused.
const oauth = connect().oauth.tokensApi;
await refused(oauth.create("refresh_token", undefined, undefined, "app", "wrong", refreshToken), 400);
const { accessToken, expiresIn } = await oauth.create("refresh_token", undefined, undefined, "app", clientSecret, refreshToken);
assert.ok(expiresIn > 0);
await refused(connect({ accessToken: "none" }).crm.contacts.basicApi.getById("1"), 401, "EXPIRED_AUTHENTICATION");

const client = connect({ accessToken });
const { basicApi } = client.crm.contacts;
const ada = await client.crm.contacts.basicApi.create({ properties: { email: "ada@example.com" }, associations: [] });

// A limit that is reached, with the words the client goes by; a fault; and its own retry.
await faults({ status: 429, times: 1 });
const limited = await refused(basicApi.getById(ada.id), 429);
assert.equal(limited.body.policyName, "TEN_SECONDLY_ROLLING");
await faults({ status: 503, times: 1 });
const patient = connect({ accessToken, numberOfApiCallRetries: 3 });
assert.equal((await patient.crm.contacts.basicApi.getById(ada.id)).id, ada.id);

// A token whose time is over.
await fetch(`${base}/_sim/tokens`, { method: "POST", body: JSON.stringify({ expire: true }) });
await refused(basicApi.getById(ada.id), 401, "EXPIRED_AUTHENTICATION");

console.log("all is well");
