package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/spelling"
	"github.com/leadgate/leadgate/worker/store"
)

// holdBatch is how many deliveries one transaction holds.
const holdBatch = 500

// orphanInterval is how often deliveries without a configured destination are looked for.
const orphanInterval = time.Minute

// waitingStates are the states in which a delivery waits for its destination.
var waitingStates = [...]leadgatev1.DeliveryState{
	leadgatev1.DeliveryState_DELIVERY_STATE_PENDING, leadgatev1.DeliveryState_DELIVERY_STATE_RETRY_WAIT,
}

// holdWaiting holds the deliveries that wait for a destination and were created before a time, until wanted returns false. It
// returns how many it held.
func (w *Worker) holdWaiting(ctx context.Context, destination, reason string, before time.Time, wanted func() bool) (held int64, err error) {
	for _, state := range waitingStates {
		q := store.DeliveryQuery{Destination: destination, State: state, Until: before}
		for token := ""; ; {
			page, next, err := w.store.Deliveries(ctx, q, holdBatch, token)
			if err != nil {
				return held, fmt.Errorf("list what waits for %s: %w", destination, err)
			}
			if !wanted() {
				return held, nil
			}
			n, err := w.hold(ctx, page, reason)
			held += n
			if err != nil {
				return held, err
			}
			if token = next; token == "" {
				break
			}
		}
	}
	return held, nil
}

func (w *Worker) hold(ctx context.Context, page []*leadgatev1.Delivery, reason string) (held int64, err error) {
	if len(page) == 0 {
		return 0, nil
	}
	now := timestamppb.New(w.now())
	holds := make([]*store.Hold, len(page))
	for i, d := range page {
		holds[i] = &store.Hold{DeliveryID: d.GetDeliveryId(), Reason: reason, Events: []*leadgatev1.Event{toldOf(d, now, leadgatev1.Stage_STAGE_HELD, reason)}}
	}
	results, err := w.store.Hold(ctx, holds...)
	if err != nil {
		return 0, fmt.Errorf("hold deliveries: %w", err)
	}
	for _, result := range results {
		switch {
		case result.Err == nil:
			held++
		case !errors.Is(result.Err, store.ErrState) && !errors.Is(result.Err, store.ErrNotFound): // it has changed since it was listed
			return held, result.Err
		}
	}
	return held, nil
}

// sweepOrphans holds deliveries that wait for destinations that are not configured: when the configuration changed, when a call
// that was in progress then ends, and every minute, because leads accepted under the previous configuration may begin to wait
// later. It returns when ctx ends.
func (w *Worker) sweepOrphans(ctx context.Context) {
	for {
		w.holdOrphans(ctx)
		timer := time.NewTimer(orphanInterval)
		select {
		case <-ctx.Done():
		case <-w.orphaned:
		case <-timer.C:
		}
		timer.Stop()
		if ctx.Err() != nil {
			return
		}
	}
}

func (w *Worker) holdOrphans(ctx context.Context) {
	before := w.now()
	counts, err := w.store.Counts(ctx)
	if err != nil {
		if ctx.Err() == nil {
			w.log.Error("looking for deliveries without a destination failed", "error", err)
		}
		return
	}
	for destination, count := range counts {
		waiting := int64(0)
		for _, state := range waitingStates {
			waiting += count.ByState[state]
		}
		isGone := func() bool {
			_, err := w.lane(destination)
			return err != nil
		}
		if waiting == 0 || !isGone() {
			continue
		}
		reason := fmt.Sprintf("destination %s is no longer configured; move the delivery to another, or configure the destination again and retry", destination)
		held, err := w.holdWaiting(ctx, destination, reason, before, isGone)
		if err != nil && ctx.Err() == nil {
			w.log.Error("holding deliveries without a destination failed", "destination", destination, "error", err)
		}
		if held > 0 {
			w.tell(destination, leadgatev1.DestinationEventType_DESTINATION_EVENT_TYPE_HELD, spelling.Count(held, "delivery is", "deliveries are")+" held: "+reason, 0)
		}
	}
}
