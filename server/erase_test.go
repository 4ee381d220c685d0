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
