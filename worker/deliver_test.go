package worker_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/mapping"
	"github.com/leadgate/leadgate/worker/store"
)

func TestALeadIsDeliveredAndEveryStepIsTold(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		h.apply(nil)
		id := h.accept("ada@example.com Ada")[0]
		h.rest(0)
		d := h.expectState(id, done)
		if d.GetRecordId() != "501" || d.GetRecordUrl() != "https://crm.example/501" || len(d.GetAttempts()) != 1 {
			t.Fatalf("delivered as %v", d)
		}
		a := d.GetAttempts()[0]
		if a.GetPayload() != `{"email":"ada@example.com","name":"Ada"}` || a.GetIdempotencyValue() != id+"-1" || a.GetRevision() != 1 ||
			a.GetNumber() != 1 || a.GetConfigRevision() != "r1" || a.GetCrmStatus() != 200 || a.GetDuration() == nil ||
			a.GetOutcome() != leadgatev1.AttemptOutcome_ATTEMPT_OUTCOME_DELIVERED {
			t.Errorf("attempt is %v", a)
		}
		item := h.crm.seen()[0].items[0]
		if string(item.Payload) != a.GetPayload() || item.IdempotencyValue != id+"-1" || item.Email != "ada@example.com" {
			t.Errorf("sent %+v", item)
		}
		for _, e := range h.expectStages(id, stageCall, stageSuccess) {
			if e.GetAttempt() != 1 || e.GetDestination() != "crm" || e.GetIdempotencyKey() != "key of ada@example.com" ||
				e.GetPerson() != "a***@example.com" || e.GetRequestId() != "request 7" {
				t.Errorf("event %v", e)
			}
		}
		if e := h.stages(id)[1]; e.GetRecordId() != "501" || e.GetCrmStatus() != 200 || e.GetDuration() == nil {
			t.Errorf("success is told as %v", e)
		}
	})
}

func TestWhatIsDueGoesInOneCall(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		h.apply(nil)
		h.accept(people(25)...)
		h.rest(0)
		total := 0
		for _, call := range h.crm.seen() {
			total += len(call.items)
			if len(call.items) > 10 {
				t.Errorf("a call has %d leads, the CRM takes 10", len(call.items))
			}
		}
		if total != 25 || len(h.crm.seen()) > 4 {
			t.Errorf("25 leads went in %d calls", len(h.crm.seen()))
		}
	})
}

func TestABatchIsNoLargerThanConfigured(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		h.apply(func(cfg *configv1.Destination) { cfg.Limits.BatchSize = 3 })
		h.accept(people(7)...)
		h.rest(0)
		for _, call := range h.crm.seen() {
			if len(call.items) > 3 {
				t.Errorf("a call has %d leads", len(call.items))
			}
		}
	})
}

func TestAFailureIsTriedAgainAfterTheBackoff(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		h.apply(nil)
		h.crm.always(crm.Outcome{Kind: crm.Retry, Reason: "the CRM is down", Status: 503, Body: "maintenance for ada@example.com"})
		id := h.accept("ada@example.com Ada")[0]
		h.rest(0)
		d := h.expectState(id, retryWait)
		if wait := time.Until(d.GetDueTime().AsTime()); wait > time.Second {
			t.Errorf("the first wait is %v, its bound is 1 s", wait)
		}
		if d.GetLastError() != "the CRM is down" || d.GetFailureCount() != 1 {
			t.Errorf("waits as %v", d)
		}
		h.crm.always(delivered)
		h.rest(2 * time.Second)
		d = h.expectState(id, done)
		if d.GetLastError() != "" || d.GetRevision() != 1 || len(d.GetAttempts()) != 2 {
			t.Errorf("delivered as %v", d)
		}
		retry := h.expectStages(id, stageCall, stageRetry, stageCall, stageSuccess)[1]
		if retry.GetCrmBody() != "maintenance for ***" || retry.GetCrmStatus() != 503 || retry.GetError() != "the CRM is down" || retry.GetNextAttemptTime() == nil {
			t.Errorf("the retry is told as %v", retry)
		}
	})
}

func TestAfterALostAnswerTheSameBytesGoAgainWhateverTheMappingSays(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		h.apply(nil)
		h.crm.always(crm.Outcome{Kind: crm.Unknown, Reason: "connection reset"})
		id := h.accept("ada@example.com Ada")[0]
		h.rest(0)
		h.applyAll("r2", map[string]*configv1.Destination{"crm": fakeDestination("crm", func(cfg *configv1.Destination) {
			cfg.Properties = map[string]string{"mail": "email"}
		})})
		// The CRM certainly did not accept the next attempt, but it may have accepted the first.
		h.crm.always(crm.Outcome{Kind: crm.Retry, Reason: "busy"})
		for len(h.crm.seen()) < 3 {
			h.rest(time.Second)
		}
		h.crm.always(delivered)
		h.rest(20 * time.Second)
		d := h.expectState(id, done)
		for i, call := range h.crm.seen() {
			if item := call.items[0]; string(item.Payload) != `{"email":"ada@example.com","name":"Ada"}` || item.IdempotencyValue != id+"-1" {
				t.Errorf("call %d sent %s as %s", i, item.Payload, item.IdempotencyValue)
			}
		}
		if d.GetRevision() != 1 || d.GetAttempts()[1].GetConfigRevision() != "r2" {
			t.Errorf("delivered as %v", d)
		}
	})
}

func TestAMendedMappingReachesWhatWaits(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		h.apply(nil)
		h.crm.always(crm.Outcome{Kind: crm.Retry, Reason: "busy"})
		id := h.accept("ada@example.com Ada")[0]
		h.rest(0)
		h.crm.always(delivered)
		h.applyAll("r2", map[string]*configv1.Destination{"crm": fakeDestination("crm", func(cfg *configv1.Destination) {
			cfg.Properties = map[string]string{"mail": "email"}
		})})
		h.rest(2 * time.Second)
		h.expectState(id, done)
		if item := h.crm.seen()[1].items[0]; string(item.Payload) != `{"mail":"ada@example.com"}` || item.IdempotencyValue != id+"-2" {
			t.Errorf("sent %s as %s", item.Payload, item.IdempotencyValue)
		}
	})
}

// forgetful is a store that lost its attempts.
type forgetful struct{ store.Store }

func (f forgetful) Claim(ctx context.Context, destination string, limit int) (store.Claims, error) {
	claims, err := f.Store.Claim(ctx, destination, limit)
	for _, claim := range claims.Items {
		claim.Last = nil
	}
	return claims, err
}

func TestADeliveryWhoseLastAttemptIsLostTakesNoIdempotencyValueTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.wrap = func(s store.Store) store.Store { return forgetful{s} }
		h.open()
		defer h.close()
		h.apply(nil)
		h.crm.always(crm.Outcome{Kind: crm.Retry, Reason: "busy"})
		id := h.accept("ada@example.com Ada")[0]
		h.rest(0)
		h.crm.always(delivered)
		h.rest(2 * time.Second)
		h.expectState(id, done)
		for i, call := range h.crm.seen() {
			if want := fmt.Sprintf("%s-%d", id, i+1); call.items[0].IdempotencyValue != want {
				t.Errorf("call %d was sent as %s, want %s", i, call.items[0].IdempotencyValue, want)
			}
		}
	})
}

func TestARefusedLeadIsDeadUntilAPersonAsks(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		h.apply(nil)
		h.crm.always(crm.Outcome{Kind: crm.Refused, Reason: "property \"email\" is not valid", Property: "email", Status: 400, Body: `{"message":"Ada is not a name"}`})
		id := h.accept("ada@example.com Ada")[0]
		h.rest(time.Minute)
		d := h.expectState(id, dead)
		if d.GetReason() != "property \"email\" is not valid" || len(d.GetAttempts()) != 1 {
			t.Errorf("dead as %v", d)
		}
		for _, e := range h.expectStages(id, stageCall, stageFailure, stageDead)[1:] {
			if e.GetError() == "" || e.GetCrmBody() != `{"message":"*** is not a name"}` {
				t.Errorf("told as %v", e)
			}
		}
		h.crm.always(delivered)
		if _, err := h.service.RetryDelivery(t.Context(), &leadgatev1.RetryDeliveryRequest{DeliveryId: id}); err != nil {
			t.Fatal(err)
		}
		h.rest(0)
		if d = h.expectState(id, done); d.GetRevision() != 2 || d.GetReason() != "" {
			t.Errorf("after a definite refusal the revision must rise: %v", d)
		}
		h.expectStages(id, stageCall, stageFailure, stageDead, stageQueued, stageCall, stageSuccess)
	})
}

func TestALeadIsGivenUpAfterTimeAndFailures(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		h.apply(nil) // after a minute
		h.crm.always(crm.Outcome{Kind: crm.Retry, Reason: "busy"})
		start := time.Now()
		id := h.accept("ada@example.com Ada")[0]
		h.rest(59 * time.Second)
		h.expectState(id, retryWait)
		h.rest(time.Minute)
		d := h.expectState(id, dead)
		last := d.GetAttempts()[len(d.GetAttempts())-1].GetStartTime().AsTime().Sub(start)
		if last < time.Minute || last > 69*time.Second || len(d.GetAttempts()) < 5 || !strings.Contains(d.GetReason(), "given up after") {
			t.Errorf("given up after %v and %d attempts: %q", last, len(d.GetAttempts()), d.GetReason())
		}
		// Retried by a person, it starts over.
		if _, err := h.service.RetryDelivery(t.Context(), &leadgatev1.RetryDeliveryRequest{DeliveryId: id}); err != nil {
			t.Fatal(err)
		}
		h.rest(0)
		if d = h.expectState(id, retryWait); d.GetFailureCount() != 1 {
			t.Errorf("after a redrive: %v", d)
		}
	})
}

func TestTimeInWhichTheDestinationIsPausedDoesNotCountForGivingUp(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		h.apply(nil)
		h.crm.always(crm.Outcome{Kind: crm.Retry, Reason: "busy"})
		id := h.accept("ada@example.com Ada")[0]
		h.rest(40 * time.Second)
		h.pause("crm")
		h.rest(10 * time.Minute)
		h.resume("crm")
		h.rest(10 * time.Second)
		if failing := h.expectState(id, retryWait).GetFailingFor().AsDuration(); failing > 51*time.Second {
			t.Errorf("failing for %v", failing)
		}
		h.rest(30 * time.Second)
		h.expectState(id, dead)
	})
}

func TestAPauseTheCRMAsksForHoldsTheDestination(t *testing.T) {
	t.Parallel()
	for name, outcome := range map[string]crm.Outcome{
		"rate limited":           {Kind: crm.RateLimited, After: time.Minute, Reason: "ten seconds are full", Status: 429},
		"busy, with Retry-After": {Kind: crm.Retry, After: time.Minute, Reason: "overloaded", Status: 503},
	} {
		bubble(t, func(t *testing.T, h *house) {
			h.apply(nil)
			h.crm.always(outcome)
			first := h.accept("ada@example.com Ada")[0]
			h.rest(0)
			second := h.accept("eve@example.com Eve")[0]
			h.crm.always(delivered)
			h.rest(59 * time.Second)
			d := h.expectState(first, retryWait)
			h.expectState(second, pending)
			if calls := len(h.crm.seen()); calls != 1 {
				t.Errorf("%s: %d calls before the pause was over", name, calls)
			}
			if counted := d.GetFailureCount() > 0; counted != (outcome.Kind == crm.Retry) {
				t.Errorf("%s: counts as a failure: %v", name, counted)
			}
			if s := h.status("crm"); s.GetStatus() != leadgatev1.DestinationStatus_DESTINATION_STATUS_RATE_LIMITED || s.GetResumeTime() == nil {
				t.Errorf("%s: shown as %v", name, s)
			}
			h.expectDestinationEvents("rate_limited")
			h.rest(2 * time.Second)
			h.expectState(first, done)
			h.expectState(second, done)
			h.expectDestinationEvents("rate_limited", "resumed")
		})
	}
}

func TestRefusedCredentialsAreProbedUntilTheyAreTaken(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		h.apply(func(cfg *configv1.Destination) { cfg.Limits.Concurrency = 3; cfg.Limits.BatchSize = 1 })
		refused := crm.Outcome{Kind: crm.CredentialsRefused, Reason: "the token was refused", Status: 401}
		h.crm.always(refused)
		h.crm.pong = refused
		ids := h.accept(people(20)...)
		h.rest(5 * time.Minute)
		if calls := len(h.crm.seen()); calls > 3 {
			t.Errorf("%d calls with refused credentials", calls)
		}
		if pings := len(h.crm.pings); pings != 10 {
			t.Errorf("%d probes in 5 minutes, want one every 30 s", pings)
		}
		if s := h.status("crm"); s.GetStatus() != leadgatev1.DestinationStatus_DESTINATION_STATUS_CREDENTIALS_REFUSED || s.GetWaiting() != 20 {
			t.Errorf("shown as %v", s)
		}
		h.crm.mu.Lock()
		h.crm.pong = crm.Outcome{Kind: crm.Delivered}
		h.crm.mu.Unlock()
		h.crm.always(delivered)
		h.rest(31 * time.Second)
		for _, id := range ids {
			if d := h.expectState(id, done); d.GetFailureCount() != 0 {
				t.Errorf("refused credentials count as a failure: %v", d)
			}
		}
		var told []leadgatev1.DestinationEventType
		for _, e := range h.destinationEvents() {
			told = append(told, e.GetType())
		}
		if !slices.Equal(told, []leadgatev1.DestinationEventType{
			leadgatev1.DestinationEventType_DESTINATION_EVENT_TYPE_CREDENTIALS_REFUSED, leadgatev1.DestinationEventType_DESTINATION_EVENT_TYPE_RESUMED,
		}) {
			t.Errorf("told %v", told)
		}
	})
}

func TestABatchTheCRMRefusesAsAWholeIsHalvedDownToTheOneAtFault(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		h.crm.script(func(_ context.Context, batch []crm.Item) []crm.Outcome {
			if slices.ContainsFunc(batch, func(i crm.Item) bool { return i.Email == "p3@example.com" }) {
				return each(batch, crm.Outcome{Kind: crm.Split, Reason: "conflict", Status: 409})
			}
			return each(batch, delivered)
		})
		ids := h.accept(people(8)...)
		h.apply(nil)
		h.rest(0)
		for i, id := range ids {
			want := done
			if i == 3 {
				want = dead
			}
			if d := h.expectState(id, want); len(d.GetAttempts()) != 1 {
				t.Errorf("lead %d has %d attempts", i, len(d.GetAttempts()))
			}
		}
		values := map[string]string{}
		for _, call := range h.crm.seen() {
			for _, item := range call.items {
				if before, ok := values[item.Email]; ok && before != item.IdempotencyValue {
					t.Errorf("%s went under %s and %s", item.Email, before, item.IdempotencyValue)
				}
				values[item.Email] = item.IdempotencyValue
			}
		}
	})
}

func TestHalvingStopsWhenTheCRMAsksForAPause(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		h.crm.script(func(_ context.Context, batch []crm.Item) []crm.Outcome {
			if len(batch) == 8 {
				return each(batch, crm.Outcome{Kind: crm.Split})
			}
			return each(batch, crm.Outcome{Kind: crm.RateLimited, After: time.Hour})
		})
		ids := h.accept(people(8)...)
		h.apply(nil)
		h.rest(time.Minute)
		if calls := len(h.crm.seen()); calls != 2 {
			t.Errorf("%d calls, want the whole and the first half", calls)
		}
		for _, id := range ids {
			if d := h.expectState(id, retryWait); d.GetFailureCount() != 0 {
				t.Errorf("counts as a failure: %v", d)
			}
		}
	})
}

func TestAPanicInADestinationIsALostAnswer(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		h.apply(nil)
		h.crm.script(func(context.Context, []crm.Item) []crm.Outcome { panic("index out of range") })
		id := h.accept("ada@example.com Ada")[0]
		h.rest(0)
		d := h.expectState(id, retryWait)
		if a := d.GetAttempts()[0]; a.GetOutcome() != leadgatev1.AttemptOutcome_ATTEMPT_OUTCOME_UNKNOWN || strings.Contains(a.GetError(), "index") {
			t.Errorf("attempt is %v", a)
		}
		if log := h.log.String(); !strings.Contains(log, "index out of range") || !strings.Contains(log, "deliver_test.go") {
			t.Errorf("the log lacks cause or stack: %s", log)
		}
		h.crm.always(delivered)
		h.rest(2 * time.Second)
		h.expectState(id, done)
	})
}

// A lead on which leadgate itself fails is given up, whatever else happens at the destination, and affects no other lead.
func TestALeadThatLeadgateFailsOnIsGivenUpAlone(t *testing.T) {
	t.Parallel()
	for name, pong := range map[string]crm.Outcome{
		"ping answered": {Kind: crm.Delivered}, "ping refused": {Kind: crm.CredentialsRefused, Status: 403}, "ping lost": {},
	} {
		for _, others := range []int{0, 30} {
			t.Run(fmt.Sprintf("%s, %d others", name, others), func(t *testing.T) {
				t.Parallel()
				bubble(t, func(t *testing.T, h *house) {
					h.crm.pong = pong
					h.crm.script(func(_ context.Context, batch []crm.Item) []crm.Outcome {
						if slices.ContainsFunc(batch, func(i crm.Item) bool { return i.Email == "poison@example.com" }) {
							panic("index out of range")
						}
						return each(batch, delivered)
					})
					leads := append(people(others), "poison@example.com")
					ids := h.accept(leads...)
					h.apply(func(cfg *configv1.Destination) {
						cfg.Limits.BatchSize, cfg.Retry.MaxDelay, cfg.Retry.GiveUpAfter = 10, durationpb.New(10*time.Minute), durationpb.New(72*time.Hour)
					})
					h.rest(2 * time.Hour)
					poison := ids[others]
					d := h.expectState(poison, dead)
					if n := len(d.GetAttempts()); n != 15 || !strings.Contains(d.GetReason(), "after 15 calls: an internal error in leadgate") {
						t.Errorf("given up after %d attempts: %s", n, d.GetReason())
					}
					if !strings.Contains(h.log.String(), poison) {
						t.Error("the log does not say which lead it was")
					}
					for _, id := range ids[:others] {
						if d := h.expectState(id, done); len(d.GetAttempts()) > 2 {
							t.Errorf("another was tried %d times", len(d.GetAttempts()))
						}
					}
					if told := h.destinationEvents(); len(told) > 0 {
						t.Errorf("the destination is blamed: %v", told)
					}
					if _, err := h.service.RetryDelivery(t.Context(), &leadgatev1.RetryDeliveryRequest{DeliveryId: poison}); err != nil {
						t.Fatal(err)
					}
					h.rest(time.Second)
					h.expectState(poison, retryWait)
					h.crm.always(delivered)
					h.rest(time.Minute)
					h.expectState(poison, done)
				})
			})
		}
	}
}

func TestTooFewOutcomesAreLostAnswers(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		h.crm.script(func(_ context.Context, batch []crm.Item) []crm.Outcome { return each(batch, delivered)[1:] })
		ids := h.accept(people(3)...)
		h.apply(nil)
		h.rest(0)
		for _, id := range ids {
			h.expectState(id, retryWait)
		}
	})
}

func TestALeadThatCannotBeEncodedIsDeadWithoutACall(t *testing.T) {
	t.Parallel()
	for name, encode := range map[string]func([]mapping.Property) ([]byte, error){
		"error": func([]mapping.Property) ([]byte, error) {
			return nil, errors.New("a contact needs more than ada@example.com")
		},
		"panic":     func([]mapping.Property) ([]byte, error) { panic("nil map") },
		"not UTF-8": func([]mapping.Property) ([]byte, error) { return []byte{0xff}, nil },
	} {
		bubble(t, func(t *testing.T, h *house) {
			h.crm.encode = encode
			h.apply(nil)
			id := h.accept("ada@example.com Ada")[0]
			h.rest(time.Minute)
			d := h.expectState(id, dead)
			if d.GetReason() == "" || strings.Contains(d.GetReason(), "ada@") || len(d.GetAttempts()) > 0 || len(h.crm.seen()) > 0 {
				t.Errorf("%s: dead as %v after %d calls", name, d, len(h.crm.seen()))
			}
			h.expectStages(id, stageFailure, stageDead)
			h.crm.mu.Lock()
			h.crm.encode = nil
			h.crm.mu.Unlock()
			if _, err := h.service.RetryDelivery(t.Context(), &leadgatev1.RetryDeliveryRequest{DeliveryId: id}); err != nil {
				t.Fatal(err)
			}
			h.rest(0)
			h.expectState(id, done)
		})
	}
}

func TestALeadIsDeliveredWithoutWhatTheCRMWouldNotTake(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		h.apply(nil)
		h.crm.always(crm.Outcome{Kind: crm.Delivered, RecordID: "7", Dropped: []string{"shoe_size"}, Reason: "there is no such property"})
		id := h.accept("ada@example.com Ada")[0]
		h.rest(0)
		a := h.expectState(id, done).GetAttempts()[0]
		if a.GetOutcome() != leadgatev1.AttemptOutcome_ATTEMPT_OUTCOME_DELIVERED_PARTLY || !slices.Equal(a.GetDroppedProperties(), []string{"shoe_size"}) {
			t.Errorf("attempt is %v", a)
		}
		events := h.expectStages(id, stageCall, stageFailure, stageSuccess)
		if !strings.Contains(events[1].GetError(), "shoe_size") || !strings.Contains(events[2].GetDetail(), "shoe_size") {
			t.Errorf("told as %v", events)
		}
	})
}

func TestOnePersonsLeadsKeepTheirOrder(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		h.apply(nil)
		h.crm.always(crm.Outcome{Kind: crm.Retry, Reason: "busy"})
		ids := h.accept("ada@example.com Ada", "ada@example.com Augusta")
		h.rest(5 * time.Second)
		for _, call := range h.crm.seen() {
			if len(call.items) != 1 || call.items[0].IdempotencyValue != ids[0]+"-1" {
				t.Errorf("sent %v before the first was delivered", call.items)
			}
		}
		h.crm.always(delivered)
		h.rest(time.Minute)
		h.expectState(ids[0], done)
		h.expectState(ids[1], done)
	})
}

func TestALateLeadNeverOverwritesANewerOne(t *testing.T) {
	t.Parallel()
	for _, fillBlanks := range []bool{true, false} {
		bubble(t, func(t *testing.T, h *house) {
			h.crm.traits.FillBlanks = fillBlanks
			h.apply(nil)
			h.crm.always(crm.Outcome{Kind: crm.Refused, Reason: "no"})
			old := h.accept("ada@example.com Ada")[0]
			h.rest(0)
			h.crm.always(delivered)
			h.accept("ada@example.com Augusta")
			h.rest(0)
			if _, err := h.service.RetryDelivery(t.Context(), &leadgatev1.RetryDeliveryRequest{DeliveryId: old}); err != nil {
				t.Fatal(err)
			}
			h.rest(0)
			calls := h.crm.seen()
			if fillBlanks {
				d := h.expectState(old, done)
				if last := calls[len(calls)-1]; last.mode != leadgatev1.DeliveryMode_DELIVERY_MODE_FILL_BLANKS || d.GetMode() != last.mode || len(calls) != 3 {
					t.Errorf("sent in mode %v", last.mode)
				}
				return
			}
			if d := h.expectState(old, superseded); len(calls) != 2 || d.GetReason() == "" {
				t.Errorf("superseded after %d calls: %v", len(calls), d)
			}
			h.expectStages(old, stageCall, stageFailure, stageDead, stageQueued, leadgatev1.Stage_STAGE_SUPERSEDED)
		})
	}
}

func TestAPropertyThatComesToNothingIsLeftOutAndTold(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		h.apply(func(cfg *configv1.Destination) {
			cfg.Properties = map[string]string{"email": "email", "shout": "= lead.first_name.upperAscii()", "ratio": "= 1 / size(lead.last_name)"}
		})
		ids := h.accept("ada@example.com Ada", "bob@example.com Bob")
		h.rest(time.Second)
		for i, want := range []string{`{"email":"ada@example.com","shout":"ADA"}`, `{"email":"bob@example.com","shout":"BOB"}`} {
			if got := h.expectState(ids[i], done).GetAttempts()[0].GetPayload(); got != want {
				t.Errorf("sent %s, want %s", got, want)
			}
		}
		events := h.destinationEvents()
		if len(events) != 1 || events[0].GetType() != leadgatev1.DestinationEventType_DESTINATION_EVENT_TYPE_RULE_FAILED ||
			!strings.Contains(events[0].GetDetail(), "the expression for property ratio failed for a lead, which is sent without the property: division by zero") {
			t.Errorf("events are %v", events)
		}
	})
}

func TestAnAnswerThatIsNoTextSettlesTheDeliveryAllTheSame(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		h.apply(nil)
		h.crm.always(crm.Outcome{Kind: crm.Refused, Reason: "no\xff" + strings.Repeat("é", 50_000), Body: "\xff", Property: "\xff"})
		refused := h.accept("ada@example.com Ada")[0]
		h.rest(time.Second)
		if d := h.expectState(refused, dead); !strings.HasPrefix(d.GetReason(), "noéé") || len(d.GetReason()) > crm.MaxBody {
			t.Errorf("dead because %.20q, %d bytes", d.GetReason(), len(d.GetReason()))
		}
		h.crm.always(crm.Outcome{Kind: crm.Delivered, RecordID: "7\xff", RecordURL: "\xff", Dropped: []string{"\xff"}})
		id := h.accept("eve@example.com Eve")[0]
		h.rest(time.Second)
		h.expectState(id, done)
	})
}

func TestACRMThatKeepsAskingForASlowerPaceIsCalledEverSeldomer(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		h.apply(nil)
		h.crm.always(crm.Outcome{Kind: crm.RateLimited, Reason: "too fast", Status: 429})
		ids := h.accept(people(30)...)
		h.rest(time.Hour)
		if n := len(h.crm.seen()); n < 30 || n > 35 { // after 10, 20, 40 and 80 s, then every 2 min
			t.Errorf("%d calls in an hour", n)
		}
		h.crm.always(delivered)
		h.rest(2 * time.Minute)
		for _, id := range ids {
			h.expectState(id, done)
		}
		before := len(h.crm.seen())
		h.crm.always(crm.Outcome{Kind: crm.RateLimited, Reason: "too fast", Status: 429})
		h.accept("ada@example.com Ada")
		h.rest(9 * time.Second)
		h.rest(2 * time.Second)
		if n := len(h.crm.seen()) - before; n != 2 {
			t.Errorf("%d calls in eleven seconds after one got through", n)
		}
	})
}
