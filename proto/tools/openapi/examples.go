package main

// addExamples adds examples of requests and responses where they are not obvious. A test of server/ sends them.
func addExamples(api object) {
	paths := api["paths"].(object)
	lead := object{"email": "ada@example.com", "firstName": "Ada", "lastName": "Lovelace", "country": "GB", "custom": object{"budget": "4000"}}
	body := func(path, media string, example any) {
		paths[path].(object)["post"].(object)["requestBody"].(object)["content"].(object)[media].(object)["example"] = example
	}
	body("/v1/leads", "application/json", object{"lead": lead, "idempotencyKey": "order-4711"})
	body("/v1/leads:batch", "application/json", object{"leads": []any{
		object{"lead": lead, "idempotencyKey": "order-4711"},
		object{"lead": object{"email": "grace@example.com"}, "idempotencyKey": "order-4712"},
	}})
	form := object{"email": "ada@example.com", "firstname": "Ada"}
	body("/v1/forms/{form}/submissions", "application/json", form)
	body("/v1/forms/{form}/submissions", "application/x-www-form-urlencoded", form)
	body("/v1/forms/{form}/submissions", "multipart/form-data", form)
	body("/v1/leads:erase", "application/json", object{"email": "ada@example.com", "dryRun": true})
	body("/v1/leads:replay", "application/json", object{"filter": object{"form": "contact", "since": "2026-11-24T12:00:00Z"}, "dryRun": true})
	held := object{"filter": object{"form": "contact", "reason": "HOLD_REASON_SPAM"}, "expectedCount": "12", "operationId": "spam-2026-11-24"}
	body("/v1/leads:release", "application/json", held)
	body("/v1/leads:discard", "application/json", held)
	body("/v1/leads:undiscard", "application/json", held)
	dead := object{"filter": object{"destination": "crm", "state": "DELIVERY_STATE_DEAD"}, "dryRun": true}
	body("/v1/deliveries:retry", "application/json", dead)
	body("/v1/deliveries:delete", "application/json", dead)
	body("/v1/deliveries:move", "application/json", object{"filter": object{"destination": "old-crm"}, "to": "crm", "dryRun": true})
	body("/v1/deliveries/{deliveryId}:retry", "application/json", object{"force": true})
	body("/v1/destinations/{name}:pause", "application/json", object{"reason": "the CRM is being migrated"})
	body("/v1/alerts:acknowledge", "application/json", object{"alertId": "error_rate/crm", "duration": "3600s", "note": "Grace is on it"})
	body("/v1/leads:search", "application/json", object{"email": "ada@example.com"})
	answer := object{"leadId": "019ab1c2-7c1e-7d3a-9f57-0b6a4d0f2c11", "replayed": false}
	for _, path := range []string{"/v1/leads", "/v1/forms/{form}/submissions"} {
		responses := paths[path].(object)["post"].(object)["responses"].(object)
		shown := func(example object) object {
			return object{"application/json": object{"schema": responses["201"].(object)["content"].(object)["application/json"].(object)["schema"], "example": example}}
		}
		responses["200"].(object)["content"] = shown(object{"leadId": answer["leadId"], "replayed": true})
		responses["201"].(object)["content"] = shown(answer)
	}
	refusals := api["components"].(object)["responses"].(object)
	refusal := func(name string, example object) {
		refusals[name].(object)["content"].(object)["application/problem+json"].(object)["example"] = example
	}
	refusal("BadRequest", object{
		"title": "Bad Request", "status": 400, "detail": "the request breaks a rule", "reason": "RULES_BROKEN", "requestId": "019ab1c2-7c1e-7d3a-9f57-0b6a4d0f2c12",
		"violations": []any{object{"field": "lead.email", "rule": "string.email", "message": "must be a valid email address"}},
	})
	refusal("UnprocessableEntity", object{
		"title": "Unprocessable Entity", "status": 422, "reason": "IDEMPOTENCY_KEY_REUSED", "requestId": "019ab1c2-7c1e-7d3a-9f57-0b6a4d0f2c13",
		"detail": "the idempotency key was already used for different content", "leadId": "019ab1c2-7c1e-7d3a-9f57-0b6a4d0f2c11", "fields": []any{"first_name"},
	})
}
