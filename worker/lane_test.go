package worker_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker"
	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/mapping"
	"github.com/leadgate/leadgate/worker/store"
)

func workerConfig(revision string, change func(*configv1.Destination)) worker.Config {
	return worker.Config{Revision: revision, Destinations: map[string]*configv1.Destination{"crm": fakeDestination("crm", change)}}
}

func (h *house) pause(name string) {
	h.t.Helper()
	if _, err := h.service.PauseDestination(h.t.Context(), &leadgatev1.PauseDestinationRequest{Name: name, Reason: "the CRM is being moved"}); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) resume(name string) {
	h.t.Helper()
	if _, err := h.service.ResumeDestination(h.t.Context(), &leadgatev1.ResumeDestinationRequest{Name: name}); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) status(name string) *leadgatev1.Destination {
	h.t.Helper()
	all, err := h.service.ListDestinations(h.t.Context(), &leadgatev1.ListDestinationsRequest{})
	if err != nil {
		h.t.Fatal(err)
	}
	for _, d := range all.GetDestinations() {
		if d.GetName() == name {
			return d
		}
	}
	h.t.Fatalf("%s is not among %v", name, all)
	return nil
}

func TestCallsKeepThePaceOfTheDestination(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		h.apply(func(cfg *configv1.Destination) {
			cfg.Limits = &configv1.Limits{RequestsPerSecond: 5, BatchSize: 1, Concurrency: 4}
		})
		start := time.Now()
		ids := h.accept(people(22)...)
		h.rest(10 * time.Second)
		for _, id := range ids {
			h.expectState(id, done)
		}
		calls := h.crm.seen()
		if calls[0].at.Sub(start) < time.Second {
			t.Error("the first second after the start was not waited out")
		}
		for i := range len(calls) - 5 {
			if gap := calls[i+5].at.Sub(calls[i].at); gap < time.Second {
				t.Errorf("six calls within %v", gap)
			}
		}
		if took := calls[len(calls)-1].at.Sub(start); took > 6*time.Second {
			t.Errorf("22 calls at 5 a second took %v", took)
		}
	})
}

func TestAtMostTheConfiguredNumberOfCallsIsUnderWay(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		h.crm.script(func(_ context.Context, batch []crm.Item) []crm.Outcome {
			time.Sleep(time.Second) // on the bubble's clock
			return each(batch, delivered)
		})
		h.accept(people(40)...)
		h.apply(func(cfg *configv1.Destination) { cfg.Limits = &configv1.Limits{Concurrency: 3, BatchSize: 2} })
		h.rest(2500 * time.Millisecond)
		if h.crm.most != 3 {
			t.Errorf("%d calls at one time, want 3", h.crm.most)
		}
		h.apply(func(cfg *configv1.Destination) { cfg.Limits = &configv1.Limits{Concurrency: 5, BatchSize: 2} })
		h.rest(10 * time.Second)
		if h.crm.most != 5 {
			t.Errorf("after the change %d calls at one time, want 5", h.crm.most)
		}
	})
}

func TestAPauseOutlivesARestart(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		h.apply(nil)
		h.pause("crm")
		h.pause("crm")
		id := h.accept("ada@example.com Ada")[0]
		h.rest(time.Minute)
		h.expectState(id, pending)
		h.restart()
		h.apply(nil)
		h.rest(time.Minute)
		h.expectState(id, pending)
		if s := h.status("crm"); s.GetStatus() != leadgatev1.DestinationStatus_DESTINATION_STATUS_PAUSED || s.GetOldestWaiting().AsDuration() < 2*time.Minute {
			t.Errorf("shown as %v", s)
		}
		if names, err := worker.Paused(t.Context(), h.store); err != nil || len(names) != 1 || names[0] != "crm" {
			t.Errorf("paused are %v, %v", names, err)
		}
		h.resume("crm")
		h.resume("crm")
		h.rest(0)
		h.expectState(id, done)
		if events := h.destinationEvents(); len(events) != 2 || events[0].GetDetail() != "the CRM is being moved" ||
			events[1].GetType() != leadgatev1.DestinationEventType_DESTINATION_EVENT_TYPE_RESUMED {
			t.Errorf("told %v", events)
		}
	})
}

func TestABadConfigurationChangesNothing(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		h.apply(nil)
		err := h.worker.Apply(worker.Config{Revision: "r2", Destinations: map[string]*configv1.Destination{
			"crm":   fakeDestination("crm", func(cfg *configv1.Destination) { cfg.Properties = map[string]string{"mail": "email"} }),
			"other": fakeDestination("unknown", nil),
			"third": fakeDestination("missing", nil),
		}})
		if err == nil || !strings.Contains(err.Error(), "destination other: ") || !strings.Contains(err.Error(), "destination third: ") {
			t.Fatalf("got %v", err)
		}
		id := h.accept("ada@example.com Ada")[0]
		h.rest(0)
		if a := h.expectState(id, done).GetAttempts()[0]; a.GetConfigRevision() != "r1" || a.GetPayload() != `{"email":"ada@example.com","name":"Ada"}` {
			t.Errorf("attempt is %v", a)
		}
	})
}

func TestMendedCredentialsAreTriedAtOnce(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		h.apply(nil)
		h.crm.always(crm.Outcome{Kind: crm.CredentialsRefused, Reason: "expired"})
		id := h.accept("ada@example.com Ada")[0]
		h.rest(time.Second)
		h.expectState(id, retryWait)
		h.crm.always(delivered)
		h.apply(nil)
		h.rest(0)
		h.expectState(id, done)
	})
}

func TestStoppingLetsCallsUnderWayFinish(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		h.crm.script(func(_ context.Context, batch []crm.Item) []crm.Outcome {
			time.Sleep(5 * time.Second) // on the bubble's clock
			return each(batch, delivered)
		})
		h.apply(func(cfg *configv1.Destination) { cfg.Limits.BatchSize = 1 })
		ids := h.accept(people(2)...)
		h.rest(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := h.worker.Stop(ctx); err != nil {
			t.Fatal(err)
		}
		h.expectState(ids[0], done)
		h.expectState(ids[1], pending)
		if err := h.worker.Apply(workerConfig("r2", nil)); err == nil {
			t.Error("a stopped worker takes a configuration")
		}
	})
}

func TestACallCutShortByStoppingGoesOutAtTheNextStartWithTheSameBytes(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		h.crm.script(func(ctx context.Context, batch []crm.Item) []crm.Outcome {
			<-ctx.Done()
			return each(batch, crm.Outcome{Kind: crm.Unknown, Reason: "cut short"})
		})
		h.apply(nil)
		id := h.accept("ada@example.com Ada")[0]
		h.rest(0)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := h.worker.Stop(ctx); err != nil {
			t.Fatal(err)
		}
		if d := h.expectState(id, retryWait); d.GetFailureCount() != 0 || d.GetDueTime().AsTime().After(time.Now()) {
			t.Errorf("waits as %v", d)
		}
		h.crm.always(delivered)
		h.restart()
		h.apply(func(cfg *configv1.Destination) { cfg.Properties = map[string]string{"mail": "email"} })
		h.rest(0)
		h.expectState(id, done)
		if calls := h.crm.seen(); string(calls[1].items[0].Payload) != string(calls[0].items[0].Payload) ||
			calls[1].items[0].IdempotencyValue != calls[0].items[0].IdempotencyValue {
			t.Errorf("first %v, then %v", calls[0].items, calls[1].items)
		}
	})
}

func TestACallThatNeverEndsCountsAsLostAtTheNextStart(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		release := make(chan struct{})
		h.crm.script(func(_ context.Context, batch []crm.Item) []crm.Outcome {
			<-release
			return each(batch, crm.Outcome{Kind: crm.Refused})
		})
		h.apply(nil)
		id := h.accept("ada@example.com Ada")[0]
		h.rest(0)
		h.expectState(id, inFlight)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := h.worker.Stop(ctx); err == nil {
			t.Error("nothing says that a call did not end")
		}
		h.crm.always(delivered)
		h.restart()
		h.apply(nil)
		h.rest(0)
		d := h.expectState(id, done)
		if a := d.GetAttempts(); len(a) != 2 || a[0].GetOutcome() != leadgatev1.AttemptOutcome_ATTEMPT_OUTCOME_UNKNOWN || a[1].GetIdempotencyValue() != a[0].GetIdempotencyValue() {
			t.Errorf("attempts are %v", a)
		}
		close(release) // the answer comes too late, and changes nothing
		h.rest(time.Second)
		h.expectState(id, done)
	})
}

// failingStore fails its first writes.
type failingStore struct {
	store.Store
	begins, settles, claims atomic.Int32 // how many more calls fail
}

func (f *failingStore) fail(n *atomic.Int32) error {
	if n.Add(-1) >= 0 {
		return fmt.Errorf("%w: the disk is full", store.ErrUnavailable)
	}
	return nil
}

func (f *failingStore) Claim(ctx context.Context, destination string, limit int) (store.Claims, error) {
	if err := f.fail(&f.claims); err != nil {
		return store.Claims{}, err
	}
	return f.Store.Claim(ctx, destination, limit)
}

func (f *failingStore) Begin(ctx context.Context, steps ...*store.Step) ([]store.Stepped, error) {
	if err := f.fail(&f.begins); err != nil {
		return nil, err
	}
	return f.Store.Begin(ctx, steps...)
}

func (f *failingStore) Settle(ctx context.Context, steps ...*store.Step) ([]store.Stepped, error) {
	if err := f.fail(&f.settles); err != nil {
		return nil, err
	}
	return f.Store.Settle(ctx, steps...)
}

func TestAStoreThatFailsForAWhileDelaysDeliveriesAndDoublesNone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		failing := &failingStore{}
		failing.claims.Store(3)
		failing.begins.Store(3)
		failing.settles.Store(3)
		h.wrap = func(s store.Store) store.Store { failing.Store = s; return failing }
		h.open()
		defer h.close()
		id := h.accept("ada@example.com Ada")[0]
		h.apply(nil)
		h.rest(5 * time.Second)
		if calls := len(h.crm.seen()); calls > 0 {
			t.Errorf("%d calls although no attempt could be recorded", calls)
		}
		h.rest(10 * time.Second)
		h.expectState(id, done)
		if calls := len(h.crm.seen()); calls != 1 {
			t.Errorf("%d calls", calls)
		}
		if log := h.log.String(); strings.Count(log, "disk is full") != 3 {
			t.Errorf("logged: %s", log)
		}
	})
}

func TestADeliveryThatIsTooLargeToBeRecordedIsHeldAndOthersGoOut(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		h.crm.encode = func(properties []mapping.Property) ([]byte, error) {
			for _, p := range properties {
				if p.Value == "Ada" {
					return json.Marshal(strings.Repeat("x", 1<<20))
				}
			}
			return []byte("{}"), nil
		}
		ids := h.accept("ada@example.com Ada", "bob@example.com Bob")
		h.apply(nil)
		h.rest(10 * time.Second)
		if d := h.expectState(ids[0], leadgatev1.DeliveryState_DELIVERY_STATE_HELD); !strings.HasPrefix(d.GetReason(), "TOO_LARGE: ") {
			t.Errorf("it is held because %q", d.GetReason())
		}
		h.expectState(ids[1], done)
	})
}

// brokenStore can be read, but not written.
type brokenStore struct{ store.Store }

func (brokenStore) Begin(context.Context, ...*store.Step) ([]store.Stepped, error) {
	return nil, fmt.Errorf("%w: a table is damaged", store.ErrUnavailable)
}

// strangers is a store that cannot record destinations.
type strangers struct{ store.Store }

func (s strangers) State(namespace string) store.State {
	if namespace == "destination" {
		return frozen{s.Store.State(namespace)}
	}
	return s.Store.State(namespace)
}

type frozen struct{ store.State }

func (frozen) CompareAndSet(context.Context, string, uint64, []byte, time.Time) error {
	return fmt.Errorf("%w: a table is damaged", store.ErrUnavailable)
}

func (frozen) Put(context.Context, string, []byte, time.Time) error {
	return fmt.Errorf("%w: a table is damaged", store.ErrUnavailable)
}

// Logging every failure would fill a disk that may already be full.
func TestAStoreThatFailsIsLoggedOnceAMinute(t *testing.T) {
	t.Parallel()
	t.Run("before the first delivery", func(t *testing.T) {
		t.Parallel()
		loggedOnceAMinute(t, func(s store.Store) store.Store { return strangers{s} })
	})
	t.Run("at each delivery", func(t *testing.T) {
		t.Parallel()
		loggedOnceAMinute(t, func(s store.Store) store.Store { return brokenStore{s} })
	})
}

func loggedOnceAMinute(t *testing.T, wrap func(store.Store) store.Store) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.wrap = wrap
		h.open()
		defer h.close()
		h.apply(nil)
		for i := range 10 {
			h.accept(fmt.Sprintf("ada%d@example.com", i))
		}
		h.rest(10*time.Minute + time.Second)
		if n := strings.Count(h.log.String(), "a table is damaged"); n < 10 || n > 12 {
			t.Errorf("in ten minutes it was logged %d times", n)
		}
	})
}
