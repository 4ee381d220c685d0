package worker_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/store"
)

const held = leadgatev1.DeliveryState_DELIVERY_STATE_HELD

// withoutCRM is a configuration without destination "crm".
func (h *house) withoutCRM() map[string]*configv1.Destination {
	h.addCRM("other", crm.Traits{Kind: "fake", MaxBatch: 1, Account: "other"})
	return map[string]*configv1.Destination{"other": fakeDestination("other", nil)}
}

func TestWhatWaitsForADestinationThatIsRemovedIsHeld(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		h.apply(nil)
		h.pause("crm")
		ids := h.accept(people(3)...)
		h.rest(time.Second)
		h.applyAll("r2", h.withoutCRM())
		h.rest(0)
		for _, id := range ids {
			if d := h.expectState(id, held); !strings.Contains(d.GetReason(), "no longer configured") {
				t.Errorf("held because %q", d.GetReason())
			}
		}
	})
}

func TestWhatBeginsToWaitAfterItsDestinationWasRemovedIsHeld(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		h.apply(nil)
		h.crm.script(func(_ context.Context, batch []crm.Item) []crm.Outcome {
			time.Sleep(10 * time.Second) // on the bubble's clock
			return each(batch, crm.Outcome{Kind: crm.Retry, Reason: "busy"})
		})
		underWay := h.accept("ada@example.com Ada")[0]
		h.rest(time.Second)
		h.applyAll("r2", h.withoutCRM())
		h.rest(time.Second)
		h.expectState(underWay, inFlight)
		h.rest(10 * time.Second) // the call has ended
		h.expectState(underWay, held)
		accepted := h.accept("eve@example.com Eve")[0] // under the previous configuration
		h.rest(time.Minute)
		h.expectState(accepted, held)
		h.expectDestinationEvents("held", "held")
	})
}

// meddlingStore calls meddle once, after a page of waiting deliveries was read.
type meddlingStore struct {
	store.Store
	once   sync.Once
	meddle func()
}

func (s *meddlingStore) Deliveries(ctx context.Context, q store.DeliveryQuery, limit int, token string) ([]*leadgatev1.Delivery, string, error) {
	page, next, err := s.Store.Deliveries(ctx, q, limit, token)
	if s.meddle != nil && q.State != 0 {
		s.once.Do(s.meddle)
	}
	return page, next, err
}

func TestADestinationThatIsConfiguredAgainLosesNothingToTheSweep(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		h.close()
		meddling := &meddlingStore{}
		h.wrap = func(s store.Store) store.Store {
			meddling.Store = s
			return meddling
		}
		h.open()
		h.apply(nil)
		h.pause("crm")
		ids := h.accept(people(3)...)
		meddling.meddle = func() {
			h.apply(nil)
			ids = append(ids, h.accept("ada@example.com Ada")...)
		}
		h.rest(time.Second)
		h.applyAll("r2", h.withoutCRM())
		h.rest(time.Second)
		h.resume("crm")
		h.rest(2 * time.Minute)
		for _, id := range ids {
			h.expectState(id, done)
		}
		if len(ids) != 4 {
			t.Errorf("%d leads", len(ids))
		}
	})
}
