package server_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/store"
)

// One operation takes at most 3,500 leads.
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

// A blank is not an address. As a condition, it would be none: every lead would match.
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

// unreadable is a store with one lead that cannot be read.
type unreadable struct {
	store.Store
	lead string
}

func (u *unreadable) Lead(ctx context.Context, leadID string) (*leadgatev1.LeadRecord, error) {
	if leadID == u.lead {
		return nil, fmt.Errorf("%w: it is nonsense", store.ErrUnreadable)
	}
	return u.Store.Lead(ctx, leadID)
}

func TestALeadThatCannotBeReadKeepsNoOtherFromBeingErasedAndIsNamed(t *testing.T) {
	t.Parallel()
	var u *unreadable
	h := open(t, options{store: func(s store.Store) store.Store { u = &unreadable{Store: s}; return u }})
	u.lead = h.post("/v1/leads", asJSON, `{"lead":{"email":"ada@example.com"}}`).expect(t, 201).body["leadId"].(string)
	h.post("/v1/leads", asJSON, `{"lead":{"email":"ada@example.com"}}`).expect(t, 201)
	h.post("/v1/leads:erase", asJSON, `{"email":"ada@example.com"}`).expect(t, 500, "1 of 2 leads could not be erased")
	h.send(http.MethodGet, "/v1/operations", "", "").expect(t, 200, u.lead, "cannot be read", "doctor", `"erased":"1"`)
	h.send(http.MethodGet, "/v1/leads/"+u.lead, "", "").expect(t, 500, "LEAD_UNREADABLE", "doctor")
}

// damaged is a store that was found damaged.
type damaged struct{ store.Store }

func (damaged) Writable() error { return fmt.Errorf("%w: %w", store.ErrUnavailable, store.ErrDamaged) }

func TestAnExportOfADamagedStoreDoesNotPassForWhole(t *testing.T) {
	t.Parallel()
	h := open(t, options{store: func(s store.Store) store.Store { return damaged{s} }})
	h.post("/v1/leads", asJSON, `{"lead":{"email":"ada@example.com"}}`).expect(t, 201)
	stream, err := leadgatev1.NewLeadServiceClient(h.dial()).ExportLeads(t.Context(), &leadgatev1.ExportLeadsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if lead, err := stream.Recv(); err != nil || lead.GetRecord().GetLead().GetEmail() != "ada@example.com" {
		t.Errorf("what can be read: %v, %v", lead, err)
	}
	if _, err := stream.Recv(); status.Code(err) != codes.DataLoss || !strings.Contains(err.Error(), "doctor") {
		t.Errorf("at the end: %v", err)
	}
	h.send(http.MethodGet, "/readyz", "", "").expect(t, 503, "damaged")
}
