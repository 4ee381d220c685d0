package main

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

// mend adds to a merged description what the parts lack.
func mend(api object) {
	api["info"] = object{
		"title": "leadgate", "version": "v1",
		"description": introduction,
		"license":     object{"name": "Apache-2.0", "identifier": "Apache-2.0"},
	}
	api["servers"] = []any{object{"url": "/", "description": "The gateway that serves this description."}}
	api["security"] = []any{object{"apiKey": []any{}}}
	api["tags"] = tags()
	unwrap(api["paths"])
	unwrap(api["components"])
	renameParameters(api["paths"].(object))
	components := api["components"].(object)
	components["securitySchemes"] = object{"apiKey": object{"type": "http", "scheme": "bearer", "description": "A key under api_keys in the configuration. Each operation names the role that it requires."}}
	components["headers"] = object{
		"Request-Id":  header("string", "The ID of the request, as in the logs: the one that the request carried, or a new one."),
		"Retry-After": header("integer", "The number of seconds to wait before sending the same request again."),
		"Location":    header("string", "The path of the lead."),
		"Replayed":    object{"description": "Set if this is the answer to an earlier request.", "schema": object{"type": "string", "const": "true"}},
	}
	components["responses"] = refusals()
	components["parameters"] = object{
		"Idempotency-Key": object{
			"name": "Idempotency-Key", "in": "header", "example": "order-4711",
			"description": "A key that makes it safe to repeat the request: 1 to 255 printable ASCII characters, plain or as a quoted string.",
			"schema":      object{"type": "string", "minLength": 1, "maxLength": 257},
		},
		"Prefer": object{
			"name": "Prefer", "in": "header", "description": "With return=minimal, the response has no body; Location names the lead.",
			"schema": object{"type": "string", "enum": []any{"return=minimal"}},
		},
	}
	schemas := components["schemas"].(object)
	delete(schemas, "google.rpc.Status")
	for name, schema := range schemas {
		mendSchema(schema.(object))
		constrainMessage(schema.(object), message(name))
	}
	schemas["Problem"] = problem()
	// Only leadgate sets it.
	schemas["Lead"].(object)["properties"].(object)["enrichment"].(object)["readOnly"] = true
	for path, item := range api["paths"].(object) {
		for method, operation := range item.(object) {
			mendOperation(path, method, operation.(object))
		}
	}
	special(api["paths"].(object))
	constrainMessage(schemas["SubmitLeadRequest"].(object), (*leadgatev1.SubmitLeadRequest)(nil).ProtoReflect().Descriptor())
	for _, name := range []string{"SubmitLeadResponse", "SubmitFormResponse"} {
		schemas[name].(object)["required"] = []any{"leadId", "replayed"}
	}
	addExamples(api)
}

func header(kind, description string) object {
	return object{"description": description, "schema": object{"type": kind}}
}

// mendSchema removes alternatives, because generated clients only understand optional properties.
func mendSchema(schema object) {
	delete(schema, "oneOf")
}

// statuses returns the statuses of errors, with their descriptions. Each is a response in components.
func statuses() map[int]string {
	return map[int]string{
		http.StatusBadRequest:            "The request is malformed, or breaks rules; violations lists all of them.",
		http.StatusUnauthorized:          "The API key is missing or unknown.",
		http.StatusForbidden:             "The API key lacks the required role, there are no API keys and the caller is not local, or the page's origin is not allowed.",
		http.StatusNotFound:              "The form, lead, delivery, destination, operation, alert or notifier does not exist.",
		http.StatusConflict:              "The current state does not allow this, or the number of matches is not expectedCount.",
		http.StatusRequestEntityTooLarge: "The body is too large.",
		http.StatusUnsupportedMediaType:  "The content type of the body is not supported.",
		http.StatusUnprocessableEntity:   "The idempotency key was already used for different content; fields names what differs.",
		http.StatusTooManyRequests:       "Too many submissions came from this address. Send it again with the same key after Retry-After seconds.",
		http.StatusServiceUnavailable:    "leadgate cannot store anything at present, or is stopping. Send it again with the same key after Retry-After seconds.",
	}
}

func responseName(status int) string { return strings.ReplaceAll(http.StatusText(status), " ", "") }

func refusals() object {
	all := object{"Problem": failure("Any other error.")}
	for status, description := range statuses() {
		response := failure(description)
		if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
			response["headers"].(object)["Retry-After"] = ref("headers/Retry-After")
		}
		all[responseName(status)] = response
	}
	return all
}

func ref(to string) object { return object{"$ref": "#/components/" + to} }

func failure(description string) object {
	return object{
		"description": description, "headers": object{"X-Request-Id": ref("headers/Request-Id")},
		"content": object{"application/problem+json": object{"schema": ref("schemas/Problem")}},
	}
}

// mendOperation sets an operation's name, texts, rules and possible statuses.
func mendOperation(path, method string, operation object) {
	service, rpc, _ := strings.Cut(operation["operationId"].(string), "_")
	rpc, _, further := strings.Cut(rpc, "_")
	operation["operationId"] = operationID(rpc, path, method, further)
	operation["tags"] = []any{tagOf(path)}
	describeOperation(operation, rpc)
	input := methodOf(service, rpc).Input()
	constrainParameters(operation, input)
	if body, ok := operation["requestBody"].(object); ok {
		constrainMessage(body["content"].(object)["application/json"].(object)["schema"].(object), input)
	}
	responses := operation["responses"].(object)
	responses["200"].(object)["headers"] = object{"X-Request-Id": ref("headers/Request-Id")}
	for _, status := range refusalsOf(path, method, input) {
		refuse(responses, status)
	}
	responses["default"] = ref("responses/Problem")
}

// refusalsOf returns the error statuses of an operation.
func refusalsOf(path, method string, input protoreflect.MessageDescriptor) []int {
	possible := []int{http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusServiceUnavailable}
	has := func(names ...protoreflect.Name) bool {
		return slices.ContainsFunc(names, func(name protoreflect.Name) bool { return input.Fields().ByName(name) != nil })
	}
	if strings.Contains(path, "{") || has("destination", "form", "filter", "alert_id", "notifiers") {
		possible = append(possible, http.StatusNotFound)
	}
	if method != "post" {
		return possible
	}
	if has("expected_count") || strings.Contains(path, "}:") && tagOf(path) != "Forms" {
		possible = append(possible, http.StatusConflict)
	}
	return append(possible, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType)
}

func refuse(responses object, status int) {
	responses[itoa(status)] = ref("responses/" + responseName(status))
}

// special handles what is specific to some operations.
func special(paths object) {
	at := func(path, method string) object { return paths[path].(object)[method].(object) }
	submission(at("/v1/leads", "post"))
	form := at("/v1/forms/{form}/submissions", "post")
	form["security"] = []any{}
	form["parameters"] = slices.DeleteFunc(form["parameters"].([]any), func(p any) bool { return p.(object)["in"] == "query" })
	fields := object{"schema": object{
		"type": "object", "additionalProperties": true,
		"description": "The form's fields under the page's own names, nested as on the page. A field named idempotency_key is the key. " +
			"Files are dropped; the lead's events say so.",
	}}
	form["requestBody"] = object{"required": true, "content": object{
		"application/json": fields, "application/x-www-form-urlencoded": maps.Clone(fields), "multipart/form-data": maps.Clone(fields),
	}}
	submission(form)
	form["responses"].(object)["303"] = object{
		"description": "Accepted from a page without JavaScript: the redirect of the form.", "headers": object{"Location": object{"schema": object{"type": "string"}}},
	}
	delete(form["responses"].(object), itoa(http.StatusUnauthorized))
	refuse(form["responses"].(object), http.StatusTooManyRequests)
	for _, path := range []string{"/v1/leads", "/v1/leads:export"} { // e-mail addresses must not be in URLs
		found := at(path, "get")
		found["parameters"] = slices.DeleteFunc(found["parameters"].([]any), func(p any) bool { return p.(object)["name"] == "email" })
	}
	stream(at("/v1/deliveries:watch", "get"))
	stream(at("/v1/leads:export", "get"))
	stream(at("/v1/leads:export", "post"))
	for path, words := range map[string]string{"/healthz": "Says that the process is running", "/readyz": "Says whether leads are accepted at present"} {
		paths[path] = object{"get": object{
			"operationId": strings.Trim(path, "/"), "summary": words, "description": words + ".", "security": []any{}, "tags": []any{tagOf("health")},
			"responses": object{
				"200":     object{"description": "Yes.", "content": object{"application/json": object{"schema": object{"type": "object", "properties": object{"status": object{"type": "string"}}}}}},
				"503":     ref("responses/ServiceUnavailable"),
				"default": ref("responses/Problem"), "400": ref("responses/BadRequest"),
			},
		}}
	}
}

// submission describes how a lead is submitted and answered.
func submission(operation object) {
	parameters, _ := operation["parameters"].([]any)
	operation["parameters"] = append(parameters, ref("parameters/Idempotency-Key"), ref("parameters/Prefer"))
	responses := operation["responses"].(object)
	content := responses["200"].(object)["content"]
	responses["200"] = object{
		"description": "The idempotency key was already used: the answer of the first request.",
		"headers":     object{"Idempotency-Replayed": ref("headers/Replayed"), "X-Request-Id": ref("headers/Request-Id")},
		"content":     content,
	}
	responses["201"] = object{
		"description": "The lead is new, and on disk.",
		"headers":     object{"Location": ref("headers/Location"), "X-Request-Id": ref("headers/Request-Id")},
		"content":     content,
	}
	refuse(responses, http.StatusUnprocessableEntity)
}

// stream describes the frames of a stream, the last of which may be an error.
func stream(operation object) {
	frames := operation["responses"].(object)["200"].(object)["content"].(object)
	for _, body := range slices.Collect(maps.Values(frames)) {
		body.(object)["schema"].(object)["properties"].(object)["error"] = object{
			"type": "object", "description": "Why the stream ended.",
			"properties": object{"code": object{"type": "integer"}, "message": object{"type": "string"}},
		}
		clear(frames)
		frames["application/x-ndjson"], frames["text/event-stream"] = body, body
	}
}

// problem returns the schema of errors, which must match server/problem.go.
func problem() object {
	text := func(description string) object { return object{"type": "string", "description": description} }
	return object{
		"type": "object", "description": "An error (RFC 9457).", "required": []any{"title", "status", "detail"},
		"properties": object{
			"title":  text("The name of the status."),
			"status": object{"type": "integer", "description": "The HTTP status."},
			"detail": text("What went wrong and what to do about it."),
			"reason": object{
				"type": "string", "description": "The error code. There may be new ones; go by their status.",
				"examples": []any{"RULES_BROKEN", "IDEMPOTENCY_KEY_REUSED", "ORIGIN_NOT_ALLOWED", "TOO_MANY_SUBMISSIONS", "STORE_UNAVAILABLE", "STOPPING"},
			},
			"requestId": text("The ID of the request, as in the logs."),
			"leadId":    text("For a reused idempotency key, the ID of the lead that first came with it."),
			"fields":    object{"type": "array", "items": object{"type": "string"}, "description": "For a reused idempotency key, the fields that differ."},
			"violations": object{"type": "array", "description": "Every rule that the request breaks.", "items": object{
				"type": "object", "required": []any{"field", "rule", "message"},
				"properties": object{"field": text("The field."), "rule": text("The rule's ID."), "message": text("What the rule demands.")},
			}},
		},
	}
}
