package worker

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/pace"
)

const (
	// Between two probes of a destination that refused the credentials.
	probeInterval = 30 * time.Second
	// After the store failed, before it is asked again.
	storeRest = time.Second
)

// lane is the way to one destination, for as long as one of that name is configured. One goroutine claims; each call has a
// goroutine of its own.
type lane struct {
	worker  *Worker
	name    string
	limiter *pace.Limiter
	gate    *pace.Gate
	health  health
	conn    atomic.Pointer[connection]

	active atomic.Int64  // calls under way
	freed  chan struct{} // holds a signal when a call ended or the connection changed

	cancel  context.CancelFunc // nil before start
	done    chan struct{}      // closed when the claiming goroutine is gone
	probeAt time.Time          // when to probe next; zero unless the credentials are refused. The claiming goroutine's own
}

func newLane(w *Worker, name string, conn *connection, paused bool) *lane {
	l := &lane{
		worker: w, name: name,
		limiter: pace.NewLimiter(conn.rate, w.now), gate: pace.NewGate(w.now),
		freed: make(chan struct{}, 1), done: make(chan struct{}),
	}
	if paused {
		l.gate.Pause()
	}
	conn.transport.Limiter = l.limiter
	l.conn.Store(conn)
	return l
}

// use makes later calls go by another configuration. What was sent so far still counts for the pace. Credentials that were
// refused may have been mended, so the next delivery tries them.
func (l *lane) use(conn *connection) {
	conn.transport.Limiter = l.limiter
	l.conn.Store(conn)
	l.limiter.SetRate(conn.rate)
	l.gate.Accept()
	l.signal()
}

// start begins to claim.
func (l *lane) start() {
	ctx, cancel := context.WithCancel(l.worker.claiming)
	l.cancel = cancel
	go func() {
		defer close(l.done)
		for ctx.Err() == nil {
			l.step(ctx)
		}
	}()
}

// stop ends claiming and waits until nothing more is claimed; calls under way go on.
func (l *lane) stop() {
	if l.cancel != nil {
		l.cancel()
		<-l.done
	}
}

// step does what is to be done now, or waits until there may be something.
func (l *lane) step(ctx context.Context) {
	state, changed := l.gate.State()
	now := l.worker.now()
	if !state.Refused {
		l.probeAt = time.Time{}
	} else if l.probeAt.IsZero() {
		l.probeAt = now.Add(probeInterval)
	}
	switch {
	case state.Paused:
		l.wait(ctx, time.Time{}, changed, nil)
	case state.Until.After(now):
		l.wait(ctx, state.Until, changed, nil)
	case l.probeAt.After(now):
		l.wait(ctx, l.probeAt, changed, nil)
	case state.Refused:
		l.probe(ctx)
		l.probeAt = now.Add(probeInterval)
	case l.active.Load() >= int64(l.conn.Load().concurrency):
		l.wait(ctx, time.Time{}, changed, nil)
	default:
		l.claim(ctx, changed)
	}
}

// claim takes what is due, up to what one call can take, and calls. There is no waiting for a batch to fill: while calls are
// under way or the pace is kept, more falls due by itself.
func (l *lane) claim(ctx context.Context, changed <-chan struct{}) {
	slot, err := l.limiter.Acquire(ctx)
	if err != nil {
		return // the lane is stopped
	}
	if state, _ := l.gate.State(); !state.OpenAt(l.worker.now()) { // closed while the slot was waited for
		slot.Release()
		return
	}
	conn := l.conn.Load()
	claims, err := l.worker.store.Claim(ctx, l.name, conn.batch)
	switch {
	case err != nil:
		slot.Release()
		if ctx.Err() == nil {
			l.worker.log.Error("claiming deliveries failed", "destination", l.name, "error", err)
			l.wait(ctx, l.worker.now().Add(storeRest), changed, nil)
		}
	case len(claims.Items) == 0:
		slot.Release()
		l.wait(ctx, claims.Next, changed, l.worker.store.Notify(l.name))
	default:
		l.active.Add(1)
		l.worker.calls.Go(func() {
			defer l.ended()
			(&call{lane: l, conn: conn, slot: slot}).run(claims.Items)
		})
	}
}

func (l *lane) ended() {
	l.active.Add(-1)
	l.signal()
}

func (l *lane) signal() {
	select {
	case l.freed <- struct{}{}:
	default: // a signal waits already
	}
}

// wait returns when the lane should look again: at a time, unless it is zero; when the gate changed; when notified; when a
// call ended; or when ctx ends.
func (l *lane) wait(ctx context.Context, until time.Time, changed, notified <-chan struct{}) {
	var over <-chan time.Time
	if !until.IsZero() {
		timer := time.NewTimer(until.Sub(l.worker.now()))
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-ctx.Done():
	case <-changed:
	case <-notified:
	case <-l.freed:
	case <-over:
	}
}

// probe asks a destination that refused the credentials whether it takes them now, and opens the gate if so.
func (l *lane) probe(ctx context.Context) {
	switch outcome := l.ping(ctx); outcome.Kind {
	case crm.Delivered, crm.Refused: // refused is the request, not the credentials
		if l.gate.Accept() {
			l.tell(leadgatev1.DestinationEventType_DESTINATION_EVENT_TYPE_RESUMED, "the CRM takes the credentials again", outcome.Status)
		}
	case crm.RateLimited:
		l.holdOff(outcome)
	default:
		l.health.failed(outcome.Reason, l.worker.now())
	}
}

func (l *lane) ping(ctx context.Context) (outcome crm.Outcome) {
	defer func() {
		if fault := recover(); fault != nil {
			outcome = crm.Outcome{Reason: l.worker.logPanic(l.name, fault)}
		}
	}()
	return l.conn.Load().destination.Ping(ctx)
}

// Without a word from the CRM, a pause that it asked for lasts this long: the window over which most CRMs count.
const defaultHold = 10 * time.Second

// holdOff stops calling because the CRM asked for it, and returns until when.
func (l *lane) holdOff(outcome crm.Outcome) time.Time {
	after := outcome.After
	if after <= 0 {
		after = defaultHold
	}
	now := l.worker.now()
	until := now.Add(after)
	before, _ := l.gate.State()
	if l.gate.HoldUntil(until) && !before.Until.After(now) { // calls that were under way together are told once
		l.tell(leadgatev1.DestinationEventType_DESTINATION_EVENT_TYPE_RATE_LIMITED,
			fmt.Sprintf("%s; deliveries wait %s", outcome.Reason, after.Round(time.Millisecond)), outcome.Status)
	}
	return until
}

// refuse stops calling because the CRM refused the credentials.
func (l *lane) refuse(outcome crm.Outcome) {
	if l.gate.Refuse() {
		l.tell(leadgatev1.DestinationEventType_DESTINATION_EVENT_TYPE_CREDENTIALS_REFUSED, outcome.Reason, outcome.Status)
	}
}

// tell publishes what happened to the destination.
func (l *lane) tell(what leadgatev1.DestinationEventType, detail string, status int) {
	l.worker.journal.Publish(&leadgatev1.Event{Kind: &leadgatev1.Event_Destination{Destination: &leadgatev1.DestinationEvent{
		Destination: l.name, Type: what, Detail: detail, CrmStatus: int32(status),
	}}})
}
