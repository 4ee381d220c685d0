package main

import (
	"time"

	"github.com/leadgate/leadgate/worker/crm/simulator/dynamics"
	simulatedhttp "github.com/leadgate/leadgate/worker/crm/simulator/http"
	"github.com/leadgate/leadgate/worker/crm/simulator/hubspot"
	"github.com/leadgate/leadgate/worker/crm/simulator/pipedrive"
	"github.com/leadgate/leadgate/worker/crm/simulator/salesforce"
	"github.com/leadgate/leadgate/worker/crm/simulator/zoho"
)

// simulatedKinds returns the kinds of CRM that can be simulated: one for each kind of destination.
var simulatedKinds = []simulatedKind{
	{
		name: "hubspot", title: "HubSpot", short: "Answer like HubSpot's contacts API, contacts in memory",
		secret: "access token", variable: "HUBSPOT_TOKEN",
		snippet: `hubspot: { token: "${env:HUBSPOT_TOKEN}", base_url: "http://ADDRESS" }`,
		open: func(token string, seed uint64) simulated {
			return hubspot.New(hubspot.Options{Token: token, Seed: seed})
		},
	},
	{
		name: "salesforce", title: "Salesforce", short: "Answer like Salesforce's REST API, leads and contacts in memory",
		secret: "client secret", variable: "SF_SECRET",
		snippet: `salesforce:
  url: http://ADDRESS
  client_credentials: { client_id: gateway, client_secret: "${env:SF_SECRET}" }`,
		open: func(token string, seed uint64) simulated {
			return salesforce.New(salesforce.Options{ClientSecret: token, Seed: seed})
		},
	},
	{
		name: "pipedrive", title: "Pipedrive", short: "Answer like Pipedrive's API, persons, leads and notes in memory",
		secret: "API token", variable: "PIPEDRIVE_TOKEN",
		snippet: `pipedrive: { api_token: "${env:PIPEDRIVE_TOKEN}", base_url: "http://ADDRESS" }`,
		open: func(token string, seed uint64) simulated {
			return pipedrive.New(pipedrive.Options{Token: token, Seed: seed, SearchLag: 3 * time.Second})
		},
	},
	{
		name: "zoho", title: "Zoho CRM", short: "Answer like Zoho CRM's API, leads and contacts in memory",
		secret: "refresh token", variable: "ZOHO_REFRESH",
		snippet: `zoho:
  accounts_url: http://ADDRESS
  client_id: gateway
  client_secret: "${env:ZOHO_REFRESH}"
  refresh_token: "${env:ZOHO_REFRESH}"`,
		open: func(token string, seed uint64) simulated {
			return zoho.New(zoho.Options{RefreshToken: token, Seed: seed})
		},
	},
	{
		name: "dynamics", title: "Dynamics 365", short: "Answer like the Web API of Dynamics 365, leads and contacts in memory",
		secret: "client secret", variable: "DYNAMICS_SECRET",
		snippet: `dynamics:
  url: http://ADDRESS
  login_url: http://ADDRESS
  tenant: example
  client_id: gateway
  client_secret: "${env:DYNAMICS_SECRET}"`,
		open: func(token string, seed uint64) simulated {
			return dynamics.New(dynamics.Options{ClientSecret: token, Seed: seed})
		},
	},
	{
		name: "http", title: "API", short: "Answer like an API that accepts leads as JSON, one or many at a time",
		secret: "token", variable: "API_TOKEN",
		snippet: `http:
  url: http://ADDRESS/leads
  ping_url: http://ADDRESS/health
  auth: { bearer: "${env:API_TOKEN}" }
  idempotency_field: request_id
  batch: { max_leads: 50, results: /results }
  success_when: item.ok == true
  record_id: /id
  rules:
    - { when: 'item.error == "invalid_lead"', is: refused }`,
		open: func(token string, seed uint64) simulated {
			return simulatedhttp.New(simulatedhttp.Options{Token: token, Seed: seed})
		},
	},
}
