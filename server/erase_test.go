package server_test

import (
	"net/http"
	"strings"
	"testing"
)

// One operation names 3,500 leads at most.
func TestAPersonOfMoreLeadsThanOneOperationNamesIsErasedWhole(t *testing.T) {
	t.Parallel()
	h := open(t, options{})
	const batches, each = 8, 500
	batch := `{"leads":[` + strings.TrimSuffix(strings.Repeat(`{"lead":{"email":"ada@example.com"}},`, each), ",") + `]}`
	for range batches {
		h.post("/v1/leads:batch", asJSON, batch).expect(t, 200)
	}
	h.post("/v1/leads:erase", asJSON, `{"email":"ada@example.com"}`).expect(t, 200, `"matched":"4000"`, `"erased":"4000"`, `"deliveriesCancelled":"4000"`)
	if operations, _ := h.send(http.MethodGet, "/v1/operations", "", "").body["operations"].([]any); len(operations) != 2 {
		t.Errorf("%d operations", len(operations))
	}
	h.post("/v1/leads:erase", asJSON, `{"email":"ada@example.com"}`).expect(t, 200, `"erasedBefore":"4000"`)
}

// A blank is no address. As a condition it would be none at all: every lead would match.
func TestABlankAddressMatchesNoLead(t *testing.T) {
	t.Parallel()
	h := open(t, options{})
	h.post("/v1/leads", asJSON, `{"lead":{"email":"ada@example.com"}}`).expect(t, 201)
	for _, blank := range []string{" ", "\u00a0", "ada"} {
		for path, body := range map[string]string{
			"/v1/leads:erase":   `{"email":"` + blank + `"}`,
			"/v1/leads:search":  `{"email":"` + blank + `"}`,
			"/v1/leads:export":  `{"email":"` + blank + `"}`,
			"/v1/leads:release": `{"filter":{"email":"` + blank + `"}}`,
			"/v1/leads:discard": `{"filter":{"email":"` + blank + `"}}`,
			"/v1/leads:replay":  `{"filter":{"email":"` + blank + `"}}`,
		} {
			h.post(path, asJSON, body).expect(t, 400, "must be an e-mail address, with an @")
		}
	}
	h.post("/v1/leads:erase", asJSON, `{"email":" Ada@Example.com "}`).expect(t, 200, `"erased":"1"`)
}
