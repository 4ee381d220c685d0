package storetest

import (
	"errors"
	"testing"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/store"
)

// transferSuite tests holding, moving and deleting deliveries; the model does the same at random.
func transferSuite() suite {
	return suite{
		"WhatIsHeldWaitsForAPersonAndLetsTheNextGo": func(t *testing.T, r *rig) {
			ids := r.acceptFrom("ada@example.com", "ada@example.com", "")
			claims := r.claim(ids[0], ids[2])
			for _, id := range []string{ids[0], ids[2]} {
				if err := r.tryHold(id); err != nil {
					t.Fatal(err)
				}
				if d := r.expectState(id, held); d.GetReason() != "because" || d.GetDueTime() != nil {
					t.Errorf("held: %v", d)
				}
			}
			r.expectStale(claims[0])
			r.expectStale(claims[1])
			r.reopen()
			r.pass(delivered, ids[1])
			r.redrive(ids[0], ids[2])
			if claims := r.claim(ids[0], ids[2]); !claims[0].Late || claims[1].Late {
				t.Errorf("late are %v, %v", claims[0].Late, claims[1].Late)
			}
		},

		"WhatWaitsBehindAnotherCanBeHeld": func(t *testing.T, r *rig) {
			ids := r.acceptFrom("ada@example.com", "ada@example.com", "ada@example.com")
			if err := r.tryHold(ids[1]); err != nil {
				t.Fatal(err)
			}
			r.pass(delivered, ids[0])
			r.pass(delivered, ids[2])
			r.claim()
		},

		"WhatIsMovedTakesItsPlaceInTheOtherLine": func(t *testing.T, r *rig) {
			first := r.accept(r.lead("ada@example.com", "old"))[0].LeadID
			second := r.accept(r.lead("ada@example.com", "crm"))[0].LeadID
			result := r.tryMove(first+".old", "crm")
			if result.Err != nil {
				t.Fatal(result.Err)
			}
			if d := r.expectState(first+".old", cancelled); d.GetReason() != "because" {
				t.Errorf("moved away: %v", d)
			}
			d := r.expectState(first+".crm", pending)
			r.expectSame(d, result.Delivery)
			r.pass(delivered, first+".crm")
			r.pass(delivered, second+".crm")
		},

		"WhatIsThereAlreadyIsNotMoved": func(t *testing.T, r *rig) {
			lead := r.accept(r.lead("ada@example.com", "old", "crm"))[0].LeadID
			if result := r.tryMove(lead+".old", "crm"); !errors.Is(result.Err, store.ErrState) {
				t.Errorf("%+v", result)
			}
			r.expectState(lead+".old", pending)
			r.claim(lead + ".crm")
			if n := len(r.claimUpTo("old", 10).Items); n != 1 {
				t.Errorf("%d are due", n)
			}
		},

		"WhatIsDeletedIsGoneWithItsAttempts": func(t *testing.T, r *rig) {
			ids := r.acceptFrom("ada@example.com")
			if err := r.tryDelete(ids[0]); !errors.Is(err, store.ErrState) {
				t.Errorf("deleting what waits: %v", err)
			}
			r.pass(dead, ids...)
			if err := r.tryDelete(ids[0]); err != nil {
				t.Fatal(err)
			}
			if _, err := r.Delivery(r.ctx, ids[0]); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("it is there: %v", err)
			}
			if err := r.tryDelete(ids[0]); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("deleting it again: %v", err)
			}
			counts, err := r.Counts(r.ctx)
			if err != nil || counts["crm"].ByState[dead] != 0 {
				t.Errorf("counts are %v, %v", counts, err)
			}
		},
	}
}

func (r *rig) tryHold(id string) error {
	r.t.Helper()
	results, err := r.Hold(r.ctx, &store.Hold{
		DeliveryID: id, Reason: "because", Events: []*leadgatev1.Event{event(id[:36], leadgatev1.Stage_STAGE_HELD)},
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return results[0].Err
}

func (r *rig) tryMove(id, destination string) store.Moved {
	r.t.Helper()
	results, err := r.Move(r.ctx, &store.Move{
		DeliveryID: id, Destination: destination, Reason: "because",
		Events: []*leadgatev1.Event{event(id[:36], leadgatev1.Stage_STAGE_QUEUED)},
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return results[0]
}

func (r *rig) tryDelete(id string) error {
	r.t.Helper()
	results, err := r.Delete(r.ctx, &store.Deletion{DeliveryID: id})
	if err != nil {
		r.t.Fatal(err)
	}
	return results[0].Err
}
