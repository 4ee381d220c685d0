package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/leadgate/leadgate/gen/openapi"
)

// described is an operation in the OpenAPI document.
type described struct {
	Security *[]struct {
		APIKey []string `json:"apiKey"`
	}
	RequestBody struct {
		Content map[string]struct{ Example json.RawMessage }
	}
}

// operations calls do with every operation in the document.
func operations(t *testing.T, do func(method, path string, operation described)) {
	t.Helper()
	var api struct {
		Paths map[string]map[string]described
	}
	if err := json.Unmarshal(openapi.JSON, &api); err != nil {
		t.Fatal(err)
	}
	parameters := strings.NewReplacer("{form}", "contact", "{name}", "crm", "{leadId}", "019ab1c2-7c1e-7d3a-9f57-0b6a4d0f2c11", "{deliveryId}", "unknown", "{operationId}", "unknown")
	for path, item := range api.Paths {
		for method, operation := range item {
			do(strings.ToUpper(method), parameters.Replace(path), operation)
		}
	}
}

func TestTheDocumentSaysWhichRoleEachOperationRequires(t *testing.T) {
	t.Parallel()
	roles := []string{"submit", "read", "operate"}
	config := "api_keys:\n"
	env := map[string]string{}
	for _, role := range roles {
		config += fmt.Sprintf("- { name: %s, key: \"${env:KEY_%s}\", roles: [%s] }\n", role, role, role)
		env["KEY_"+role] = "key-to-" + role
	}
	h := open(t, options{config: config + "destinations: { crm: { http: { url: http://127.0.0.1:1 } } }\nforms: { contact: {} }\n", env: env})
	operations(t, func(method, path string, operation described) {
		if operation.Security == nil {
			t.Errorf("%s %s names no role", method, path)
			return
		}
		for _, role := range roles {
			needed := ""
			if len(*operation.Security) > 0 {
				needed = (*operation.Security)[0].APIKey[0]
			}
			if path == "/v1/deliveries:watch" && role == needed { // an endless stream
				continue
			}
			answer := h.send(method, path, "application/json", "{}", "Authorization", "Bearer key-to-"+role)
			if refused := answer.status == http.StatusForbidden; refused == (needed == "" || role == needed) {
				t.Errorf("%s %s with the role %s is answered %d; the document says that it requires %q", method, path, role, answer.status, needed)
			}
		}
	})
}

func TestEveryExampleOfTheDocumentIsUnderstood(t *testing.T) {
	t.Parallel()
	h := open(t, options{config: "destinations: { crm: { http: { url: http://127.0.0.1:1 } } }\nforms: { contact: {} }\n"})
	sent := 0
	operations(t, func(method, path string, operation described) {
		example := operation.RequestBody.Content["application/json"].Example
		if len(example) == 0 {
			return
		}
		sent++
		// What an example refers to may not exist or be in the wrong state, and this server has no alerts.
		if answer := h.send(method, path, "application/json", string(example)); !slices.Contains([]int{200, 201, 404, 409, 501}, answer.status) {
			t.Errorf("%s %s with its example is answered %d: %s", method, path, answer.status, answer.text)
		}
	})
	if sent < 10 {
		t.Errorf("only %d examples were sent", sent)
	}
}
