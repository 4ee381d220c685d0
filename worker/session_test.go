package worker_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker"
	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/crm/simulator"
	"github.com/leadgate/leadgate/worker/store"
)

// counted says how many sessions were opened with a CRM, and how often its properties were read and it was pinged.
type counted struct{ opened, schemas, pings int }

func (f *fakeCRM) counted() counted {
	f.mu.Lock()
	defer f.mu.Unlock()
	return counted{f.opened, f.schemas, len(f.pings)}
}

func (f *fakeCRM) cannotBeRead(outcome crm.Outcome) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.unreadable = outcome
}

func TestAConfigurationThatLeavesADestinationAloneKeepsWhatIsKnownOfTheCRM(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		var token atomic.Value
		token.Store("a")
		apply := func(revision string, change func(*configv1.Destination)) {
			t.Helper()
			config := workerConfig(revision, func(cfg *configv1.Destination) {
				cfg.GetHttp().Headers = map[string]string{"Authorization": "${env:TOKEN}"}
				if change != nil {
					change(cfg)
				}
			})
			config.Secret = func(string) (string, error) { return token.Load().(string), nil }
			if err := h.worker.Apply(config); err != nil {
				t.Fatal(err)
			}
			h.accept("ada@example.com Ada")
			h.rest(2 * time.Second)
		}
		h.crm.traits.Account, h.crm.usesSecret = "", true
		h.crm.has(crm.Property{Name: "email"}, crm.Property{Name: "name"}, crm.Property{Name: "mail"})
		h.crm.pongs(crm.Outcome{Kind: crm.Delivered, Account: "4711"})
		for _, step := range []struct {
			name   string
			change func(*configv1.Destination)
			token  string
			want   counted
		}{
			{"the first", nil, "a", counted{1, 1, 1}},
			{"the same", nil, "a", counted{1, 1, 1}},
			{"another limit", func(cfg *configv1.Destination) { cfg.Limits.Concurrency = 2 }, "a", counted{1, 1, 1}},
			{"another mapping", func(cfg *configv1.Destination) { cfg.Properties = map[string]string{"mail": "email"} }, "a", counted{1, 2, 1}},
			{"another secret", func(cfg *configv1.Destination) { cfg.Properties = map[string]string{"mail": "email"} }, "b", counted{2, 3, 2}},
			{"another address", func(cfg *configv1.Destination) { cfg.GetHttp().Headers["X-Site"] = "2" }, "b", counted{3, 4, 3}},
		} {
			token.Store(step.token)
			apply("r "+step.name, step.change)
			if got := h.crm.counted(); got != step.want {
				t.Errorf("%s: %+v, want %+v", step.name, got, step.want)
			}
		}
		token.Store("c")
		h.rest(time.Hour) // the hourly read of the properties also checks the secrets
		if got := h.crm.counted(); got.opened != 4 || h.status("crm").GetAccount() != "4711" {
			t.Errorf("after the secret changed: %+v", got)
		}
		calls := h.crm.seen()
		if len(calls) != 6 || string(calls[3].items[0].Payload) != `{"mail":"ada@example.com"}` {
			t.Errorf("%d calls: %v", len(calls), calls)
		}
	})
}

func TestTheAccountIsAskedForBeforeTheFirstDeliveryOfEveryRun(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		h.crm.traits.Account = ""
		h.crm.pongs(crm.Outcome{Kind: crm.Delivered, Account: "4711"})
		for run := range 2 {
			h.apply(nil)
			id := h.accept("ada@example.com Ada")[0]
			h.rest(time.Second)
			h.expectState(id, done)
			if pings := h.crm.pings; len(pings) != run+1 || pings[run].After(h.crm.seen()[run].at) {
				t.Errorf("run %d pinged at %v", run, pings)
			}
			h.restart()
		}
		h.crm.pongs(noConnection) // which stops no deliveries
		h.apply(nil)
		id := h.accept("ada@example.com Ada")[0]
		h.rest(time.Second)
		h.expectState(id, done)
		if account := h.status("crm").GetAccount(); account != "4711" {
			t.Errorf("the account is %q", account)
		}
	})
}

func TestPropertiesThatCannotBeReadAreReadAgainSoon(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		h.crm.has(crm.Property{Name: "email"}, crm.Property{Name: "name"})
		h.apply(nil)
		h.rest(time.Second)
		h.crm.cannotBeRead(crm.Outcome{Kind: crm.Retry, Reason: "busy"})
		h.apply(func(cfg *configv1.Destination) { cfg.Properties = map[string]string{"email": "email"} })
		h.rest(time.Second)
		if n := h.crm.counted().schemas; n != 2 {
			t.Fatalf("read %d times", n)
		}
		h.rest(5 * time.Second) // after a hiccup it is read again soon, while deliveries go out unchecked
		if n := h.crm.counted().schemas; n != 3 {
			t.Errorf("read %d times after five seconds", n)
		}
		h.rest(time.Hour) // after 10, 20, 40, 80, 160 s, then every 5 min
		if n := h.crm.counted().schemas; n != 3+5+10 {
			t.Errorf("read %d times after an hour", n)
		}
		h.crm.cannotBeRead(crm.Outcome{})
		h.rest(5 * time.Minute)
		h.rest(50 * time.Minute)
		if n := h.crm.counted().schemas; n != 3+5+10+1 {
			t.Errorf("read %d times after another hour, want one more since it can be read", n)
		}
	})
}

func TestWhileThePropertiesAreReadNothingSpins(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		h.crm.has(crm.Property{Name: "email"}, crm.Property{Name: "name"})
		h.apply(nil)
		h.rest(time.Second)
		h.crm.mu.Lock()
		h.crm.slow = 3 * time.Minute
		h.crm.mu.Unlock()
		h.apply(func(cfg *configv1.Destination) { cfg.Properties = map[string]string{"email": "email"} })
		h.rest(time.Second)
		h.crm.always(crm.Outcome{Kind: crm.Delivered, RecordID: "1", Status: 200, Dropped: []string{"name"}})
		h.accept("ada@example.com")
		h.rest(10 * time.Minute) // if anything spins, the clock stands still
		if n := h.crm.counted().schemas; n != 3 {
			t.Errorf("read %d times", n)
		}
	})
}

func TestAPauseThatTheCRMAskedForEndsWhenAPersonSaysSoOrItIsAnother(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		h.apply(nil)
		pausedFor := func() string {
			t.Helper()
			h.crm.always(crm.Outcome{Kind: crm.RateLimited, After: 20 * time.Hour, Reason: "the day's calls are used up", Status: 429})
			id := h.accept("ada@example.com Ada")[0]
			h.rest(time.Second)
			if s := h.status("crm").GetStatus(); s != leadgatev1.DestinationStatus_DESTINATION_STATUS_RATE_LIMITED {
				t.Fatalf("the destination is %v", s)
			}
			h.crm.always(delivered)
			return id
		}
		id := pausedFor()
		h.apply(nil) // as if a form had changed
		h.rest(time.Minute)
		h.expectState(id, retryWait)
		h.resume("crm")
		h.rest(time.Second)
		h.expectState(id, done)
		h.expectDestinationEvents("rate_limited", "resumed")
		id = pausedFor()
		h.apply(func(cfg *configv1.Destination) { cfg.GetHttp().Headers = map[string]string{"X-Site": "2"} })
		h.rest(time.Second)
		h.expectState(id, done)
		h.expectDestinationEvents("rate_limited", "resumed", "rate_limited", "resumed")
	})
}

// slowStore takes two seconds to settle.
type slowStore struct{ store.Store }

func (s slowStore) Settle(ctx context.Context, steps ...*store.Step) ([]store.Stepped, error) {
	time.Sleep(2 * time.Second) // on the bubble's clock
	return s.Store.Settle(ctx, steps...)
}

func TestAPauseThatIsEndedWhileACallIsSettledIsOverForItToo(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		h.close()
		h.wrap = func(s store.Store) store.Store { return slowStore{s} }
		h.open()
		h.apply(nil)
		h.crm.always(crm.Outcome{Kind: crm.RateLimited, After: 20 * time.Hour, Reason: "too much", Status: 429})
		id := h.accept("ada@example.com Ada")[0]
		h.rest(time.Second)
		h.crm.always(delivered)
		h.resume("crm")
		h.rest(time.Minute)
		h.expectState(id, done)
	})
}

func TestTheEndOfAPauseIsNoneOfWhatWaitedForAnother(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		h.close()
		h.wrap = func(s store.Store) store.Store { return slowStore{s} }
		h.open()
		h.apply(nil)
		h.crm.always(crm.Outcome{Kind: crm.RateLimited, After: time.Second, Reason: "too fast", Status: 429})
		id := h.accept("ada@example.com Ada")[0]
		h.rest(time.Second)
		h.crm.always(crm.Outcome{Kind: crm.Refused, Reason: "no", Status: 400})
		h.rest(time.Minute)
		h.expectState(id, dead)
		h.resume("crm") // although there is no pause
		h.expectDestinationEvents("rate_limited", "resumed")
		h.crm.always(crm.Outcome{Kind: crm.RateLimited, After: time.Hour, Reason: "too much", Status: 429})
		h.accept("eve@example.com Eve")
		h.rest(time.Minute)
		h.resume("crm")
		h.rest(time.Minute)
		h.expectState(id, dead)
	})
}

func TestABudgetThatIsSpentIsTriedWhenAPersonSaysSo(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		var report func(crm.Quota)
		h.crm.onOpen = func(env crm.Environment) { report = env.Report }
		h.apply(func(cfg *configv1.Destination) { cfg.Limits.RequestsPerSecond = 10 })
		h.rest(2 * time.Second)
		report(crm.Quota{Window: 24 * time.Hour, Limit: 1000, Remaining: 0, Reset: time.Now().Add(20 * time.Hour)})
		id := h.accept("ada@example.com Ada")[0]
		h.rest(time.Minute)
		h.expectState(id, pending)
		h.resume("crm")
		more := h.accept("bob@example.com", "eve@example.com")
		h.rest(time.Second)
		for _, id := range append(more, id) {
			h.expectState(id, done)
		}
		h.expectDestinationEvents("quota_spent", "resumed")
	})
}

// With a spent budget, there is one call an hour to find out more. A person who tests the destination does not wait that long.
func TestATestThatThePaceDoesNotAllowSaysSo(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		var report func(crm.Quota)
		h.crm.onOpen = func(env crm.Environment) { report = env.Report }
		h.apply(nil)
		h.rest(2 * time.Second)
		report(crm.Quota{Window: 24 * time.Hour, Limit: 1000, Remaining: 0})
		start := time.Now()
		for range 2 { // the first may use up the call
			answer, err := h.service.TestDestination(t.Context(), &leadgatev1.TestDestinationRequest{Name: "crm"})
			if err != nil {
				t.Fatal(err)
			}
			if r := answer.GetReport(); !r.GetReachable() && (!strings.Contains(r.GetProblem(), "its pace allows no call within 10s") || !strings.HasSuffix(r.GetProblem(), "leadgate destinations resume crm")) {
				t.Errorf("it said %v", r)
			}
		}
		if waited := time.Since(start); waited > 30*time.Second {
			t.Errorf("it took %s", waited)
		}
	})
}

// The CRM asks for a quarter of an hour, and also says that nothing is left for the day.
func TestADeliveryIsDueWhenThePauseIsOver(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		var report func(crm.Quota)
		h.crm.onOpen = func(env crm.Environment) { report = env.Report }
		h.apply(nil)
		h.crm.script(func(_ context.Context, batch []crm.Item) []crm.Outcome {
			report(crm.Quota{Window: 24 * time.Hour, Limit: 1000, Remaining: 0})
			return each(batch, crm.Outcome{Kind: crm.RateLimited, Reason: "used up", After: 15 * time.Minute})
		})
		id := h.accept("ada@example.com")[0]
		h.rest(time.Minute)
		due, resumes := h.expectState(id, retryWait).GetDueTime().AsTime(), h.status("crm").GetResumeTime().AsTime()
		if due.Before(resumes) || due.Sub(resumes) > time.Minute {
			t.Errorf("it is due at %s, and deliveries go on at %s", due, resumes)
		}
	})
}

// Zoho silently drops values for fields that it does not have; only reading the fields shows which those are.
func TestAFieldThatZohoHasNoMoreIsNamedAfterAReloadToo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		kind := mixedKinds()["zoho"]
		kind.destination.Properties = map[string]string{"Email": "email", "Last_Name": "first_name", "Description": "first_name"}
		m := newMixed(t, kind)
		change := httptest.NewRequest(http.MethodPost, "/_sim/fields", strings.NewReader(`{"remove":["Description"]}`))
		change.Header.Set("Content-Type", "application/json")
		changed := httptest.NewRecorder()
		if m.crm.ServeHTTP(changed, change); changed.Code != http.StatusNoContent {
			t.Fatal(changed.Code, changed.Body)
		}
		m.start()
		m.door.expect([]lead{{}, {}})
		for i := range 2 {
			if i > 0 { // a form is edited while the fields cannot be read
				m.crm.SetFaults(simulator.Faults{Status: http.StatusBadGateway, Path: "settings/fields"})
				if err := m.worker.Apply(worker.Config{
					Revision: "r2", Destinations: map[string]*configv1.Destination{"crm": proto.CloneOf(m.destination)},
					Secret: func(value string) (string, error) { return value, nil },
				}); err != nil {
					t.Fatal(err)
				}
			}
			id := m.accept(lead{email: fmt.Sprintf("p%d@example.com", i), name: fmt.Sprintf("Ada%06d", i)})[0] + ".crm"
			time.Sleep(time.Minute) // on the bubble's clock
			d, err := m.store.Delivery(t.Context(), id)
			if err != nil || d.GetState() != done {
				t.Fatal(d, err)
			}
			if a := d.GetAttempts()[0]; !slices.Equal(a.GetDroppedProperties(), []string{"Description"}) {
				t.Errorf("delivery %d: %v", i, a)
			}
		}
	})
}

// Getting a token is not cut short, because its refresh token may be used up.
func TestWhatCannotBeCutShortKeepsNoStopWaiting(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		h.crm.traits.Account, h.crm.usesSecret = "", true
		config := workerConfig("r1", nil)
		config.Secret = func(string) (string, error) {
			time.Sleep(time.Minute) // on the bubble's clock
			return "t", nil
		}
		if err := h.worker.Apply(config); err != nil {
			t.Fatal(err)
		}
		h.rest(time.Second)
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if err := h.worker.Stop(ctx); err == nil || time.Since(began) > 15*time.Second {
			t.Errorf("stopped after %v: %v", time.Since(began), err)
		}
		h.rest(time.Minute)
	})
}
