package storetest

import (
	"errors"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/store"
)

func redriveSuite() suite {
	return suite{
		"WhatWasGivenUpIsDueNowAndFailsAnew": func(t *testing.T, r *rig) {
			for _, state := range []leadgatev1.DeliveryState{dead, held, superseded} {
				ids := r.acceptFrom(state.String() + "@example.com")
				step := r.begin(r.claim(ids...)...)[0]
				step.Delivery.FailingFor, step.Delivery.Reason = durationpb.New(time.Hour), "because"
				r.settle(state, step)
				r.clock.advance(time.Hour)
				got := r.tryRedrive(ids...)[0]
				if got.Err != nil {
					t.Fatal(got.Err)
				}
				d := r.expectState(ids[0], retryWait)
				if d.GetFailingFor() != nil || d.GetReason() != "" || !d.GetDueTime().AsTime().Equal(r.clock.time()) {
					t.Errorf("redriven: %v", d)
				}
				d.Attempts = nil
				r.expectSame(d, got.Delivery)
				r.pass(delivered, ids...)
			}
		},

		"WhatWasNeverTriedIsPendingAgain": func(_ *testing.T, r *rig) {
			ids := r.acceptFrom("ada@example.com")
			step := r.next(r.claim(ids...)[0])
			step.Attempt, step.Delivery.AttemptCount = nil, 0
			r.settle(held, step)
			r.redrive(ids...)
			r.expectState(ids[0], pending)
			r.claim(ids...)
		},

		"ARetryThatWaitsIsDueNow": func(_ *testing.T, r *rig) {
			ids := r.acceptFrom("ada@example.com", "")
			for _, step := range r.begin(r.claim(ids...)...) {
				step.Delivery.DueTime = timestamppb.New(r.clock.time().Add(time.Hour))
				r.settle(retryWait, step)
			}
			r.claim()
			r.redrive(ids...)
			r.claim(ids...)
		},

		"WhatIsClaimedIsLeftToWhoeverHasIt": func(_ *testing.T, r *rig) {
			ids := r.acceptFrom("ada@example.com")
			claims := r.claim(ids...)
			r.redrive(ids...)
			r.claim()
			r.settle(delivered, r.begin(claims...)...)
		},

		"WhatIsForcedIsTakenFromWhoeverHasClaimedIt": func(t *testing.T, r *rig) {
			ids := r.acceptFrom("ada@example.com")
			claims := r.claim(ids...)
			results, err := r.Redrive(r.ctx, &store.Redrive{
				DeliveryID: ids[0], Force: true, Events: []*leadgatev1.Event{event(leadOf(ids[0]), leadgatev1.Stage_STAGE_QUEUED)},
			})
			if err != nil || results[0].Err != nil || !results[0].Delivery.GetForced() {
				t.Fatalf("results are %+v, %v", results, err)
			}
			r.expectNumbered(r.seen(), 1)
			r.expectStale(claims...)
			claims = r.claim(ids...)
			if !claims[0].Delivery.GetForced() {
				t.Error("it is not forced")
			}
			r.settle(delivered, r.begin(claims...)...)
		},

		"WhatIsUnderWayDoneOrCancelledIsRefused": func(t *testing.T, r *rig) {
			ids := r.acceptFrom(people(3)...)
			steps := r.begin(r.claim(ids...)...)
			r.settle(delivered, steps[1])
			r.settle(cancelled, steps[2])
			for i, result := range r.tryRedrive(ids...) {
				if !errors.Is(result.Err, store.ErrState) || result.Delivery != nil {
					t.Errorf("%v: %+v", steps[i].Delivery.GetState(), result)
				}
			}
			r.settle(delivered, steps[0])
		},

		"WhatIsNotThereIsNotFoundAndFailsAlone": func(t *testing.T, r *rig) {
			ids := r.acceptFrom("ada@example.com")
			r.pass(dead, ids...)
			results := r.tryRedrive("nonsense", ids[0], r.newLeadID()+".crm")
			if !errors.Is(results[0].Err, store.ErrNotFound) || results[1].Err != nil || !errors.Is(results[2].Err, store.ErrNotFound) {
				t.Errorf("results are %+v", results)
			}
		},

		"ARedrivenDeliveryGoesBeforeNewerOnesThatWait": func(_ *testing.T, r *rig) {
			ids := r.acceptFrom("ada@example.com", "ada@example.com", "ada@example.com")
			r.pass(dead, ids[0])
			r.redrive(ids[0])
			r.pass(delivered, ids[0])
			r.pass(delivered, ids[1])
			r.pass(delivered, ids[2])
		},

		"ARedrivenDeliveryWaitsForANewerOneInFlight": func(t *testing.T, r *rig) {
			ids := r.acceptFrom("ada@example.com", "ada@example.com", "ada@example.com")
			r.pass(dead, ids[0])
			steps := r.begin(r.claim(ids[1])...)
			r.redrive(ids[0])
			r.claim()
			r.settle(retryWait, steps...) // it failed, so the older one goes first after all
			r.pass(delivered, ids[0])
			r.pass(delivered, ids[1])
			if claim := r.claim(ids[2])[0]; claim.Late {
				t.Error("the newest is late")
			}
		},

		"ARedrivenDeliveryTakesAwayTheClaimToANewerOneThatHasNotBegun": func(_ *testing.T, r *rig) {
			ids := r.acceptFrom("ada@example.com", "ada@example.com")
			r.pass(dead, ids[0])
			claims := r.claim(ids[1])
			r.redrive(ids[0])
			r.expectStale(claims...)
			r.pass(delivered, ids[0])
			r.pass(delivered, ids[1])
		},

		"ARedrivenDeliveryIsLateBehindANewerOneThatWasDelivered": func(t *testing.T, r *rig) {
			ids := r.acceptFrom("ada@example.com", "ada@example.com", "ada@example.com")
			r.pass(dead, ids[0])
			r.pass(delivered, ids[1])
			r.redrive(ids[0])
			r.reopen()
			claim := r.claim(ids[0])[0]
			if !claim.Late {
				t.Error("it is not late")
			}
			r.settle(delivered, r.begin(claim)...)
			if claim := r.claim(ids[2])[0]; claim.Late {
				t.Error("the newest is late")
			}
		},

		"WhatIsLateStaysSoAfterAnEvenOlderOneWasDelivered": func(t *testing.T, r *rig) {
			ids := r.acceptFrom("ada@example.com", "ada@example.com", "ada@example.com")
			r.pass(dead, ids[0])
			r.pass(dead, ids[1])
			r.pass(delivered, ids[2])
			r.redrive(ids[0])
			r.pass(delivered, ids[0])
			r.redrive(ids[1])
			if claim := r.claim(ids[1])[0]; !claim.Late {
				t.Error("it is not late")
			}
		},

		"WhatIsBehindANewerOneThatWasGivenUpIsNotLate": func(t *testing.T, r *rig) {
			ids := r.acceptFrom("ada@example.com", "ada@example.com")
			r.pass(dead, ids[0])
			r.pass(dead, ids[1])
			r.redrive(ids[0])
			if claim := r.claim(ids[0])[0]; claim.Late {
				t.Error("it is late")
			}
		},

		"LateIsAboutOneDestinationAndPerson": func(t *testing.T, r *rig) {
			a := r.lead("ada@example.com", "crm", "archive")
			r.accept(a)
			id := a.Record.GetLeadId() + ".crm"
			r.pass(dead, id)
			r.settle(delivered, r.begin(r.claimUpTo("archive", 1).Items...)...)
			r.pass(delivered, r.acceptFrom("bob@example.com")...)
			r.redrive(id)
			if claim := r.claim(id)[0]; claim.Late {
				t.Error("it is late")
			}
		},

		"SeveralOfOnePersonRedrivenAtOnceKeepTheirOrder": func(_ *testing.T, r *rig) {
			ids := r.acceptFrom("ada@example.com", "ada@example.com", "ada@example.com", "ada@example.com")
			r.pass(dead, ids[0])
			r.pass(dead, ids[1])
			step := r.begin(r.claim(ids[2])...)[0]
			step.Delivery.DueTime = timestamppb.New(r.clock.time().Add(time.Hour))
			r.settle(retryWait, step)
			r.redrive(ids[3], ids[2], ids[1], ids[0])
			for _, id := range ids {
				r.pass(delivered, id)
			}
		},

		"AWaitingDeliveryThatAnOlderOnePushedBackCanBeRedrivenInTheSameCall": func(_ *testing.T, r *rig) {
			ids := r.acceptFrom("ada@example.com", "ada@example.com")
			r.pass(dead, ids[0])
			step := r.begin(r.claim(ids[1])...)[0]
			step.Delivery.DueTime = timestamppb.New(r.clock.time().Add(time.Hour))
			r.settle(retryWait, step)
			r.redrive(ids[0], ids[1])
			r.pass(delivered, ids[0])
			r.pass(delivered, ids[1])
		},

		"OnlyWhatMatchesIsRedrivenByAFilter": func(t *testing.T, r *rig) {
			ids := r.acceptFrom(people(6)...)
			steps := r.begin(r.claim(ids...)...)
			r.settle(dead, steps[:3]...)
			r.settle(held, steps[3])
			r.settle(delivered, steps[4:]...)
			page, _, err := r.Deliveries(r.ctx, store.DeliveryQuery{State: dead, Destination: "crm"}, 10, "")
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range page {
				r.redrive(d.GetDeliveryId())
			}
			r.claim(ids[:3]...)
			r.expectState(ids[3], held)
		},
	}
}
