package storetest

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/store"
)

// amendment returns one that changes a lead from its present value.
func (r *rig) amendment(leadID string, change func(*leadgatev1.LeadRecord)) *store.Amendment {
	r.t.Helper()
	was := r.record(leadID)
	is := proto.CloneOf(was)
	change(is)
	return &store.Amendment{Was: was, Record: is}
}

func opened(r *leadgatev1.LeadRecord)    { r.State, r.Holds = leadgatev1.LeadState_LEAD_STATE_OPEN, nil }
func discarded(r *leadgatev1.LeadRecord) { r.State = leadgatev1.LeadState_LEAD_STATE_DISCARDED }
func unchanged(*leadgatev1.LeadRecord)   {}

func amendSuite() suite {
	return suite{
		"AReleasedLeadIsSentWhereItIsSaid": func(t *testing.T, r *rig) {
			id := r.accept(r.heldLead("ada@example.com", leadgatev1.HoldReason_HOLD_REASON_KEY_REUSED))[0].LeadID
			a := r.amendment(id, opened)
			a.Destinations = []string{"crm", "archive"}
			a.Events = []*leadgatev1.Event{event(id, leadgatev1.Stage_STAGE_QUEUED)}
			r.amend(a)
			r.reopen()
			if got := r.record(id); got.GetState() != leadgatev1.LeadState_LEAD_STATE_OPEN || len(got.GetHolds()) > 0 {
				t.Errorf("the record is %v", got)
			}
			r.expectNumbered(r.seen(), 1)
			r.pass(delivered, id+".crm")
			if got := r.counts("archive")[pending]; got != 1 {
				t.Errorf("%d wait at archive", got)
			}
		},

		"AReleasedLeadKeepsItsPlaceBeforeNewerOnes": func(_ *testing.T, r *rig) {
			id := r.accept(r.heldLead("ada@example.com", leadgatev1.HoldReason_HOLD_REASON_NO_ROUTE))[0].LeadID
			newer := r.acceptFrom("ada@example.com")
			claims := r.claim(newer...)
			a := r.amendment(id, opened)
			a.Destinations = []string{"crm"}
			r.amend(a)
			r.expectStale(claims...)
			r.pass(delivered, id+".crm")
			r.pass(delivered, newer...)
		},

		"AReleasedLeadIsLateBehindANewerOneThatWasDelivered": func(t *testing.T, r *rig) {
			id := r.accept(r.heldLead("ada@example.com", leadgatev1.HoldReason_HOLD_REASON_NO_ROUTE))[0].LeadID
			r.pass(delivered, r.acceptFrom("ada@example.com")...)
			a := r.amendment(id, opened)
			a.Destinations = []string{"crm"}
			r.amend(a)
			if claim := r.claim(id + ".crm")[0]; !claim.Late {
				t.Error("it is not late")
			}
		},

		"ADiscardedLeadHasNoDeliveries": func(t *testing.T, r *rig) {
			id := r.accept(r.heldLead("ada@example.com", leadgatev1.HoldReason_HOLD_REASON_NO_ROUTE))[0].LeadID
			r.amend(r.amendment(id, discarded))
			if state := r.record(id).GetState(); state != leadgatev1.LeadState_LEAD_STATE_DISCARDED {
				t.Errorf("it is %v", state)
			}
			a := r.amendment(id, discarded)
			a.Destinations = []string{"crm"}
			if err := r.tryAmend(a)[0].Err; err == nil {
				t.Error("a discarded lead got a delivery")
			}
			r.claim()
		},

		"OnlyOneOfTwoThatReadTheSameChangesIt": func(t *testing.T, r *rig) {
			id := r.accept(r.heldLead("ada@example.com", leadgatev1.HoldReason_HOLD_REASON_NO_ROUTE))[0].LeadID
			release, discard := r.amendment(id, opened), r.amendment(id, discarded)
			release.Destinations = []string{"crm"}
			results := r.tryAmend(release, discard)
			if results[0].Err != nil || !errors.Is(results[1].Err, store.ErrConflict) {
				t.Errorf("results are %+v", results)
			}
			r.pass(delivered, id+".crm")
		},

		"WhatIsNotThereIsNotFoundAndFailsAlone": func(t *testing.T, r *rig) {
			ids := r.acceptFrom("ada@example.com")
			good := r.amendment(leadOf(ids[0]), func(record *leadgatev1.LeadRecord) { record.ConfigRevision = "new" })
			gone := proto.CloneOf(good.Was)
			gone.LeadId = r.newLeadID()
			other := proto.CloneOf(good.Was)
			other.Sequence++
			results := r.tryAmend(&store.Amendment{Was: gone, Record: gone}, good, &store.Amendment{Was: good.Was, Record: other})
			if !errors.Is(results[0].Err, store.ErrNotFound) || results[1].Err != nil || results[2].Err == nil {
				t.Errorf("results are %+v", results)
			}
			if got := r.record(leadOf(ids[0])).GetConfigRevision(); got != "new" {
				t.Errorf("the revision is %q", got)
			}
		},

		"WhatWasDeliveredIsSentAgain": func(t *testing.T, r *rig) {
			for _, state := range []leadgatev1.DeliveryState{delivered, dead, held, superseded} {
				ids := r.acceptFrom(state.String() + "@example.com")
				r.pass(state, ids...)
				a := r.amendment(leadOf(ids[0]), func(record *leadgatev1.LeadRecord) { record.Lead.Company = "Engines" })
				a.Resend = []string{"crm", "elsewhere"}
				r.amend(a)
				r.reopen()
				r.expectState(ids[0], retryWait)
				claim := r.claim(ids...)[0]
				if claim.Late || claim.Record.GetLead().GetCompany() != "Engines" || claim.Last.GetNumber() != 1 {
					t.Errorf("the claim is %+v", claim)
				}
				r.settle(delivered, r.begin(claim)...)
				if counts := r.counts("crm"); counts[retryWait] != 0 || counts[inFlight] != 0 {
					t.Errorf("counts are %v", counts)
				}
			}
		},

		"WhoHasClaimedALeadThatChangesReadsItAnew": func(t *testing.T, r *rig) {
			ids := r.acceptFrom("ada@example.com")
			r.pass(retryWait, ids...)
			claims := r.claim(ids...)
			a := r.amendment(leadOf(ids[0]), func(record *leadgatev1.LeadRecord) { record.Lead.Company = "Engines" })
			a.Resend = []string{"crm"}
			r.amend(a)
			r.expectStale(claims...)
			claims = r.claim(ids...)
			if got := claims[0].Record.GetLead().GetCompany(); got != "Engines" {
				t.Errorf("it is claimed with company %q", got)
			}
			r.amend(r.amendment(leadOf(ids[0]), func(record *leadgatev1.LeadRecord) { record.ConfigRevision = "new" }))
			r.settle(delivered, r.begin(claims...)...)
		},

		"WhatIsGivenBackWhileAChangeFailsIsClaimedAnew": func(t *testing.T, r *rig) {
			id := r.accept(r.lead("ada@example.com", "archive", "crm"))[0].LeadID
			r.begin(r.claim(id + ".crm")...)
			a := r.amendment(id, func(record *leadgatev1.LeadRecord) { record.Lead.Company = "Engines" })
			a.Resend = []string{"crm"} // which is in flight
			var failing sync.WaitGroup
			var failed atomic.Bool
			failing.Go(func() {
				for range 2000 {
					if results, err := r.Amend(r.ctx, a); err != nil || !errors.Is(results[0].Err, store.ErrState) {
						t.Errorf("results are %+v, %v", results, err)
						break
					}
				}
				failed.Store(true)
			})
			for !failed.Load() {
				if err := r.Unclaim(r.ctx, r.claimUpTo("archive", 1).Items...); err != nil {
					t.Error(err)
				}
			}
			failing.Wait()
			if claims := r.claimUpTo("archive", 1); len(claims.Items) != 1 {
				t.Error("it is not claimed any more")
			}
		},

		"WhatIsSentAgainIsLateBehindANewerOne": func(t *testing.T, r *rig) {
			ids := r.acceptFrom("ada@example.com", "ada@example.com")
			r.pass(delivered, ids[0])
			r.pass(delivered, ids[1])
			a := r.amendment(leadOf(ids[0]), unchanged)
			a.Resend = []string{"crm"}
			r.amend(a)
			if claim := r.claim(ids[0])[0]; !claim.Late {
				t.Error("it is not late")
			}
		},

		"WhatWasForcedAndDeliveredIsNotForcedWhenItIsSentAgain": func(t *testing.T, r *rig) {
			ids := r.acceptFrom("ada@example.com", "ada@example.com")
			r.pass(dead, ids[0])
			r.pass(delivered, ids[1])
			for _, end := range []leadgatev1.DeliveryState{dead, delivered} {
				if _, err := r.Redrive(r.ctx, &store.Redrive{DeliveryID: ids[0], Force: end == dead}); err != nil {
					t.Fatal(err)
				}
				r.pass(end, ids[0])
				if !r.delivery(ids[0]).GetForced() {
					t.Errorf("it is not forced after it was %v", end)
				}
			}
			a := r.amendment(leadOf(ids[0]), unchanged)
			a.Resend = []string{"crm"}
			r.amend(a)
			if claim := r.claim(ids[0])[0]; !claim.Late || claim.Delivery.GetForced() {
				t.Errorf("the claim is %+v", claim)
			}
		},

		"WhatWaitsOrWasCancelledIsLeftAsItIs": func(_ *testing.T, r *rig) {
			ids := r.acceptFrom("ada@example.com", "bob@example.com")
			r.settle(cancelled, r.begin(r.claim(ids...)[1])...)
			for _, id := range ids {
				a := r.amendment(leadOf(id), unchanged)
				a.Resend, a.Destinations = []string{"crm"}, []string{"crm"}
				r.amend(a)
			}
			r.expectState(ids[0], pending)
			r.expectState(ids[1], cancelled)
		},

		"WhatWasAttemptedIsMarkedToBeSentAgain": func(t *testing.T, r *rig) {
			ids := r.acceptFrom("ada@example.com", "bob@example.com", "cyd@example.com")
			steps := r.begin(r.claim(ids...)[:2]...)
			r.settle(retryWait, steps[0])
			r.settle(dead, steps[1])
			claims := r.claim(ids[0])
			for _, id := range ids {
				a := r.amendment(leadOf(id), unchanged)
				a.Resend = []string{"crm"}
				r.amend(a)
			}
			r.expectStale(claims...) // the claims' holder does not know that they are marked
			for i, want := range []bool{true, true, false} {
				if got := r.delivery(ids[i]).GetResend(); got != want {
					t.Errorf("delivery %d is marked %t", i, got)
				}
			}
			r.claim(ids[:2]...)
		},

		"WhatAPersonMayHaveSentIsMarkedWhenItsLeadChanges": func(t *testing.T, r *rig) {
			ids := r.acceptFrom("ada@example.com", "bob@example.com", "cyd@example.com", "dan@example.com")
			steps := r.begin(r.claim(ids...)[:3]...)
			for i, state := range []leadgatev1.DeliveryState{held, dead, delivered} {
				r.settle(state, steps[i])
			}
			if err := r.tryHold(ids[3]); err != nil {
				t.Fatal(err)
			}
			for i, want := range []bool{true, true, false, false} {
				r.amend(r.amendment(leadOf(ids[i]), func(record *leadgatev1.LeadRecord) { record.ConfigRevision = "new" }))
				if r.delivery(ids[i]).GetResend() {
					t.Errorf("delivery %d is marked though the lead is the same", i)
				}
				r.amend(r.amendment(leadOf(ids[i]), func(record *leadgatev1.LeadRecord) { record.Lead.Company = "Engines" }))
				if got := r.delivery(ids[i]).GetResend(); got != want {
					t.Errorf("delivery %d is marked %t", i, got)
				}
			}
		},

		"WhatIsUnderWayIsNotSentAgain": func(t *testing.T, r *rig) {
			ids := r.acceptFrom("ada@example.com")
			steps := r.begin(r.claim(ids...)...)
			for name, a := range map[string]*store.Amendment{
				"resend": r.amendment(leadOf(ids[0]), unchanged),
				"person": r.amendment(leadOf(ids[0]), func(record *leadgatev1.LeadRecord) { record.Lead.Email = "bob@example.com" }),
				"held":   r.amendment(leadOf(ids[0]), discarded),
			} {
				if name == "resend" {
					a.Resend = []string{"crm"}
				}
				if err := r.tryAmend(a)[0].Err; !errors.Is(err, store.ErrState) {
					t.Errorf("%s: %v", name, err)
				}
			}
			r.amend(r.amendment(leadOf(ids[0]), func(record *leadgatev1.LeadRecord) { record.ConfigRevision = "new" }))
			r.settle(delivered, steps...)
		},

		"AFurtherDestinationGetsTheLeadOnce": func(_ *testing.T, r *rig) {
			ids := r.acceptFrom("ada@example.com")
			r.pass(delivered, ids...)
			for range 2 {
				a := r.amendment(leadOf(ids[0]), unchanged)
				a.Destinations = []string{"crm", "archive", "archive"}
				r.amend(a)
			}
			r.claim()
			r.settle(delivered, r.begin(r.claimUpTo("archive", 10).Items...)...)
			r.expectState(leadOf(ids[0])+".archive", delivered)
		},

		"ALeadOfAnotherPersonLeavesTheOldChainAndJoinsTheNew": func(t *testing.T, r *rig) {
			ids := r.acceptFrom("ada@example.com", "ada@example.com", "bob@example.com")
			claims := r.claim(ids[0], ids[2])
			r.amend(r.amendment(leadOf(ids[0]), func(record *leadgatev1.LeadRecord) { record.Lead.Email = "bob@example.com" }))
			r.expectStale(claims...) // the delivery that moved, and the newer one of the person it moved to
			steps := r.begin(r.claim(ids[0], ids[1])...)
			r.settle(delivered, steps...)
			r.pass(delivered, ids[2])
			r.reopen()
			r.claim()
			for _, id := range ids {
				if late := r.expectState(id, delivered); late == nil {
					t.Error(id)
				}
			}
		},

		"WhatIsAcceptedForLaterFallsDueThen": func(_ *testing.T, r *rig) {
			a := r.lead("ada@example.com")
			a.NotBefore = r.clock.time().Add(2 * time.Second)
			id := r.accept(a)[0].LeadID + ".crm"
			behind := r.acceptFrom("ada@example.com")
			r.reopen()
			r.claim()
			r.clock.advance(2 * time.Second)
			r.pass(delivered, id)
			r.pass(delivered, behind...)
		},

		"WhatIsPreparedIsDueAtOnce": func(t *testing.T, r *rig) {
			var ids []string
			for range 2 {
				a := r.lead("ada@example.com")
				a.NotBefore = r.clock.time().Add(time.Hour)
				ids = append(ids, r.accept(a)[0].LeadID+".crm")
			}
			for i := range ids { // the second one first: it waits behind the first
				id := ids[len(ids)-1-i]
				a := r.amendment(leadOf(id), func(record *leadgatev1.LeadRecord) { record.Lead.Company = "Engines" })
				a.Hurry = true
				r.clock.advance(time.Second)
				r.amend(a)
			}
			r.reopen()
			if claim := r.claim(ids[0])[0]; claim.Record.GetLead().GetCompany() != "Engines" {
				t.Errorf("the lead is %v", claim.Record.GetLead())
			} else {
				r.settle(delivered, r.begin(claim)...)
			}
			r.pass(delivered, ids[1])
		},

		"WhatIsClaimedOrTriedIsNotHurried": func(_ *testing.T, r *rig) {
			ids := r.acceptFrom("ada@example.com", "bob@example.com")
			claims := r.claim(ids...)
			step := r.begin(claims[0])[0]
			step.Delivery.DueTime = timestamppb.New(r.clock.time().Add(time.Hour))
			r.settle(retryWait, step)
			for _, id := range ids {
				a := r.amendment(leadOf(id), unchanged)
				a.Hurry = true
				r.amend(a)
			}
			r.claim()
			r.settle(delivered, r.begin(claims[1])...)
		},

		"AHeldLeadsDeliveriesAreWithdrawn": func(t *testing.T, r *rig) {
			ids := r.acceptFrom("ada@example.com", "ada@example.com")
			claims := r.claim(ids[0])
			r.amend(r.amendment(leadOf(ids[0]), func(record *leadgatev1.LeadRecord) { record.State = leadgatev1.LeadState_LEAD_STATE_HELD }))
			if results, err := r.Begin(r.ctx, r.next(claims[0])); err != nil || !errors.Is(results[0].Err, store.ErrStale) {
				t.Errorf("begin: %v, %v", results, err)
			}
			if _, err := r.Delivery(r.ctx, ids[0]); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("its delivery: %v", err)
			}
			r.pass(delivered, ids[1])
			if counts := r.counts("crm"); counts[pending] != 0 || counts[delivered] != 1 {
				t.Errorf("counts are %v", counts)
			}
			a := r.amendment(leadOf(ids[1]), discarded)
			if err := r.tryAmend(a)[0].Err; !errors.Is(err, store.ErrState) {
				t.Errorf("a lead that was sent is thrown away: %v", err)
			}
		},
	}
}

// leadOf returns the lead of a delivery.
func leadOf(deliveryID string) string {
	leadID, _, _ := strings.Cut(deliveryID, ".")
	return leadID
}
