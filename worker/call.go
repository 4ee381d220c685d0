package worker

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/pace"
	"github.com/leadgate/leadgate/worker/store"
)

// call delivers claimed deliveries to the CRM under one configuration: it makes the payloads, records the attempts durably, sends,
// and settles. It usually takes one request; leads in different modes, or a CRM that wants smaller batches, take more.
type call struct {
	lane *lane
	conn *connection
	slot *pace.Slot // for the first request
	// halted is the outcome that stopped the whole destination during this call. What was not sent by then waits as well.
	halted *crm.Outcome
	// until is the end of the pause that the CRM asked for; zero if it asked for none.
	until time.Time
	// unreachable: the breaker is open, so failures are not the deliveries' fault.
	unreachable bool
}

// parcel is one delivery in a call.
type parcel struct {
	claim    *store.Claim
	delivery *leadgatev1.Delivery // an updated copy of claim.Delivery
	attempt  *leadgatev1.Attempt
	item     crm.Item
	outcome  crm.Outcome
	// interrupted: leadgate stopped during the call, which says nothing about the lead or the destination.
	interrupted bool
	// unreachable: it waits for the breaker to close.
	unreachable bool
	// faulted: leadgate itself failed during the call, which says nothing about the CRM.
	faulted bool
}

// run settles or gives back every claim before it returns, unless the store keeps failing.
func (c *call) run(claims []*store.Claim) {
	defer c.slot.Release()
	var (
		parcels []*parcel
		unsent  []*store.Step
	)
	for _, claim := range claims {
		if p, step := c.prepare(claim); step != nil {
			unsent = append(unsent, step)
		} else {
			parcels = append(parcels, p)
		}
	}
	c.settle(unsent)
	parcels = c.begin(parcels)
	for _, mode := range []leadgatev1.DeliveryMode{leadgatev1.DeliveryMode_DELIVERY_MODE_UPSERT, leadgatev1.DeliveryMode_DELIVERY_MODE_FILL_BLANKS} {
		group := slices.DeleteFunc(slices.Clone(parcels), func(p *parcel) bool { return p.delivery.GetMode() != mode })
		suspect := func(p *parcel) bool { return p.delivery.GetFaultCount() > 0 }
		c.send(slices.DeleteFunc(slices.Clone(group), suspect), mode)
		for _, p := range group {
			if suspect(p) { // in a call of its own: a fault would take the others with it
				c.send([]*parcel{p}, mode)
			}
		}
	}
	c.judge(parcels)
	steps := make([]*store.Step, len(parcels))
	for i, p := range parcels {
		steps[i] = c.verdict(p)
	}
	c.settle(steps)
	for _, p := range parcels {
		if due := p.delivery.GetDueTime(); due != nil && due.AsTime().Equal(c.until) {
			c.lane.postponed.add(p.delivery)
		}
	}
	if gate, _ := c.lane.gate.State(); c.until.After(gate.Until) { // the pause was ended meanwhile
		c.lane.hurry()
	}
}

// judge reports the result of the call to the breaker. The call got through if there was a definite answer about any lead, or about
// one of several steps of a lead, and failed if there was none. It is neither if the CRM asked for a pause or refused the
// credentials, or if leadgate stopped or failed itself.
func (c *call) judge(parcels []*parcel) {
	var (
		failed []string
		reason string
	)
	for _, p := range parcels {
		switch kind := p.outcome.Kind; {
		case kind == crm.Delivered, kind == crm.Refused, kind == crm.Undecided, p.outcome.Progress != "" && p.outcome.Progress != p.item.Progress:
			c.conn.delivered.Store(true)
			c.lane.gotThrough()
			c.lane.taken()
			return
		case p.interrupted, p.faulted, p.outcome.After > 0, kind == crm.RateLimited, kind == crm.CredentialsRefused:
		default:
			failed = append(failed, p.delivery.GetDeliveryId())
			reason = reasonOf(p.outcome)
		}
	}
	if len(failed) > 0 {
		c.unreachable = c.lane.failed(failed, reason)
	}
}

// begin records the attempts durably, and returns the parcels that may be sent.
func (c *call) begin(parcels []*parcel) []*parcel {
	if len(parcels) == 0 {
		return nil
	}
	w := c.lane.worker
	now := timestamppb.New(w.now())
	steps := make([]*store.Step, len(parcels))
	claims := make([]*store.Claim, len(parcels))
	for i, p := range parcels {
		p.attempt.StartTime, p.delivery.UpdateTime = now, now
		steps[i] = &store.Step{Claim: p.claim, Delivery: p.delivery, Attempt: p.attempt, Events: []*leadgatev1.Event{began(p)}}
		claims[i] = p.claim
	}
	results, err := []store.Stepped(nil), w.claiming.Err()
	if err == nil {
		if results, err = w.store.Begin(context.WithoutCancel(w.calling), steps...); err != nil {
			c.lane.storeFailed("recording attempts failed", err)
			c.rest(w.claiming)
		}
	}
	if err != nil {
		c.lane.unclaim(claims)
		return nil
	}
	var begun []*parcel
	for i, result := range results {
		switch {
		case result.Err == nil:
			begun = append(begun, parcels[i])
		case errors.Is(result.Err, store.ErrTooLarge): // and will be every time
			if _, err := w.hold(context.WithoutCancel(w.calling), []*leadgatev1.Delivery{parcels[i].claim.Delivery}, "TOO_LARGE: "+result.Err.Error()); err != nil {
				w.log.Error("holding a delivery failed", "lead_id", parcels[i].delivery.GetLeadId(), "destination", parcels[i].delivery.GetDestination(), "error", err)
				c.lane.unclaim(claims[i : i+1])
			}
		case !errors.Is(result.Err, store.ErrStale): // stale: a person changed it meanwhile
			w.log.Error("recording an attempt failed", "lead_id", parcels[i].delivery.GetLeadId(), "destination", parcels[i].delivery.GetDestination(), "error", result.Err)
			c.lane.unclaim(claims[i : i+1])
		}
	}
	return begun
}

// unclaim gives back claims that were not begun.
func (l *lane) unclaim(claims []*store.Claim) {
	if err := l.worker.store.Unclaim(context.WithoutCancel(l.worker.calling), claims...); err != nil {
		l.storeFailed("giving deliveries back failed", err)
	}
}

// send delivers parcels of one mode, in halves if the CRM asks for smaller batches, and sets their outcomes.
func (c *call) send(parcels []*parcel, mode leadgatev1.DeliveryMode) {
	if len(parcels) == 0 {
		return
	}
	w := c.lane.worker
	if c.halted != nil || w.calling.Err() != nil {
		for _, p := range parcels {
			c.withhold(p)
		}
		return
	}
	var divided []*parcel
	outcomes := c.deliver(parcels, mode)
	for i, outcome := range outcomes {
		p := parcels[i]
		p.outcome = legible(outcome)
		p.interrupted = w.calling.Err() != nil
		if p.delivery.RefusedAlone = c.failsAlone(p, outcomes); !p.delivery.GetRefusedAlone() {
			c.heed(outcome)
		}
		if outcome.Kind != crm.Split {
			continue
		}
		if len(parcels) > 1 {
			divided = append(divided, p)
		} else {
			p.outcome.Kind = crm.Refused // it cannot be divided, so the CRM refuses this lead
		}
	}
	half := (len(divided) + 1) / 2
	c.send(divided[:half], mode)
	c.send(divided[half:], mode)
}

// withhold sets the outcome of a parcel that was not sent.
func (c *call) withhold(p *parcel) {
	if c.halted != nil {
		p.outcome = c.halted.Withheld()
	} else {
		p.outcome = crm.Outcome{Kind: crm.Retry, Reason: "leadgate stopped before it was sent"}
		p.interrupted = true
	}
	p.outcome.Progress = p.item.Progress
}

// heed closes the gate if an outcome says not to call the destination for now.
func (c *call) heed(outcome crm.Outcome) {
	switch {
	case !outcome.Halts():
		return
	case outcome.Kind == crm.CredentialsRefused:
		c.lane.refuse(outcome)
	case c.until.IsZero():
		c.until = c.lane.holdOff(outcome)
	}
	if c.halted == nil {
		c.halted = &outcome
	}
}

// deliver makes one call. It returns one outcome for each parcel, whatever the destination does.
func (c *call) deliver(parcels []*parcel, mode leadgatev1.DeliveryMode) (outcomes []crm.Outcome) {
	w := c.lane.worker
	items := make([]crm.Item, len(parcels))
	for i, p := range parcels {
		items[i] = p.item
	}
	unknown := func(reason string) []crm.Outcome {
		return slices.Repeat([]crm.Outcome{{Kind: crm.Unknown, Reason: reason}}, len(parcels))
	}
	defer func() {
		if fault := recover(); fault != nil {
			var deliveries []string
			for _, p := range parcels {
				p.faulted = true
				deliveries = append(deliveries, p.delivery.GetDeliveryId())
			}
			outcomes = unknown(w.logPanic(c.lane.name, fault, deliveries...))
		}
	}()
	outcomes = c.conn.destination.Deliver(pace.WithSlot(w.calling, c.slot), items, mode)
	if len(outcomes) != len(parcels) {
		w.log.Error("a destination lost count", "destination", c.lane.name, "leads", len(parcels), "outcomes", len(outcomes))
		return unknown("the answer could not be matched to the leads")
	}
	return outcomes
}

// settle records the results of deliveries. While the store fails, it retries until the worker stops. What is not settled by then
// counts as unknown at the next start.
func (c *call) settle(steps []*store.Step) {
	w := c.lane.worker
	for len(steps) > 0 {
		results, err := w.store.Settle(context.WithoutCancel(w.calling), steps...)
		if err == nil {
			for i, result := range results {
				if result.Err != nil && !errors.Is(result.Err, store.ErrStale) {
					w.log.Error("settling a delivery failed", "lead_id", steps[i].Delivery.GetLeadId(), "destination", steps[i].Delivery.GetDestination(), "error", result.Err)
				}
			}
			return
		}
		c.lane.storeFailed("settling deliveries failed", err)
		if !c.rest(w.calling) {
			return
		}
	}
}

// rest waits a little for the store to recover. It returns false if ctx ended.
func (c *call) rest(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(storeRest):
		return true
	}
}

// logPanic logs a panic in a destination's package with its stack, and returns a message for operators.
func (w *Worker) logPanic(destination string, fault any, deliveries ...string) string {
	w.log.Error("a destination panicked", "destination", destination, "deliveries", deliveries, "panic", fmt.Sprint(fault), "stack", string(debug.Stack()))
	return "an internal error in leadgate; the log has the details"
}

// clone returns a copy of a claimed delivery, to be changed.
func clone(d *leadgatev1.Delivery) *leadgatev1.Delivery { return proto.CloneOf(d) }
