package hubspot_test

import (
	"io"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/leadgate/leadgate/worker/crm/simulator"
	"github.com/leadgate/leadgate/worker/crm/simulator/hubspot"
)

func TestAnAdministratorChangesProperties(t *testing.T) {
	t.Parallel()
	sim := hubspot.New(hubspot.Options{})
	call := func(method, path, body string) (int, string) {
		r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer t")
		w := httptest.NewRecorder()
		sim.ServeHTTP(w, r)
		text, _ := io.ReadAll(w.Result().Body)
		return w.Code, string(text)
	}
	if status, said := call("POST", "/_sim/fields", `{"rename":{"company":"organisation"},"remove":["zip"],"read_only":["city"],"type":{"state":"number"},"add":[{"name":"budget","type":"number"}]}`); status != 204 {
		t.Fatalf("%d %s", status, said)
	}
	for body, want := range map[string]string{
		`{"properties":{"email":"a@example.com","company":"x"}}`: "PROPERTY_DOESNT_EXIST", `{"properties":{"email":"a@example.com","zip":"x"}}`: "PROPERTY_DOESNT_EXIST",
		`{"properties":{"email":"a@example.com","city":"x"}}`: "READ_ONLY_VALUE", `{"properties":{"email":"a@example.com","state":"x"}}`: "INVALID",
		`{"properties":{"email":"a@example.com","organisation":"x","budget":"7"}}`: `"id"`,
	} {
		if _, said := call("POST", "/crm/v3/objects/contacts", body); !strings.Contains(said, want) {
			t.Errorf("%s: %s", body, said)
		}
	}
	for _, wrong := range []string{`{"remove":["nothing"]}`, `{"rename":{"nothing":"x"}}`, `{"read_only":["nothing"]}`, `{"type":{"email":"colour"}}`, `{"require":["email"]}`} {
		if status, _ := call("POST", "/_sim/fields", wrong); status != 400 {
			t.Errorf("%s: %d", wrong, status)
		}
	}
}

func TestLimitsAreToldWithHubSpotsHeaders(t *testing.T) {
	t.Parallel()
	sim := hubspot.New(hubspot.Options{})
	for kind, want := range map[simulator.Kind][2]string{simulator.KindBurst: {"TEN_SECONDLY_ROLLING", "X-HubSpot-RateLimit-Remaining"}, simulator.KindDaily: {"DAILY", "X-HubSpot-RateLimit-Daily-Remaining"}} {
		sim.SetFaults(simulator.Faults{Kind: kind})
		w := httptest.NewRecorder()
		sim.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/crm/v3/properties/contacts", nil))
		if w.Code != 429 || !strings.Contains(w.Body.String(), want[0]) || w.Header().Get(want[1]) != "0" {
			t.Errorf("%s: %d %s %v", kind, w.Code, w.Body, w.Header())
		}
	}
}
