package worker

import (
	"context"
	"fmt"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/pace"
	"github.com/leadgate/leadgate/worker/store"
)

const (
	// Without a word from the CRM, a pause that it asked for lasts this long: the window over which most CRMs count. While nothing
	// gets through in between, the next lasts twice as long, up to longestBurst: 10 s, 20 s, 40 s, 80 s, then 2 min.
	defaultHold = 10 * time.Second
	// A longer pause than this is about a budget of calls and not about the rate, which is then left as it is.
	longestBurst = 2 * time.Minute
	// Operators are told of budgets over this long. A shorter one comes and goes by itself.
	tellable = time.Hour
	// A budget that is spent, of which nobody knows when there is more, is looked at that often.
	spentRest = time.Hour
)

// budget returns what bounds the requests of a day; nil for no limit.
func (l *lane) budget(limit int) *pace.Budget {
	if limit == 0 {
		return nil
	}
	return pace.NewBudget(limit, ledger{l.name, l.worker.store.State(budgetNamespace), l.worker.now}, l.worker.now)
}

// told takes what the CRM says is left of one of its budgets of calls.
func (l *lane) told(q crm.Quota) {
	l.quotas.note(q)
	low, spent := l.limiter.Tell(pace.Quota{Window: q.Window, Limit: q.Limit, Remaining: q.Remaining, Reset: q.Reset})
	if q.Window < tellable {
		return
	}
	what := fmt.Sprintf("the CRM says that %d of %d calls in %s are left", q.Remaining, q.Limit, inWords(q.Window))
	switch {
	case spent:
		until := q.Reset
		if until.IsZero() {
			until = l.worker.now().Add(spentRest)
		}
		l.spend(what, until)
	case low:
		l.tell(leadgatev1.DestinationEventType_DESTINATION_EVENT_TYPE_QUOTA_LOW, what+"; they are spread over the remaining time", 0)
	}
}

// spend stops calling because a budget of calls is used up.
func (l *lane) spend(what string, until time.Time) {
	if l.gate.HoldUntil(until) {
		l.tell(leadgatev1.DestinationEventType_DESTINATION_EVENT_TYPE_QUOTA_SPENT,
			fmt.Sprintf("%s; deliveries wait until %s", what, until.UTC().Format(time.RFC3339)), 0)
	}
}

// holdOff stops calling because the CRM asked for it, and returns until when; that may be later than it asked for now.
func (l *lane) holdOff(outcome crm.Outcome) time.Time {
	now, after := l.worker.now(), outcome.After
	before, _ := l.gate.State()
	first := !before.Until.After(now) // of the calls that were under way together
	if first && after <= 0 {
		l.holds.Add(1)
	}
	if after <= 0 {
		after = defaultHold
		for range l.holds.Load() - 1 {
			after = min(2*after, longestBurst)
		}
	}
	until := now.Add(after)
	if outcome.Kind == crm.RateLimited && after <= longestBurst {
		l.limiter.Slow(until)
	}
	if l.gate.HoldUntil(until) && first {
		l.tell(leadgatev1.DestinationEventType_DESTINATION_EVENT_TYPE_RATE_LIMITED,
			fmt.Sprintf("%s; deliveries wait %s", outcome.Reason, inWords(after)), outcome.Status)
	}
	if held, _ := l.gate.State(); held.Until.After(until) {
		return held.Until
	}
	return until
}

// postponed are the deliveries that were under way when the CRM asked for a pause, and that are due when it is over. It is safe for
// concurrent use.
type postponed struct {
	mu         sync.Mutex
	deliveries []*leadgatev1.Delivery
}

func (p *postponed) add(d *leadgatev1.Delivery) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deliveries = append(p.deliveries, d)
}

// take returns them, and forgets them.
func (p *postponed) take() []*leadgatev1.Delivery {
	p.mu.Lock()
	defer p.mu.Unlock()
	deliveries := p.deliveries
	p.deliveries = nil
	return deliveries
}

// goOn ends a pause that the CRM asked for or that a spent budget made, because a person says so or the CRM may be another, and
// reports whether there was one. A CRM that still means it says so at the next call.
func (l *lane) goOn() bool {
	l.limiter.Forget()
	l.holds.Store(0)
	if !l.gate.GoOn() {
		return false
	}
	l.hurry()
	return true
}

// hurry makes due what a pause caught under way, once that pause was ended early.
func (l *lane) hurry() {
	now := timestamppb.New(l.worker.now())
	var redrives []*store.Redrive
	for _, d := range l.postponed.take() {
		if d.GetDueTime().AsTime().Before(now.AsTime()) { // it waited for a pause before, and went on
			continue
		}
		redrives = append(redrives, &store.Redrive{DeliveryID: d.GetDeliveryId(), Events: []*leadgatev1.Event{
			toldOf(d, now, leadgatev1.Stage_STAGE_QUEUED, "the pause that the CRM asked for was ended early"),
		}})
	}
	if len(redrives) > 0 {
		if _, err := l.worker.store.Redrive(context.Background(), redrives...); err != nil {
			l.worker.log.Error("making postponed deliveries due failed", "destination", l.name, "deliveries", len(redrives), "error", err)
		}
	}
}

// resumes tells, once, that a pause which the CRM asked for, or a spent budget made, is over.
func (l *lane) resumes(gate pace.GateState, now time.Time) {
	if gate.Until.After(now) || !gate.Until.After(l.resumed) {
		return
	}
	l.resumed = gate.Until
	l.postponed.take()
	l.tellResumed("the pause is over")
}

// tellResumed tells that a pause is over, and why, unless something else keeps deliveries waiting.
func (l *lane) tellResumed(why string) {
	if gate, _ := l.gate.State(); gate.OpenAt(l.worker.now()) {
		l.tell(leadgatev1.DestinationEventType_DESTINATION_EVENT_TYPE_RESUMED, why+"; deliveries go on", 0)
	}
}
