package worker_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/crm"
)

var noConnection = crm.Outcome{Kind: crm.Retry, Reason: "not sent: connection refused"}

func (f *fakeCRM) pongs(outcome crm.Outcome) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pong = outcome
}

// down takes the CRM down, and up brings it back.
func (f *fakeCRM) down() { f.always(noConnection); f.pongs(noConnection) }
func (f *fakeCRM) up()   { f.script(nil); f.pongs(crm.Outcome{Kind: crm.Delivered}) }

func (f *fakeCRM) pinged() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.pings)
}

func (h *house) expectDestinationEvents(want ...string) {
	h.t.Helper()
	var got []string
	for _, e := range h.destinationEvents() {
		got = append(got, strings.ToLower(strings.TrimPrefix(e.GetType().String(), "DESTINATION_EVENT_TYPE_")))
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		h.t.Fatalf("events are %v, want %v", got, want)
	}
}

// LEADGATE_SOAK makes the outage last days. On the bubble's clock, Badger's own timers take a minute of real time for that.
func TestAnOutageCostsAProbeAMinuteAndNoLead(t *testing.T) {
	t.Parallel()
	outage := 2 * time.Hour
	if os.Getenv("LEADGATE_SOAK") != "" {
		outage = 3 * 24 * time.Hour
	}
	bubble(t, func(t *testing.T, h *house) {
		h.apply(func(cfg *configv1.Destination) { cfg.Limits = &configv1.Limits{Concurrency: 4, BatchSize: 1} })
		h.crm.down()
		ids := h.accept(people(30)...)
		h.rest(outage)
		calls, pings := len(h.crm.seen()), h.crm.pinged()
		// Five calls until the breaker doubts, and three more that were in progress; then a ping a minute, and after every third
		// one a delivery.
		if total := calls + pings; total > int(outage.Minutes())*4/3+20 || total < int(outage.Minutes()) {
			t.Errorf("%d calls and %d pings in %v; want about one a minute", calls, pings, outage)
		}
		s := h.status("crm")
		if s.GetStatus() != leadgatev1.DestinationStatus_DESTINATION_STATUS_UNREACHABLE || s.GetResumeTime() == nil || s.GetWaiting() != 30 {
			t.Errorf("shown as %v", s)
		}
		h.expectDestinationEvents("breaker_opened")
		h.crm.up()
		h.rest(time.Minute)
		for _, id := range ids {
			h.expectState(id, done)
		}
		h.expectDestinationEvents("breaker_opened", "breaker_closed")
		if s := h.status("crm"); s.GetStatus() != leadgatev1.DestinationStatus_DESTINATION_STATUS_FLOWING {
			t.Errorf("shown as %v", s)
		}
	})
}

func TestAfterAnOutageCallsBeginOneAtATime(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		h.apply(func(cfg *configv1.Destination) { cfg.Limits = &configv1.Limits{Concurrency: 8, BatchSize: 1} })
		h.crm.down()
		h.accept(people(100)...)
		h.rest(time.Hour)
		before := len(h.crm.seen())
		h.crm.up()
		h.crm.script(func(_ context.Context, batch []crm.Item) []crm.Outcome {
			time.Sleep(time.Second) // on the bubble's clock
			return each(batch, delivered)
		})
		h.crm.mu.Lock()
		h.crm.most = 0
		h.crm.mu.Unlock()
		h.rest(2 * time.Minute)
		inSecond := map[int]int{}
		calls := h.crm.seen()[before:]
		for _, c := range calls {
			inSecond[int(c.at.Sub(calls[0].at).Seconds())]++
		}
		if len(calls) != 100 || inSecond[0] != 1 || inSecond[1] > 2 || h.crm.most != 8 {
			t.Errorf("%d calls, in the first seconds %d and %d, at most %d at one time", len(calls), inSecond[0], inSecond[1], h.crm.most)
		}
	})
}

func TestALeadThatTheCRMChokesOnStopsNobodyElse(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		h.crm.script(func(_ context.Context, batch []crm.Item) []crm.Outcome {
			if batch[0].Email == "poison@example.com" {
				return each(batch, crm.Outcome{Kind: crm.Unknown, Reason: "HTTP 500", Status: 500})
			}
			return each(batch, delivered)
		})
		h.apply(func(cfg *configv1.Destination) { cfg.Limits = &configv1.Limits{Concurrency: 1, BatchSize: 1} })
		poison := h.accept("poison@example.com")[0]
		h.rest(5 * time.Minute)
		h.expectState(poison, dead)
		h.expectDestinationEvents()
		ids := h.accept("poison@example.com", "ada@example.com")
		h.rest(time.Second)
		h.expectState(ids[1], done)
	})
}

func TestAPoisonedLeadDoesNotKeepTheBreakerOpen(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		h.apply(func(cfg *configv1.Destination) { cfg.Limits = &configv1.Limits{Concurrency: 1, BatchSize: 1} })
		h.crm.down()
		poison := h.accept("poison@example.com")[0]
		h.rest(time.Second)
		ids := h.accept(people(9)...)
		h.rest(10 * time.Minute)
		h.crm.up()
		h.crm.script(func(_ context.Context, batch []crm.Item) []crm.Outcome {
			if batch[0].Email == "poison@example.com" {
				return each(batch, crm.Outcome{Kind: crm.Unknown, Reason: "HTTP 500", Status: 500})
			}
			return each(batch, delivered)
		})
		h.rest(3 * time.Minute)
		for _, id := range ids {
			h.expectState(id, done)
		}
		h.rest(10 * time.Minute)
		h.expectState(poison, dead)
		h.expectDestinationEvents("breaker_opened", "breaker_closed")
	})
}

func TestACRMWhosePingIsBrokenIsNotDownForEver(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		h.apply(func(cfg *configv1.Destination) { cfg.Limits.BatchSize = 1 })
		h.crm.down()
		ids := h.accept(people(9)...)
		h.rest(10 * time.Minute)
		h.crm.script(nil) // but pings fail
		h.rest(5 * time.Minute)
		for _, id := range ids {
			h.expectState(id, done)
		}
	})
}

func TestAnOutageWhileTheAccountMayBeAnotherIsSeenBeforeAnyDelivery(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		h.crm.traits.Account = ""
		h.crm.pongs(crm.Outcome{Kind: crm.Delivered, Account: "4711"})
		h.apply(nil)
		h.accept("ada@example.com Ada")
		h.rest(time.Second)
		if account := h.status("crm").GetAccount(); account != "4711" {
			t.Errorf("after the first delivery the account is %q", account)
		}
		h.crm.down()
		before := h.crm.pinged()
		h.apply(func(cfg *configv1.Destination) { cfg.GetHttp().Headers = map[string]string{"X-Site": "2"} })
		id := h.accept("ada@example.com Ada")[0]
		h.rest(10 * time.Minute)
		h.expectState(id, pending)
		if n := h.crm.pinged() - before; n > 20 || n < 10 {
			t.Errorf("%d pings in ten minutes", n)
		}
		h.crm.up()
		h.rest(time.Minute)
		h.expectState(id, done)
	})
}

func TestChangedCredentialsAreTriedAtOnce(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		var token atomic.Value
		token.Store("old")
		config := workerConfig("r1", nil)
		config.Secret = func(string) (string, error) { return token.Load().(string), nil }
		h.crm.usesSecret = true
		h.crm.script(func(_ context.Context, batch []crm.Item) []crm.Outcome {
			if token.Load() == "old" {
				return each(batch, crm.Outcome{Kind: crm.CredentialsRefused, Reason: "expired", Status: 401})
			}
			return each(batch, delivered)
		})
		h.crm.pongs(crm.Outcome{Kind: crm.CredentialsRefused, Reason: "expired", Status: 401})
		if err := h.worker.Apply(config); err != nil {
			t.Fatal(err)
		}
		id := h.accept("ada@example.com Ada")[0]
		h.rest(10*time.Minute + time.Second)
		d := h.expectState(id, retryWait)
		if n := h.crm.pinged(); n != 20 || d.GetAttemptCount() != 2 { // the second one after ten minutes
			t.Errorf("%d probes and %d attempts in ten minutes", n, d.GetAttemptCount())
		}
		token.Store("new")
		h.crm.pongs(crm.Outcome{Kind: crm.Delivered})
		h.rest(1100 * time.Millisecond)
		h.expectState(id, done)
	})
}

func TestTheBudgetOfADayIsKeptAcrossRestarts(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		limit := func(cfg *configv1.Destination) { cfg.Limits = &configv1.Limits{BatchSize: 1, RequestsPerDay: 10} }
		h.apply(limit)
		h.accept(people(4)...)
		h.rest(time.Second)
		if s := h.status("crm"); s.GetRequestsPerDayLimit() != 10 || s.GetRequestsLeftToday() != 6 {
			t.Errorf("shown as %v", s)
		}
		h.restart()
		h.apply(limit)
		h.accept(people(100)...)
		h.rest(time.Minute)
		if n := len(h.crm.seen()); n > 10 || n < 9 { // one may have been taken and not used before the stop
			t.Errorf("%d requests on the first day, want 10", n)
		}
		if s := h.status("crm"); s.GetStatus() != leadgatev1.DestinationStatus_DESTINATION_STATUS_RATE_LIMITED || s.GetResumeTime() == nil {
			t.Errorf("shown as %v", s)
		}
		h.expectDestinationEvents("quota_spent")
	})
}

func TestABatchThatIsTooLargeIsHalvedThoughTheCRMNamesATime(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		h.apply(func(cfg *configv1.Destination) { cfg.Limits = &configv1.Limits{Concurrency: 1} })
		h.crm.script(func(_ context.Context, batch []crm.Item) []crm.Outcome {
			if len(batch) > 2 { // 413 with Retry-After, as in RFC 9110 §15.5.14
				return each(batch, crm.Outcome{Kind: crm.Split, Reason: "too large", After: time.Minute})
			}
			return each(batch, delivered)
		})
		ids := h.accept(people(20)...)
		h.rest(time.Minute)
		for _, id := range ids {
			h.expectState(id, done)
		}
	})
}

func TestALeadCountsOnceForThePaceHoweverManyRequestsItTakes(t *testing.T) {
	t.Parallel()
	for name, splits := range map[string]bool{"one by one": false, "in halves": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T, h *house) {
				var env crm.Environment
				h.crm.onOpen = func(opened crm.Environment) { env = opened }
				h.apply(func(cfg *configv1.Destination) { cfg.Limits = &configv1.Limits{Concurrency: 1, LeadsPerSecond: 50} })
				h.crm.script(func(ctx context.Context, batch []crm.Item) []crm.Outcome {
					if splits && len(batch) > 1 {
						return each(batch, crm.Outcome{Kind: crm.Split, Reason: "in halves, please"})
					}
					for range batch[1:] { // the first slot is already there
						req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://crm.example", nil)
						if err != nil {
							t.Fatal(err)
						}
						res, err := env.Client.Do(req)
						if err != nil {
							t.Error(err)
							continue
						}
						res.Body.Close()
					}
					return each(batch, delivered)
				})
				h.accept(people(200)...)
				h.rest(6 * time.Second)
				if n := h.status("crm").GetDelivered(); n != 200 {
					t.Errorf("%d of 200 leads in six seconds at fifty a second", n)
				}
			})
		})
	}
}

func TestNotMoreLeadsASecondThanAllowedHoweverTheyAreBatched(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		h.apply(func(cfg *configv1.Destination) { cfg.Limits = &configv1.Limits{Concurrency: 3, LeadsPerSecond: 25} })
		h.accept(people(200)...)
		h.rest(12 * time.Second)
		type sent struct {
			at time.Time
			n  int
		}
		var all []sent
		total := 0
		for _, c := range h.crm.seen() {
			all = append(all, sent{c.at, len(c.items)})
			total += len(c.items)
		}
		for i := range all {
			n := 0
			for j := i; j < len(all) && all[j].at.Sub(all[i].at) < time.Second; j++ {
				n += all[j].n
			}
			if n > 25 {
				t.Fatalf("%d leads within a second", n)
			}
		}
		if total != 200 {
			t.Errorf("%d of 200 leads in twelve seconds", total)
		}
	})
}

func TestAnotherAccountGetsNothingThatWasMeantForTheFirst(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		h.crm.traits.Account = ""
		h.crm.pongs(crm.Outcome{Kind: crm.Delivered, Account: "4711"})
		var token atomic.Value
		token.Store("a")
		config := workerConfig("r1", func(cfg *configv1.Destination) {
			cfg.GetHttp().Headers = map[string]string{"Authorization": "Bearer ${env:TOKEN}"}
		})
		config.Secret = func(string) (string, error) { return token.Load().(string), nil }
		h.crm.usesSecret = true
		if err := h.worker.Apply(config); err != nil {
			t.Fatal(err)
		}
		first := h.accept("ada@example.com Ada")[0]
		h.rest(time.Second)
		h.expectState(first, done)
		h.crm.always(crm.Outcome{Kind: crm.Retry, Reason: "busy"})
		waits := h.accept("bob@example.com", "bob@example.com", "eve@example.com")
		h.rest(time.Second)
		h.crm.pongs(crm.Outcome{Kind: crm.Delivered, Account: "4712"})
		token.Store("b")
		h.rest(0)
		h.crm.script(nil)
		before := len(h.crm.seen())
		h.rest(10 * time.Second)
		for _, id := range waits {
			d := h.expectState(id, leadgatev1.DeliveryState_DELIVERY_STATE_HELD)
			if !strings.Contains(d.GetReason(), "4711") || !strings.Contains(d.GetReason(), "4712") {
				t.Errorf("held because %q", d.GetReason())
			}
		}
		if n := len(h.crm.seen()); n != before {
			t.Errorf("%d calls to the other account", n-before)
		}
		h.expectDestinationEvents("held")
		if s := h.status("crm"); s.GetAccount() != "4712" || s.GetHeld() != 3 {
			t.Errorf("shown as %v", s)
		}
		next := h.accept("ada@example.com Ada")[0]
		h.rest(time.Second)
		h.expectState(next, done)
		h.restart()
		if err := h.worker.Apply(config); err != nil {
			t.Fatal(err)
		}
		h.rest(time.Second)
		h.expectState(waits[0], leadgatev1.DeliveryState_DELIVERY_STATE_HELD)
	})
}

func TestADeadAndASlowDestinationCostTheOthersNothing(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		const others = 98
		configs := map[string]*configv1.Destination{}
		for i := range others + 2 {
			name := fmt.Sprintf("d%d", i)
			f := h.addCRM(name, crm.Traits{Kind: "fake", MaxBatch: 1, Account: name})
			switch i {
			case others:
				f.down()
			case others + 1:
				f.script(func(_ context.Context, batch []crm.Item) []crm.Outcome {
					time.Sleep(20 * time.Second) // on the bubble's clock
					return each(batch, delivered)
				})
			}
			configs[name] = fakeDestination(name, nil)
		}
		h.applyAll("r1", configs)
		h.rest(time.Second)
		start := time.Now()
		for i := range others + 2 {
			h.acceptFor(fmt.Sprintf("d%d", i), people(3)...)
		}
		h.rest(time.Minute)
		for i := range others {
			for _, c := range h.crms[fmt.Sprintf("d%d", i)].seen() {
				if took := c.at.Sub(start); took > 0 {
					t.Errorf("destination %d was called after %v", i, took)
				}
			}
			if n := len(h.crms[fmt.Sprintf("d%d", i)].seen()); n != 3 {
				t.Errorf("destination %d was called %d times", i, n)
			}
		}
	})
}
