package worker_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/crm/simulator"
)

var notAllowed = crm.Outcome{Kind: crm.CredentialsRefused, Reason: "the token may not write contacts", Status: 403}

// refuses makes the CRM refuse the credentials for some people's leads.
func (f *fakeCRM) refuses(emails ...string) {
	f.script(func(_ context.Context, batch []crm.Item) []crm.Outcome {
		outcomes := each(batch, delivered)
		for i, item := range batch {
			if slices.Contains(emails, item.Email) {
				outcomes[i] = notAllowed
			}
		}
		return outcomes
	})
}

func TestAPermissionThatThePingDoesNotNeedCostsFewCalls(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		h.apply(func(cfg *configv1.Destination) { cfg.Limits.Concurrency = 4; cfg.Limits.BatchSize = 1 })
		h.crm.always(notAllowed)
		ids := h.accept(people(20)...)
		h.rest(2 * time.Hour)
		calls := h.crm.seen()
		// Four that were in progress together; after 30 s, 1, 2, 4 and 8 min; then every 10 min.
		if len(calls) < 4+15 || len(calls) > 4+16 {
			t.Errorf("%d calls in two hours", len(calls))
		}
		tried := map[string]bool{}
		for _, call := range calls {
			tried[call.items[0].Email] = true
		}
		if len(tried) < 15 {
			t.Errorf("the trials took %d leads, want another one each time", len(tried))
		}
		h.expectDestinationEvents("credentials_refused")
		h.resume("crm")
		h.rest(0)
		if n := len(h.crm.seen()) - len(calls); n != 1 {
			t.Errorf("a person's resume made %d calls", n)
		}
		h.crm.always(delivered)
		h.rest(time.Minute + time.Second)
		for _, id := range ids {
			if d := h.expectState(id, done); d.GetFailureCount() != 0 {
				t.Errorf("refused credentials count as a failure: %v", d)
			}
		}
		h.expectDestinationEvents("credentials_refused", "resumed")
	})
}

func TestALeadThatTheCRMRefusesLikeCredentialsFailsAlone(t *testing.T) {
	t.Parallel()
	for name, batch := range map[string]int32{"one a call": 1, "many a call": 10} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T, h *house) {
				h.apply(func(cfg *configv1.Destination) { cfg.Limits.BatchSize = batch })
				h.crm.refuses("poison@example.com")
				poison := h.accept("poison@example.com")[0]
				h.rest(10 * time.Minute)
				others := h.accept(people(5)...)
				h.rest(10 * time.Minute)
				for _, id := range others {
					h.expectState(id, done)
				}
				more := h.accept("ada@example.com", "eve@example.com")
				h.rest(time.Second)
				for _, id := range more {
					h.expectState(id, done)
				}
				d := h.expectState(poison, dead)
				if !strings.Contains(d.GetReason(), "given up") || !strings.Contains(d.GetReason(), notAllowed.Reason) {
					t.Errorf("dead as %v", d)
				}
				h.expectDestinationEvents("credentials_refused", "resumed")
				if last := d.GetAttempts()[len(d.GetAttempts())-1]; last.GetOutcome() != leadgatev1.AttemptOutcome_ATTEMPT_OUTCOME_CREDENTIALS_REFUSED {
					t.Errorf("the last attempt is %v", last)
				}
			})
		})
	}
}

func TestALeadThatIsRefusedLikeCredentialsBesideOthersStopsNobody(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		h.crm.refuses("p3@example.com")
		ids := h.accept(people(8)...)
		h.apply(nil)
		h.rest(2 * time.Minute)
		for i, id := range ids {
			want := done
			if i == 3 {
				want = dead
			}
			h.expectState(id, want)
		}
		h.expectDestinationEvents()
		retry := h.stages(ids[3])[1]
		if retry.GetStage() != stageRetry || retry.GetNextAttemptTime() == nil || !strings.Contains(retry.GetDetail(), "this lead") {
			t.Errorf("told as %v", retry)
		}
	})
}

// A ping may need more rights than a delivery.
func TestAPingThatIsRefusedKeepsNoDeliveryAway(t *testing.T) {
	t.Parallel()
	for name, account := range map[string]string{"account configured": "fake", "account told by a ping": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T, h *house) {
				h.crm.traits.Account = account
				h.crm.pongs(notAllowed)
				h.crm.always(notAllowed)
				h.apply(nil)
				id := h.accept("ada@example.com")[0]
				h.rest(9 * time.Minute)
				h.crm.always(delivered)
				h.rest(10*time.Minute + time.Second)
				h.expectState(id, done)
				h.expectDestinationEvents("credentials_refused", "resumed")
				h.crm.always(notAllowed)
				id = h.accept("eve@example.com")[0]
				h.rest(time.Second)
				h.crm.always(delivered)
				h.resume("crm") // a person knows better
				h.rest(time.Second)
				h.expectState(id, done)
			})
		})
	}
}

func TestADestinationThatOnlyRefusesPingsDeliversSoon(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		h.crm.traits.Account = ""
		h.crm.pongs(notAllowed)
		h.apply(nil)
		ids := h.accept(people(20)...)
		h.rest(32 * time.Second)
		for _, id := range ids {
			h.expectState(id, done)
		}
		h.expectDestinationEvents("credentials_refused", "resumed")
	})
}

func TestCredentialsAreNotTakenForGoodBecauseNothingWaits(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		h.crm.pongs(notAllowed)
		h.crm.traits.Account = ""
		h.apply(nil)
		h.rest(2 * time.Hour)
		if s := h.status("crm").GetStatus(); s != leadgatev1.DestinationStatus_DESTINATION_STATUS_CREDENTIALS_REFUSED {
			t.Errorf("shown as %v", s)
		}
		h.expectDestinationEvents("credentials_refused")
		if pings := h.crm.pinged(); pings < 230 || pings > 250 {
			t.Errorf("%d pings in two hours", pings)
		}
	})
}

func TestALeadIsNotToBlameForCredentialsThatEndedWhileItWasSent(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		h.apply(func(cfg *configv1.Destination) { cfg.Limits.Concurrency, cfg.Limits.BatchSize = 2, 1 })
		h.crm.script(func(_ context.Context, batch []crm.Item) []crm.Outcome {
			if batch[0].Email == "ada@example.com" {
				time.Sleep(10 * time.Second) // on the bubble's clock
				return each(batch, notAllowed)
			}
			return each(batch, delivered)
		})
		id := h.accept("ada@example.com", "eve@example.com")[0]
		h.rest(time.Hour)
		if d := h.expectState(id, retryWait); d.GetRefusedAlone() || d.GetFailureCount() != 0 {
			t.Errorf("the lead is to blame: %v", d)
		}
		h.expectDestinationEvents("credentials_refused")
	})
}

func TestCredentialsThatEndWithinACallAreNoLeadsFault(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		h.crm.script(func(_ context.Context, batch []crm.Item) []crm.Outcome {
			outcomes := each(batch, notAllowed.Withheld())
			if outcomes[0] = notAllowed; len(batch) == 8 {
				outcomes[0], outcomes[1] = delivered, notAllowed
			}
			return outcomes
		})
		ids := h.accept(people(8)...)
		h.apply(nil)
		h.rest(time.Hour)
		h.expectState(ids[0], done)
		for _, id := range ids[1:] {
			if d := h.expectState(id, retryWait); d.GetRefusedAlone() || d.GetFailureCount() != 0 {
				t.Errorf("a lead is to blame: %v", d)
			}
		}
		h.expectDestinationEvents("credentials_refused")
	})
}

// The token may read, which is enough for a ping, but not write.
func TestATokenThatMayNotWriteIsTriedEverSeldomer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMixed(t, mixedKinds()["hubspot"])
		m.crm.SetFaults(simulator.Faults{Status: http.StatusForbidden, Method: http.MethodPost, Path: "/crm/v3/objects/contacts"})
		m.start()
		var leads []lead
		for i := range 50 {
			leads = append(leads, lead{email: fmt.Sprintf("p%d@example.com", i), name: fmt.Sprintf("Ada%06d", i)})
		}
		m.door.expect(leads)
		m.accept(leads...)
		time.Sleep(time.Hour) // on the bubble's clock
		tried := 0
		for _, r := range m.crm.Requests() {
			if r.Method == http.MethodPost {
				tried++
			}
		}
		if tried < 5 || tried > 15 {
			t.Errorf("%d calls in an hour", tried)
		}
		m.crm.SetFaults(simulator.Faults{})
		time.Sleep(11 * time.Minute)
		if n := m.counts()[done]; n != 50 {
			t.Errorf("%d leads were delivered within eleven minutes", n)
		}
	})
}
