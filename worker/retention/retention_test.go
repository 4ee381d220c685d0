package retention_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/types/known/timestamppb"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/journal"
	"github.com/leadgate/leadgate/worker/retention"
	"github.com/leadgate/leadgate/worker/store"
	"github.com/leadgate/leadgate/worker/store/badger"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const day = 24 * time.Hour

// house is a keeper with its store, on a clock that only the test advances.
type house struct {
	t      *testing.T
	store  store.Store
	keeper *retention.Keeper

	mu     sync.Mutex
	now    time.Time
	events []*leadgatev1.Event
}

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{t: t, now: time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)}
	j := journal.New(journal.Options{Now: h.time})
	s, err := badger.Open(badger.Options{Dir: t.TempDir(), Now: h.time, SweepInterval: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	h.store = s
	stop := j.Tap(func(events []*leadgatev1.Event) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.events = append(h.events, events...)
	})
	h.keeper = retention.New(retention.Options{Store: s, Journal: j, Now: h.time})
	t.Cleanup(func() {
		h.keeper.Stop()
		j.Close()
		stop()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

func (h *house) time() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

func (h *house) pass(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(d)
}

func (h *house) accept(email string) string {
	h.t.Helper()
	id := uuid.Must(uuid.NewV7())
	ms := h.time().UnixMilli()
	for i := range 6 {
		id[i] = byte(ms >> (8 * (5 - i)))
	}
	results, err := h.store.Accept(h.t.Context(), &store.Acceptance{
		Record: &leadgatev1.LeadRecord{
			LeadId: id.String(), State: leadgatev1.LeadState_LEAD_STATE_OPEN, CreateTime: timestamppb.New(h.time()),
			Lead: &leadgatev1.Lead{Email: email, Source: &leadgatev1.Source{Form: "contact"}},
		},
		Destinations: []string{"crm"},
	})
	if err != nil || results[0].Err != nil {
		h.t.Fatal(results, err)
	}
	return id.String()
}

// end puts every due delivery into a final state.
func (h *house) end(state leadgatev1.DeliveryState) {
	h.t.Helper()
	claims, err := h.store.Claim(h.t.Context(), "crm", 100)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, claim := range claims.Items {
		d := claim.Delivery
		d.State, d.DueTime, d.UpdateTime = state, nil, timestamppb.New(h.time())
		if results, err := h.store.Settle(h.t.Context(), &store.Step{Claim: claim, Delivery: d}); err != nil || results[0].Err != nil {
			h.t.Fatal(results, err)
		}
	}
}

func (h *house) round() {
	h.t.Helper()
	if err := h.keeper.Round(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) kept(leadID string) bool {
	h.t.Helper()
	_, err := h.store.Lead(h.t.Context(), leadID)
	return err == nil
}

// told returns the events of a type that the journal has delivered so far.
func (h *house) told(what leadgatev1.SystemEventType) (details []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range h.events {
		if e.GetSystem().GetType() == what {
			details = append(details, e.GetSystem().GetDetail())
		}
	}
	return details
}

const (
	delivered = leadgatev1.DeliveryState_DELIVERY_STATE_DELIVERED
	dead      = leadgatev1.DeliveryState_DELIVERY_STATE_DEAD
)

func TestADeliveredLeadGoesThirtyDaysAfterItWasDelivered(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := h.accept("ada@example.com")
	h.pass(5 * day)
	h.end(delivered)
	h.pass(30 * day)
	h.round()
	if !h.kept(id) {
		t.Fatal("it went at thirty days")
	}
	h.pass(time.Second)
	h.round()
	if h.kept(id) {
		t.Fatal("it is still there")
	}
	counts, err := h.store.Counts(context.Background())
	if err != nil || counts["crm"].ByState[delivered] != 1 {
		t.Errorf("counts are %v, %v", counts, err)
	}
}

func TestAnUndeliveredLeadGoesOnlyAWeekAfterItWasAnnounced(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := h.accept("ada@example.com")
	h.end(dead)
	h.pass(172 * day)
	h.round()
	h.pass(2 * day)
	for range 3 { // it is announced only once
		h.round()
		h.pass(time.Hour)
	}
	h.pass(5 * day)
	h.round()
	if !h.kept(id) {
		t.Fatal("it went before its time")
	}
	h.pass(2 * day)
	h.round()
	if h.kept(id) {
		t.Fatal("it is still there")
	}
	h.keeper.Stop()
	warnings := h.settled(leadgatev1.SystemEventType_SYSTEM_EVENT_TYPE_RETENTION_WARNING)
	if len(warnings) != 1 || !strings.Contains(warnings[0], "1 undelivered lead will be removed") || !strings.Contains(warnings[0], "2026-01-01") {
		t.Errorf("warnings are %q", warnings)
	}
	if counts, err := h.store.Counts(context.Background()); err != nil || counts["crm"].ByState[dead] != 0 {
		t.Errorf("counts are %v, %v", counts, err)
	}
}

// settled waits for the event that leads were removed, which comes last, and returns the events of a type.
func (h *house) settled(what leadgatev1.SystemEventType) []string {
	h.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if len(h.told(leadgatev1.SystemEventType_SYSTEM_EVENT_TYPE_RETENTION_REMOVED)) > 0 {
			return h.told(what)
		}
	}
	h.t.Fatal("nothing was told")
	return nil
}

func TestAfterALongRestNothingUndeliveredGoesUnannounced(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := h.accept("ada@example.com")
	h.end(dead)
	h.pass(400 * day) // the machine was off
	for range 7 {
		h.round()
		if !h.kept(id) {
			t.Fatal("it went unannounced")
		}
		h.pass(day)
	}
	h.round()
	if h.kept(id) {
		t.Error("a week after it was announced it is still there")
	}
}

func TestAShorterRetentionTakesEffectAndManyAreRemovedInSteps(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	const n = 450
	for i := range n {
		h.accept(fmt.Sprintf("p%d@example.com", i))
	}
	for range n/100 + 1 {
		h.end(delivered)
	}
	h.pass(2 * day)
	kept := h.accept("late@example.com")
	h.round()
	h.keeper.Apply(retention.Policy{Delivered: day, Undelivered: 8 * day})
	h.round()
	page, _, err := h.store.Leads(t.Context(), store.LeadQuery{}, 10, "")
	if err != nil || len(page) != 1 || page[0].GetLeadId() != kept {
		t.Errorf("kept are %v, %v", page, err)
	}
}

// stuck is a store with a lead that cannot be removed.
type stuck struct{ store.Store }

func (stuck) Purge(context.Context, store.Retention, int, string) (store.Purged, error) {
	return store.Purged{Failed: errors.New("lead 7: it cannot be read")}, nil
}

func TestWhatCannotBeRemovedIsToldOnceADay(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var log strings.Builder
	j := journal.New(journal.Options{Now: h.time})
	defer j.Close()
	keeper := retention.New(retention.Options{Store: stuck{h.store}, Journal: j, Now: h.time, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	for range 48 {
		if err := keeper.Round(t.Context()); err != nil {
			t.Fatal(err)
		}
		h.pass(time.Hour)
	}
	if n := strings.Count(log.String(), "lead 7"); n != 2 {
		t.Errorf("told %d times in two days", n)
	}
}
