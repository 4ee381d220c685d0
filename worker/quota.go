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
	// How long a pause lasts if the CRM did not say: the window over which most CRMs count. While nothing gets through in between,
	// each lasts twice as long as the one before, up to longestBurst: 10 s, 20 s, 40 s, 80 s, then 2 min.
	defaultHold = 10 * time.Second
	// A pause longer than this is about a budget of calls, not about the rate, which is then not lowered.
	longestBurst = 2 * time.Minute
	// Operators are told of budgets over at least this long. Shorter ones recover by themselves.
	tellable = time.Hour
	// How long calls stop when a budget is spent and nobody knows when there will be more.
	spentRest = time.Hour
)

// budget returns the limit on requests per day; nil for none.
func (l *lane) budget(limit int) *pace.Budget {
	if limit == 0 {
		return nil
	}
	return pace.NewBudget(limit, ledger{l.name, l.worker.store.State(budgetNamespace), l.worker.now}, l.worker.now)
}

// told records what the CRM says is left of one of its budgets of calls.
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

// spend stops calls because a budget of calls is used up.
func (l *lane) spend(what string, until time.Time) {
	if l.gate.HoldUntil(until) {
		l.tell(leadgatev1.DestinationEventType_DESTINATION_EVENT_TYPE_QUOTA_SPENT,
			fmt.Sprintf("%s; deliveries wait until %s", what, until.UTC().Format(time.RFC3339)), 0)
	}
}

// holdOff stops calls because the CRM asked for it. It returns the end of the pause, which may be later than asked for now.
func (l *lane) holdOff(outcome crm.Outcome) time.Time {
	now, after := l.worker.now(), outcome.After
	before, _ := l.gate.State()
	first := !before.Until.After(now) // of the calls that were in progress together
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

// postponed holds the deliveries that were in progress when the CRM asked for a pause, and that are due at its end. It is safe for
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

// take returns the deliveries and forgets them.
func (p *postponed) take() []*leadgatev1.Delivery {
	p.mu.Lock()
	defer p.mu.Unlock()
	deliveries := p.deliveries
	p.deliveries = nil
	return deliveries
}

// goOn ends a pause that the CRM asked for or that a spent budget caused, because a person says so or the CRM may be another. It
// reports whether there was one. A CRM that still wants the pause says so at the next call.
func (l *lane) goOn() bool {
	l.limiter.Forget()
	l.holds.Store(0)
	if !l.gate.GoOn() {
		return false
	}
	l.hurry()
	return true
}

// hurry makes postponed deliveries due after their pause was ended early.
func (l *lane) hurry() {
	now := timestamppb.New(l.worker.now())
	var redrives []*store.Redrive
	for _, d := range l.postponed.take() {
		if d.GetDueTime().AsTime().Before(now.AsTime()) { // of an earlier pause, which is over
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

// resumes publishes, once, that a pause which the CRM asked for or a spent budget caused is over.
func (l *lane) resumes(gate pace.GateState, now time.Time) {
	if gate.Until.After(now) || !gate.Until.After(l.resumed) {
		return
	}
	l.resumed = gate.Until
	l.postponed.take()
	l.tellResumed("the pause is over")
}

// tellResumed publishes that a pause is over, and why, unless something else keeps deliveries waiting.
func (l *lane) tellResumed(why string) {
	if gate, _ := l.gate.State(); gate.OpenAt(l.worker.now()) {
		l.tell(leadgatev1.DestinationEventType_DESTINATION_EVENT_TYPE_RESUMED, why+"; deliveries go on", 0)
	}
}
