package worker_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker"
	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/crm/simulator"
	"github.com/leadgate/leadgate/worker/store"
)

// The CRM cannot be searched for a lead with nothing but a name, so after a lost answer a person has to look.
func TestALeadThatAPersonDidNotFindInTheCRMIsSent(t *testing.T) {
	t.Parallel()
	for name, properties := range map[string]map[string]string{
		"salesforce": {"LastName": "first_name", "Company": `= "Engines"`},
		"zoho":       {"Last_Name": "first_name"},
		"pipedrive":  {"person.name": "first_name"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				kind := mixedKinds()[name]
				kind.destination.Properties = properties
				m := newMixed(t, kind)
				path := map[string]string{"salesforce": "sobjects", "zoho": "Leads", "pipedrive": "persons"}[name]
				m.crm.SetFaults(simulator.Faults{Kind: simulator.KindReset, Method: "POST", Path: path, Times: 1})
				m.start()
				id := m.accept(lead{name: "Ada"})[0] + ".crm"
				expect := func(want leadgatev1.DeliveryState) *leadgatev1.Delivery {
					t.Helper()
					time.Sleep(time.Minute) // on the bubble's clock
					synctest.Wait()
					d, err := m.store.Delivery(t.Context(), id)
					if err != nil || d.GetState() != want {
						t.Fatalf("the delivery is %v, want %v: %v", d, want, err)
					}
					return d
				}
				d := expect(leadgatev1.DeliveryState_DELIVERY_STATE_HELD)
				if a := d.GetAttempts()[len(d.GetAttempts())-1]; a.GetOutcome() != leadgatev1.AttemptOutcome_ATTEMPT_OUTCOME_UNDECIDED || a.GetUnansweredTime() == nil {
					t.Errorf("held after %v", a)
				}
				service := worker.NewService(m.worker, "v1.2.3")
				if _, err := service.RetryDelivery(t.Context(), &leadgatev1.RetryDeliveryRequest{DeliveryId: id}); err != nil {
					t.Fatal(err)
				}
				expect(done)
				if records := m.properties(); len(records) != 1 {
					t.Errorf("the CRM has %v", records)
				}
			})
		})
	}
}

// What is unanswered is sent again unchanged, because the CRM may have it; later changes of the lead are sent after that.
func TestWhatIsToBeSentAgainFollowsWhatIsUnanswered(t *testing.T) {
	t.Parallel()
	lost := crm.Outcome{Kind: crm.Unknown, Reason: "connection reset"}
	for name, c := range map[string]struct {
		changed  bool        // whether the lead changed
		answer   crm.Outcome // to the unanswered call
		restart  bool
		held     bool // when it is changed; a person retries it
		payloads int  // how many are sent then
		state    leadgatev1.DeliveryState
	}{
		"delivered":               {true, delivered, false, false, 2, done},
		"refused":                 {true, crm.Outcome{Kind: crm.Refused, Reason: "bad"}, false, false, 2, done},
		"delivered after a start": {true, delivered, true, false, 2, done},
		"held":                    {true, delivered, false, true, 2, done},
		"unchanged":               {false, delivered, false, false, 1, done},
		"unchanged and refused":   {false, crm.Outcome{Kind: crm.Refused, Reason: "bad"}, false, false, 1, dead},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T, h *house) {
				h.apply(nil)
				h.crm.always(lost)
				ids := h.accept("ada@example.com Ada", "ada@example.com Newer")
				h.rest(0)
				was, err := h.store.Lead(t.Context(), h.delivery(ids[0]).GetLeadId())
				if err != nil {
					t.Fatal(err)
				}
				is := proto.CloneOf(was)
				if c.changed {
					is.Lead.FirstName = "Augusta"
				}
				a := &store.Amendment{Was: was, Record: is, Resend: []string{"crm"}}
				if c.held {
					a.Resend = nil
					if results, err := h.store.Hold(t.Context(), &store.Hold{DeliveryID: ids[0]}); err != nil || results[0].Err != nil {
						t.Fatal(results, err)
					}
				}
				results, err := h.store.Amend(t.Context(), a)
				if err != nil || results[0].Err != nil {
					t.Fatal(results, err)
				}
				if c.held {
					if _, err := h.service.RetryDelivery(t.Context(), &leadgatev1.RetryDeliveryRequest{DeliveryId: ids[0], Force: true}); err != nil {
						t.Fatal(err)
					}
				}
				if c.restart {
					h.restart()
					h.apply(nil)
				}
				first := true
				h.crm.script(func(_ context.Context, batch []crm.Item) []crm.Outcome {
					if first {
						first = false
						return each(batch, c.answer)
					}
					return each(batch, delivered)
				})
				h.rest(time.Minute)
				h.expectState(ids[0], c.state)
				h.expectState(ids[1], done)
				attempts := h.delivery(ids[0]).GetAttempts()
				sent, values := map[string]bool{}, map[string]bool{}
				for _, a := range attempts {
					sent[a.GetPayload()], values[a.GetIdempotencyValue()] = true, true
				}
				if len(sent) != c.payloads || len(values) != c.payloads || attempts[0].GetPayload() != attempts[1].GetPayload() || len(attempts) != 1+c.payloads {
					t.Errorf("attempts are %v", attempts)
				}
				if last := attempts[len(attempts)-1].GetPayload(); strings.Contains(last, "Augusta") != c.changed {
					t.Errorf("the last was %s", last)
				}
			})
		})
	}
}

func TestWhatWasLostIsKnownToEveryLaterAttemptWithTheSameBytes(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		h.apply(nil)
		h.crm.always(crm.Outcome{Kind: crm.Unknown, Reason: "connection reset"})
		id := h.accept("ada@example.com Ada")[0]
		h.rest(0)
		for range 3 {
			h.crm.always(crm.Outcome{Kind: crm.Retry, Reason: "busy"})
			if _, err := h.service.RetryDelivery(t.Context(), &leadgatev1.RetryDeliveryRequest{DeliveryId: id}); err != nil {
				t.Fatal(err)
			}
			h.rest(0)
		}
		calls := h.crm.seen()
		for i, call := range calls {
			if unanswered := call.items[0].Unanswered; (i == 0) != unanswered.IsZero() || i > 0 && !unanswered.Equal(calls[0].at) {
				t.Errorf("call %d was told of a lost answer at %v", i, unanswered)
			}
		}
		if len(calls) != 4 {
			t.Errorf("%d calls", len(calls))
		}
	})
}
