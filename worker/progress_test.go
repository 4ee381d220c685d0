package worker_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	"github.com/leadgate/leadgate/worker/crm"
)

func TestWhatIsKnownOfALeadOutlivesAnAttemptThatWasNotSent(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		h.apply(func(cfg *configv1.Destination) { cfg.Limits = &configv1.Limits{Concurrency: 1} })
		halted, knew := false, 0
		h.crm.script(func(_ context.Context, batch []crm.Item) []crm.Outcome {
			switch half := "half of it"; {
			case batch[0].Progress == "":
				return each(batch, crm.Outcome{Kind: crm.RateLimited, Reason: "a pause", After: time.Second, Progress: half})
			case halted:
				for _, item := range batch {
					if item.Progress == half {
						knew++
					}
				}
				return each(batch, delivered)
			case len(batch) > 2:
				return each(batch, crm.Outcome{Kind: crm.Split, Reason: "too many", Progress: half})
			default: // so the other half is not sent
				halted = true
				return each(batch, crm.Outcome{Kind: crm.RateLimited, Reason: "a pause", After: time.Second, Progress: half})
			}
		})
		ids := h.accept(people(4)...)
		h.rest(time.Hour)
		for _, id := range ids {
			h.expectState(id, done)
		}
		if knew != 4 {
			t.Errorf("%d of 4 knew what was done before", knew)
		}
	})
}

func TestALeadThatGetsOnStepByStepOpensNoBreaker(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		h.apply(func(cfg *configv1.Destination) { cfg.Limits = &configv1.Limits{Concurrency: 1, BatchSize: 1} })
		h.crm.script(func(_ context.Context, batch []crm.Item) []crm.Outcome {
			steps := 0
			_, _ = fmt.Sscan(batch[0].Progress, &steps) // fails at first: there is none yet
			if steps == 3 {
				return []crm.Outcome{{Kind: crm.Delivered, RecordID: "1"}}
			}
			return []crm.Outcome{{Kind: crm.Unknown, Reason: "the answer was lost", Progress: fmt.Sprint(steps + 1)}}
		})
		ids := h.accept(people(10)...)
		h.rest(time.Hour)
		for _, id := range ids {
			h.expectState(id, done)
		}
		h.expectDestinationEvents()
	})
}
