package worker_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	"github.com/leadgate/leadgate/worker/crm"
)

func TestALeadThatGetsOnStepByStepOpensNoBreaker(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		h.apply(func(cfg *configv1.Destination) { cfg.Limits = &configv1.Limits{Concurrency: 1, BatchSize: 1} })
		h.crm.script(func(_ context.Context, batch []crm.Item) []crm.Outcome {
			steps := 0
			_, _ = fmt.Sscan(batch[0].Progress, &steps) // none yet
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
