package main

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

// mend adds to a merged description what its parts do not say.
func mend(api object) {
	api["info"] = object{
		"title": "leadgate", "version": "v1",
		"description": "The gateway between a website and its CRM. Everything but form submissions needs an API key, if any is configured.",
		"license":     object{"name": "Apache-2.0", "identifier": "Apache-2.0"},
	}
	api["servers"] = []any{object{"url": "/", "description": "The gateway that serves this description."}}
	api["security"] = []any{object{"apiKey": []any{}}}
	components := api["components"].(object)
	components["securitySchemes"] = object{"apiKey": object{"type": "http", "scheme": "bearer", "description": "One of the configuration's api_keys."}}
	components["headers"] = object{
		"Request-Id":  header("string", "Identifier of the request, in logs too: the one that came with it, or a new one."),
		"Retry-After": header("integer", "Seconds after which the same request may succeed."),
		"Location":    header("string", "Where the lead is shown."),
		"Replayed":    object{"description": "Set when this answers an earlier request again.", "schema": object{"type": "string", "const": "true"}},
	}
	components["responses"] = refusals()
	components["parameters"] = object{
		"Idempotency-Key": object{
			"name": "Idempotency-Key", "in": "header", "example": "order-4711",
			"description": "Makes repeating the request harmless: 1 to 255 printable ASCII characters, plain or as a quoted structured string.",
			"schema":      object{"type": "string", "minLength": 1, "maxLength": 257},
		},
		"Prefer": object{
			"name": "Prefer", "in": "header", "description": "return=minimal: the answer has no body; Location names the lead.",
			"schema": object{"type": "string", "enum": []any{"return=minimal"}},
		},
	}
	schemas := components["schemas"].(object)
	delete(schemas, "google.rpc.Status")
	for name, schema := range schemas {
		mendSchema(schema.(object))
		constrainMessage(schema.(object), message(protoreflect.FullName(name)))
	}
	schemas["Problem"] = problem()
	for path, item := range api["paths"].(object) {
		for method, operation := range item.(object) {
			mendOperation(path, method, operation.(object))
		}
	}
	special(api["paths"].(object))
	constrainMessage(schemas["leadgate.v1.SubmitLeadRequest"].(object), (*leadgatev1.SubmitLeadRequest)(nil).ProtoReflect().Descriptor())
	for _, name := range []string{"leadgate.v1.SubmitLeadResponse", "leadgate.v1.SubmitFormResponse"} {
		schemas[name].(object)["required"] = []any{"leadId", "replayed"}
	}
	addExamples(api)
}

func header(kind, description string) object {
	return object{"description": description, "schema": object{"type": kind}}
}

// mendSchema says of alternatives only what generated clients understand: each is a property that may be missing.
func mendSchema(schema object) {
	delete(schema, "oneOf")
}

// statuses of refusals, with what they mean. Each is a response of components.
func statuses() map[int]string {
	return map[int]string{
		http.StatusBadRequest:            "It is malformed, or breaks rules; violations lists all of them.",
		http.StatusUnauthorized:          "An API key is needed, or the one that was sent is not known.",
		http.StatusForbidden:             "The API key lacks the role, the caller is not local, or the page's origin may not submit.",
		http.StatusNotFound:              "There is no such form, lead, delivery, destination or operation.",
		http.StatusConflict:              "It is not possible in the present state, or not as many match as were expected.",
		http.StatusRequestEntityTooLarge: "The body is too large.",
		http.StatusUnsupportedMediaType:  "The body is of a kind that is not read here.",
		http.StatusUnprocessableEntity:   "The idempotency key was seen before with other content; fields names what differs.",
		http.StatusTooManyRequests:       "Too many submissions come from this address; send it again, with the same key, after Retry-After seconds.",
		http.StatusServiceUnavailable:    "It could not be made durable, or leadgate is stopping; send it again, with the same key, after Retry-After seconds.",
	}
}

func responseName(status int) string { return strings.ReplaceAll(http.StatusText(status), " ", "") }

func refusals() object {
	all := object{"Problem": failure("What went wrong.")}
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

// mendOperation gives an operation its name, its words, its rules and the statuses that it can be answered with.
func mendOperation(path, method string, operation object) {
	service, name, _ := strings.Cut(operation["operationId"].(string), "_")
	name, _, additional := strings.Cut(name, "_") // of a further binding of the same rpc
	operation["operationId"] = strings.ToLower(name[:1]) + name[1:]
	if additional {
		operation["operationId"] = operation["operationId"].(string) + "By" + strings.ToUpper(method[:1]) + method[1:]
	}
	words, _ := operation["summary"].(string)
	operation["summary"], operation["description"] = summary(words)
	input := methodOf(service, name).Input()
	constrainParameters(operation, input)
	if body, ok := operation["requestBody"].(object); ok {
		constrainMessage(body["content"].(object)["application/json"].(object)["schema"].(object), input)
	}
	responses := operation["responses"].(object)
	responses["200"].(object)["headers"] = object{"X-Request-Id": ref("headers/Request-Id")}
	possible := []int{http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusServiceUnavailable}
	if strings.Contains(path, "{") {
		possible = append(possible, http.StatusNotFound)
	}
	if method == "post" {
		possible = append(possible, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusConflict)
	}
	for _, status := range possible {
		refuse(responses, status)
	}
	responses["default"] = ref("responses/Problem")
}

func refuse(responses object, status int) {
	responses[itoa(status)] = ref("responses/" + responseName(status))
}

// summary parts words after their first sentence.
func summary(words string) (first, all string) {
	all = strings.ReplaceAll(words, "\n", " ")
	first, _, _ = strings.Cut(all, ". ")
	return strings.TrimSuffix(first, "."), all
}

// special is what only some operations do.
func special(paths object) {
	at := func(path, method string) object { return paths[path].(object)[method].(object) }
	submission(at("/v1/leads", "post"))
	form := at("/v1/forms/{form}/submissions", "post")
	form["security"] = []any{}
	form["parameters"] = slices.DeleteFunc(form["parameters"].([]any), func(p any) bool { return p.(object)["in"] == "query" })
	fields := object{"schema": object{
		"type": "object", "additionalProperties": true,
		"description": "The form's fields under the page's own names, nested as the page has them. idempotency_key may be one of them. " +
			"Files are dropped, which the lead's events say.",
	}}
	form["requestBody"] = object{"required": true, "content": object{
		"application/json": fields, "application/x-www-form-urlencoded": maps.Clone(fields), "multipart/form-data": maps.Clone(fields),
	}}
	submission(form)
	form["responses"].(object)["303"] = object{
		"description": "Sent by a page without script, and taken: the form's redirect.", "headers": object{"Location": object{"schema": object{"type": "string"}}},
	}
	delete(form["responses"].(object), itoa(http.StatusUnauthorized))
	refuse(form["responses"].(object), http.StatusTooManyRequests)
	for _, path := range []string{"/v1/leads", "/v1/leads:export"} { // an address has no place in a URL
		found := at(path, "get")
		found["parameters"] = slices.DeleteFunc(found["parameters"].([]any), func(p any) bool { return p.(object)["name"] == "email" })
	}
	stream(at("/v1/deliveries:watch", "get"))
	stream(at("/v1/leads:export", "get"))
	stream(at("/v1/leads:export", "post"))
	for path, words := range map[string]string{"/healthz": "Says that the process runs", "/readyz": "Says whether leads can be taken now"} {
		paths[path] = object{"get": object{
			"operationId": strings.Trim(path, "/"), "summary": words, "description": words + ".", "security": []any{}, "tags": []any{"LeadService"},
			"responses": object{
				"200":     object{"description": "Yes.", "content": object{"application/json": object{"schema": object{"type": "object", "properties": object{"status": object{"type": "string"}}}}}},
				"503":     ref("responses/ServiceUnavailable"),
				"default": ref("responses/Problem"), "400": ref("responses/BadRequest"),
			},
		}}
	}
}

// submission says how a lead is sent and answered.
func submission(operation object) {
	parameters, _ := operation["parameters"].([]any)
	operation["parameters"] = append(parameters, ref("parameters/Idempotency-Key"), ref("parameters/Prefer"))
	responses := operation["responses"].(object)
	content := responses["200"].(object)["content"]
	responses["200"] = object{
		"description": "The idempotency key was seen before: the first answer again.",
		"headers":     object{"Idempotency-Replayed": ref("headers/Replayed"), "X-Request-Id": ref("headers/Request-Id")},
		"content":     content,
	}
	responses["201"] = object{
		"description": "New, and on disk.",
		"headers":     object{"Location": ref("headers/Location"), "X-Request-Id": ref("headers/Request-Id")},
		"content":     content,
	}
	delete(responses, itoa(http.StatusConflict))
	refuse(responses, http.StatusUnprocessableEntity)
}

// stream says of what a stream consists: frames, of which the last one may be an error.
func stream(operation object) {
	frames := operation["responses"].(object)["200"].(object)["content"].(object)
	for _, body := range slices.Collect(maps.Values(frames)) {
		body.(object)["schema"].(object)["properties"].(object)["error"] = object{
			"type": "object", "description": "Why the stream ends.",
			"properties": object{"code": object{"type": "integer"}, "message": object{"type": "string"}},
		}
		clear(frames)
		frames["application/x-ndjson"], frames["text/event-stream"] = body, body
	}
}

// problem is the schema of errors, as server/problem.go writes them.
func problem() object {
	text := func(description string) object { return object{"type": "string", "description": description} }
	return object{
		"type": "object", "description": "An error (RFC 9457).", "required": []any{"title", "status", "detail"},
		"properties": object{
			"title":  text("The status in words."),
			"status": object{"type": "integer", "description": "The HTTP status."},
			"detail": text("What went wrong, and what to do."),
			"reason": object{
				"type": "string", "description": "The machine's name of the error; there may be new ones, to be taken by their status.",
				"examples": []any{"RULES_BROKEN", "IDEMPOTENCY_KEY_REUSED", "ORIGIN_NOT_ALLOWED", "TOO_MANY_SUBMISSIONS", "STORE_UNAVAILABLE", "STOPPING"},
			},
			"requestId": text("Finds the request in the logs."),
			"leadId":    text("The lead that first came under a reused idempotency key."),
			"fields":    object{"type": "array", "items": object{"type": "string"}, "description": "The fields in which it differs."},
			"violations": object{"type": "array", "description": "Every rule that is broken.", "items": object{
				"type": "object", "required": []any{"field", "rule", "message"},
				"properties": object{"field": text("Where."), "rule": text("The rule's name."), "message": text("The rule in words.")},
			}},
		},
	}
}
