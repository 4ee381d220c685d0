package badger_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/store"
)

// soaking skips a test unless long tests are enabled: make soak.
func soaking(t *testing.T) {
	t.Helper()
	if os.Getenv("LEADGATE_SOAK") == "" {
		t.Skip("it takes minutes; make soak runs it")
	}
}

// many is how many leads the long tests store; README.md has their measurements.
const many = 1_000_000

// stock accepts leads: of a hundred persons, one has a thousand times as many as any other; one form and one destination are
// rare; some leads are held.
func stock(t *testing.T, s store.Store, n int) {
	t.Helper()
	stockWith(t, s, n, func(int, *store.Acceptance) {})
}

// stockWith is like stock, but changes each lead first.
func stockWith(t *testing.T, s store.Store, n int, change func(int, *store.Acceptance)) {
	t.Helper()
	const step = 2000
	for start := 0; start < n; start += step {
		var acceptances []*store.Acceptance
		for i := start; i < min(n, start+step); i++ {
			a := withEvent(lead(fmt.Sprintf("p%d@example.com", i)))
			switch {
			case i%10_000 == 7:
				a.Record.Lead.Source.Form, a.Destinations = "rare", []string{"rare"}
			case i%5_000 == 9:
				a.Record.State, a.Destinations = leadgatev1.LeadState_LEAD_STATE_HELD, nil
				a.Record.Holds = []*leadgatev1.Hold{{Reason: leadgatev1.HoldReason_HOLD_REASON_NO_ROUTE}}
			}
			change(i, a)
			acceptances = append(acceptances, a)
		}
		accept(t, s, acceptances...)
	}
}

// end settles up to n deliveries of a destination with a state.
func end(t *testing.T, s store.Store, destination string, n int, state leadgatev1.DeliveryState) {
	t.Helper()
	for n > 0 {
		claims, err := s.Claim(t.Context(), destination, min(n, 2000))
		if err != nil {
			t.Fatal(err)
		}
		if len(claims.Items) == 0 {
			return
		}
		n -= len(claims.Items)
		steps := make([]*store.Step, len(claims.Items))
		for i, claim := range claims.Items {
			steps[i] = begun(claim)
		}
		for _, move := range []func(context.Context, ...*store.Step) ([]store.Stepped, error){s.Begin, s.Settle} {
			if results, err := move(t.Context(), steps...); err != nil || results[0].Err != nil {
				t.Fatal(results, err)
			}
			for _, step := range steps {
				step.Delivery.State = state
			}
		}
	}
}
