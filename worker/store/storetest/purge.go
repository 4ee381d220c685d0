package storetest

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/store"
)

const day = 24 * time.Hour

// purge runs Purge over all leads, two at a time, and returns the sum of the results.
func (r *rig) purge(q store.Retention) (all store.Purged) {
	r.t.Helper()
	for token := ""; ; {
		purged, err := r.Purge(r.ctx, q, 2, token)
		if err != nil {
			r.t.Fatal(err)
		}
		all.Delivered += purged.Delivered
		all.Undelivered = append(all.Undelivered, purged.Undelivered...)
		if all.Soon += purged.Soon; all.Oldest.IsZero() {
			all.Oldest = purged.Oldest
		}
		if token = purged.Next; token == "" {
			return all
		}
	}
}

// age claims and settles deliveries with the present time as their last change.
func (r *rig) age(state leadgatev1.DeliveryState, deliveryIDs ...string) {
	r.t.Helper()
	steps := r.begin(r.claim(deliveryIDs...)...)
	for _, step := range steps {
		step.Delivery.UpdateTime = timestamppb.New(r.clock.time())
	}
	r.settle(state, steps...)
}

func purgeSuite() suite {
	return suite{
		"WhatIsDoneGoesByItsLastChangeTheRestByItsAcceptance": func(t *testing.T, r *rig) {
			start := r.clock.time()
			ids := r.acceptFrom("ada@example.com", "bob@example.com", "cyd@example.com")
			held := r.heldLead("dan@example.com", leadgatev1.HoldReason_HOLD_REASON_NO_ROUTE)
			r.accept(held)
			r.clock.advance(10 * day)
			steps := r.begin(r.claim(ids...)...)
			for i, state := range []leadgatev1.DeliveryState{delivered, dead, retryWait} {
				steps[i].Delivery.UpdateTime = timestamppb.New(r.clock.time())
				steps[i].Delivery.DueTime = timestamppb.New(r.clock.time().Add(time.Hour))
				r.settle(state, steps[i])
			}
			young := r.acceptFrom("eve@example.com")

			q := store.Retention{Delivered: start.Add(10 * day), Undelivered: start, WarnedUntil: start, WarnUntil: start.Add(day)}
			if purged := r.purge(q); purged.Delivered != 0 || len(purged.Undelivered) != 0 || purged.Soon != 3 || !purged.Oldest.Equal(start) {
				t.Errorf("at the limit: %+v", purged)
			}
			q.Delivered, q.Undelivered = q.Delivered.Add(1), q.Undelivered.Add(1)
			purged := r.purge(q)
			if purged.Delivered != 1 || len(purged.Undelivered) != 3 || purged.Soon != 0 {
				t.Errorf("behind it: %+v", purged)
			}
			for _, lead := range purged.Undelivered {
				if lead.GetLead().GetEmail() != "" {
					t.Errorf("the content of what went is told: %v", lead)
				}
			}
			for range 2 {
				for _, id := range ids {
					if _, err := r.Delivery(r.ctx, id); !errors.Is(err, store.ErrNotFound) {
						t.Errorf("delivery %s: %v", id, err)
					}
					if _, err := r.Lead(r.ctx, strings.TrimSuffix(id, ".crm")); !errors.Is(err, store.ErrNotFound) {
						t.Errorf("its lead: %v", err)
					}
				}
				if left := r.allLeads(store.LeadQuery{}, 10); !slices.Equal(left, []string{strings.TrimSuffix(young[0], ".crm")}) {
					t.Errorf("left are %v", left)
				}
				if found := r.allLeads(store.LeadQuery{Email: "ada@example.com"}, 10); len(found) > 0 {
					t.Errorf("found by address: %v", found)
				}
				if counts := r.counts("crm"); counts[delivered] != 1 || counts[dead] != 0 || counts[retryWait] != 0 || counts[pending] != 1 {
					t.Errorf("counts are %v", counts)
				}
				r.expectHeld(map[leadgatev1.HoldReason]int64{})
				r.expectLeads(map[leadgatev1.LeadState]int64{leadgatev1.LeadState_LEAD_STATE_OPEN: 1})
				r.reopen()
			}
			r.clock.advance(day)
			r.claim(young...)
		},

		"WhoeverWaitsBehindWhatWentGoesOn": func(t *testing.T, r *rig) {
			start := r.clock.time()
			first := r.acceptFrom("ada@example.com")
			r.clock.advance(day)
			second := r.acceptFrom("ada@example.com")
			claims := r.claim(first...)
			r.purge(store.Retention{Delivered: start, Undelivered: start.Add(1)})
			r.expectStaleBegin(claims[0])
			r.claim(second...)
		},

		"AKeyAnswersThoughItsLeadWent": func(t *testing.T, r *rig) {
			a := r.lead("ada@example.com")
			a.Key = &store.Key{Scope: "contact", Value: "k", Expires: r.clock.time().Add(30 * day), Fields: store.Fingerprint{{Name: "email", Hash: [16]byte{'x'}}}}
			r.accept(a)
			r.age(delivered, a.Record.GetLeadId()+".crm")
			r.clock.advance(2 * day)
			r.purge(store.Retention{Delivered: r.clock.time(), Undelivered: r.clock.time()})
			if known, err := r.LookUp(r.ctx, a.Key); err != nil || known.LeadID != a.Record.GetLeadId() {
				t.Errorf("the key is known as %+v, %v", known, err)
			}
		},
	}
}

// expectStaleBegin expects that a claim can no longer be begun.
func (r *rig) expectStaleBegin(claim *store.Claim) {
	r.t.Helper()
	results, err := r.Begin(r.ctx, r.next(claim))
	if err := problem(results, err); !errors.Is(err, store.ErrStale) {
		r.t.Errorf("begin: %v", err)
	}
}
