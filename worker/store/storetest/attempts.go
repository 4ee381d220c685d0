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

func attemptSuite() suite {
	return suite{
		"AnAttemptIsDurableBeforeItsCall": func(t *testing.T, r *rig) {
			ids := r.acceptFrom("ada@example.com")
			step := r.next(r.claim(ids...)[0])
			step.Attempt.Payload = `{"email":"ada@example.com"}`
			r.expectDone(r.Begin(r.ctx, step))
			r.close()
			r.start() // ends the attempt in flight; see the next test
			d := r.delivery(ids[0])
			if d.GetAttemptCount() != 1 || len(d.GetAttempts()) != 1 || d.GetAttempts()[0].GetPayload() != step.Attempt.GetPayload() {
				t.Errorf("after a restart: %v", d)
			}
		},

		"WhatWasInFlightAtARestartIsUnknownAndDueAtOnce": func(t *testing.T, r *rig) {
			ids := r.acceptFrom("ada@example.com", "ada@example.com", "")
			first := r.claim(ids[0], ids[2])
			r.begin(first...)
			r.clock.advance(time.Hour)
			r.reopen()
			claims := r.claim(ids[0], ids[2])
			for _, claim := range claims {
				if claim.Last.GetOutcome() != leadgatev1.AttemptOutcome_ATTEMPT_OUTCOME_UNKNOWN || claim.Last.GetError() == "" || claim.Last.GetPayload() != "{}" {
					t.Errorf("last attempt is %v", claim.Last)
				}
				if claim.Delivery.GetState() != retryWait || claim.Delivery.GetAttemptCount() != 1 || claim.Delivery.GetLastError() == "" {
					t.Errorf("delivery is %v", claim.Delivery)
				}
			}
			if counts := r.counts("crm"); counts[inFlight] != 0 || counts[retryWait] != 2 || counts[pending] != 1 {
				t.Errorf("counts are %v", counts)
			}
			events, err := r.Timeline(r.ctx, first[0].Record.GetLeadId())
			if err != nil || len(events) != 1 || events[0].GetLead().GetStage() != leadgatev1.Stage_STAGE_RETRY {
				t.Errorf("timeline is %v, error %v", events, err)
			}
			r.reopen()
			if d := r.delivery(ids[0]); len(d.GetAttempts()) != 1 {
				t.Errorf("another restart: %v", d)
			}
		},

		"WhatWasClaimedButNotBegunAtARestartIsAsBefore": func(_ *testing.T, r *rig) {
			ids := r.acceptFrom("ada@example.com")
			before := r.delivery(ids[0])
			r.claim(ids...)
			r.reopen()
			r.expectSame(before, r.delivery(ids[0]))
			r.claim(ids...)
		},

		"SettleWritesWhatCameOfTheAttempt": func(t *testing.T, r *rig) {
			ids := r.acceptFrom("ada@example.com")
			step := r.begin(r.claim(ids...)...)[0]
			step.Attempt.Outcome, step.Attempt.CrmStatus = leadgatev1.AttemptOutcome_ATTEMPT_OUTCOME_RETRY, 503
			step.Delivery.FailingFor = durationpb.New(time.Second)
			step.Delivery.LastError = "busy"
			r.settle(retryWait, step)
			step = r.begin(r.claim(ids...)...)[0]
			step.Attempt.Outcome = leadgatev1.AttemptOutcome_ATTEMPT_OUTCOME_DELIVERED
			step.Delivery.RecordId, step.Delivery.LastError = "501", ""
			step.Delivery.DueTime = nil
			r.settle(delivered, step)
			r.reopen()
			d := r.expectState(ids[0], delivered)
			if d.GetRecordId() != "501" || d.GetLastError() != "" || d.GetAttemptCount() != 2 || d.GetFailingFor().AsDuration() != time.Second {
				t.Errorf("delivery is %v", d)
			}
			if len(d.GetAttempts()) != 2 || d.GetAttempts()[0].GetCrmStatus() != 503 || d.GetAttempts()[1].GetNumber() != 2 {
				t.Errorf("attempts are %v", d.GetAttempts())
			}
			r.claim()
		},

		"SettleNeedsNoAttempt": func(t *testing.T, r *rig) {
			ids := r.acceptFrom("ada@example.com", "ada@example.com")
			step := r.next(r.claim(ids[0])[0])
			step.Attempt, step.Delivery.AttemptCount = nil, 0
			r.settle(superseded, step)
			if d := r.expectState(ids[0], superseded); len(d.GetAttempts()) != 0 {
				t.Errorf("attempts are %v", d.GetAttempts())
			}
			step = r.next(r.claim(ids[1])[0])
			step.Attempt, step.Delivery.AttemptCount = nil, 0
			step.Delivery.DueTime = timestamppb.New(r.clock.time().Add(time.Hour))
			r.settle(pending, step)
			r.claim()
			r.clock.advance(time.Hour)
			r.claim(ids[1])
		},

		"AnAttemptBeginsOnce": func(t *testing.T, r *rig) {
			ids := r.acceptFrom("ada@example.com")
			claim := r.claim(ids...)[0]
			a, b := r.next(claim), r.next(claim)
			b.Attempt.Payload = "another"
			results, err := r.Begin(r.ctx, a, b)
			if err != nil || results[0].Err != nil || results[1].Err == nil {
				t.Fatalf("begun twice in one call: %v, %v", results, err)
			}
			if results, err = r.Begin(r.ctx, b); err != nil || results[0].Err == nil {
				t.Fatalf("begun again: %v, %v", results, err)
			}
			if d := r.delivery(ids[0]); len(d.GetAttempts()) != 1 || d.GetAttempts()[0].GetPayload() != "{}" {
				t.Errorf("attempts are %v", d.GetAttempts())
			}
			if counts := r.counts("crm"); counts[inFlight] != 1 || counts[pending] != 0 {
				t.Errorf("counts are %v", counts)
			}
			r.settle(delivered, a)
		},

		"AStepThatMakesNoSenseFailsAloneAndLeavesTheClaim": func(t *testing.T, r *rig) {
			ids := r.acceptFrom("ada@example.com", "bob@example.com")
			claims := r.claim(ids...)
			for what, spoil := range map[string]func(*store.Step){
				"no attempt":             func(s *store.Step) { s.Attempt = nil },
				"another number":         func(s *store.Step) { s.Attempt.Number = 7 },
				"another identity":       func(s *store.Step) { s.Delivery.DeliveryId = ids[1] },
				"another sequence":       func(s *store.Step) { s.Delivery.Sequence++ },
				"text that is not UTF-8": func(s *store.Step) { s.Attempt.Payload = "\xff" },
			} {
				step := r.next(claims[0])
				spoil(step)
				if results, err := r.Begin(r.ctx, step); err != nil || results[0].Err == nil || errors.Is(results[0].Err, store.ErrStale) {
					t.Errorf("begin with %s: %v, %v", what, results, err)
				}
			}
			steps := r.begin(claims...)
			for what, spoil := range map[string]func(*store.Step){
				"in flight":            func(s *store.Step) { s.Delivery.State = inFlight },
				"no state":             func(s *store.Step) { s.Delivery.State = 0 },
				"waiting without time": func(s *store.Step) { s.Delivery.State, s.Delivery.DueTime = retryWait, nil },
				"another sequence":     func(s *store.Step) { s.Delivery.Sequence++ },
				"not UTF-8":            func(s *store.Step) { s.Delivery.LastError = "\xff" },
			} {
				step := r.next(claims[0])
				step.Delivery.State = delivered
				spoil(step)
				if results, err := r.Settle(r.ctx, step); err != nil || results[0].Err == nil || errors.Is(results[0].Err, store.ErrStale) {
					t.Errorf("settle with %s: %v, %v", what, results, err)
				}
			}
			r.settle(delivered, steps...)
		},
	}
}
