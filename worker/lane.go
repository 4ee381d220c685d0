package worker

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/journal"
	"github.com/leadgate/leadgate/worker/pace"
	"github.com/leadgate/leadgate/worker/store"
)

const (
	// The wait after the store failed, before it is asked again.
	storeRest = time.Second
	// How often a failure of the store is logged: every call runs into it, and the log may be on the same disk.
	storeFailureEvery = time.Minute
)

// lane delivers to one destination, for as long as one of that name is configured. One goroutine claims deliveries, and makes the
// other calls that claiming depends on (probe.go, introduce.go). Each call for deliveries has a goroutine of its own.
type lane struct {
	worker    *Worker
	name      string
	limiter   *pace.Limiter
	gate      *pace.Gate
	breaker   *pace.Breaker
	health    health
	quotas    quotas
	postponed postponed
	once      *journal.Once // for problems that every lead runs into
	failures  *journal.Once // for failures of the store
	conn      atomic.Pointer[connection]
	swap      sync.Mutex // held while conn changes

	active atomic.Int64  // calls in progress
	width  atomic.Int64  // how many calls may be in progress after an outage; unbounded at other times
	freed  chan struct{} // holds a signal when the claiming goroutine should look again
	turn   sync.Mutex    // held while breaker and gate change together

	trial    atomic.Bool               // one delivery tests whether the CRM accepts the credentials; see credentials.go
	trials   atomic.Int32              // trials refused in a row
	refusals atomic.Int32              // pings refused in a row
	passed   atomic.Pointer[time.Time] // when a delivery last got through; nil if none did
	holds    atomic.Int32              // pauses since then whose length the CRM did not say
	eager    atomic.Bool               // something changed, so the next probe is due

	misfit   atomic.Bool // a lead ran into a CRM property that does not fit
	remapped atomic.Bool // the mapping or the properties may have changed

	cancel context.CancelFunc // nil before start
	done   chan struct{}      // closed when the claiming goroutine has ended
	// Owned by the claiming goroutine:
	probeAt time.Time // when to probe next; zero unless the credentials are refused
	tried   string    // the delivery that the last trial used
	resumed time.Time // the end of the last pause that was reported as over
	learnAt time.Time // when to ask for the account next
	backlog bool      // the last claim got all it asked for, so there may be more
}

func newLane(w *Worker, name string, conn *connection, paused bool) *lane {
	l := &lane{
		worker: w, name: name,
		limiter: pace.NewLimiter(conn.rate, w.now), gate: pace.NewGate(w.now), breaker: pace.NewBreaker(w.now),
		once: journal.NewOnce(omittedEvery, w.now), failures: journal.NewOnce(storeFailureEvery, w.now),
		freed: make(chan struct{}, 1), done: make(chan struct{}),
	}
	l.width.Store(unbounded)
	if paused {
		l.gate.Pause()
	}
	l.adopt(conn)
	return l
}

// storeFailed logs that an operation of the store failed, the same one at most once per storeFailureEvery.
func (l *lane) storeFailed(what string, err error) {
	if l.failures.Tell(what) {
		l.worker.log.Error(what, "destination", l.name, "error", err)
	}
}

// unbounded is a width that does not limit calls.
const unbounded = 1 << 30

// adopt makes later calls use conn.
func (l *lane) adopt(conn *connection) {
	l.swap.Lock()
	defer l.swap.Unlock()
	before := l.conn.Load()
	l.limiter.SetLeadRate(conn.leadRate)
	if before == nil || before.dayLimit != conn.dayLimit {
		l.limiter.SetBudget(l.budget(conn.dayLimit))
	}
	if conn.goingOn {
		conn.session = before.session // renew may have replaced it since conn was made
		conn.secrets.resolveBy(conn.resolve)
		if !maps.Equal(before.properties, conn.properties) || !maps.EqualFunc(before.named, conn.named, slices.Equal) {
			l.remapped.Store(true)
		}
	} else {
		l.begin(conn.session)
	}
	l.conn.Store(conn)
}

// begin makes s the destination's session. A pause that the CRM asked for ends, because this may be another CRM.
func (l *lane) begin(s *session) {
	s.transport.Limiter = l.limiter
	s.since = l.worker.now()
	if l.goOn() {
		l.tellResumed("this may not be the CRM that asked for the pause")
	}
}

// renew opens a new session if the content of a secret changed, because it may be another account's, and reports whether one did.
func (l *lane) renew(s *session) bool {
	if !s.secrets.renew() {
		return false
	}
	l.swap.Lock()
	defer l.swap.Unlock()
	conn := *l.conn.Load()
	if conn.session != s { // a new configuration replaced it meanwhile
		return true
	}
	var err error
	if conn.session, err = l.worker.openSession(l.name, conn.cfg, conn.resolve, l.told); err != nil { // the same settings were opened before
		l.worker.log.Error("connecting with changed secrets failed", "destination", l.name, "error", err)
		return true
	}
	l.begin(conn.session)
	l.conn.Store(&conn)
	l.tryAgain()
	return true
}

// use makes later calls use a new configuration. Requests sent so far still count for the pace. Refused credentials or a wrong
// address may have been fixed, so the destination is tried at once.
func (l *lane) use(conn *connection) {
	l.adopt(conn)
	l.limiter.SetRate(conn.rate)
	l.tryAgain()
}

// tryAgain tries a destination at once that refused the credentials or could not be reached, because something changed.
func (l *lane) tryAgain() {
	l.trials.Store(0)
	l.eager.Store(true)
	l.breaker.Hurry()
	l.signal()
}

// start starts the claiming goroutine.
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

// stop stops claiming and waits until the claiming goroutine has ended. Calls in progress continue.
func (l *lane) stop() {
	if l.cancel != nil {
		l.cancel()
		<-l.done
	}
}

// step does what is due now, or waits until something may be.
func (l *lane) step(ctx context.Context) {
	conn, now := l.conn.Load(), l.worker.now()
	if l.renew(conn.session) {
		return
	}
	gate, changed := l.gate.State()
	breaker, probeAt := l.breaker.State()
	l.resumes(gate, now)
	refused := gate.Refused && !l.trial.Load()
	switch eager := l.eager.Swap(false); {
	case !refused:
		l.probeAt = time.Time{}
	case eager:
		l.probeAt = now
		l.refusals.Store(insistAfter - 1)
	case l.probeAt.IsZero():
		l.probeAt = now.Add(l.probeRest())
	}
	switch {
	case gate.Paused:
		l.wait(ctx, time.Time{}, changed, nil)
	case gate.Until.After(now):
		l.wait(ctx, gate.Until, changed, nil)
	case l.probeAt.After(now): // wakes up meanwhile to notice changed secrets
		l.wait(ctx, earlier(l.probeAt, now.Add(secretInterval)), changed, nil)
	case refused:
		l.probe(ctx, conn)
		l.probeAt = l.worker.now().Add(l.probeRest())
	case breaker == pace.Doubtful:
		l.doubt(ctx, conn)
	case breaker == pace.Open && probeAt.After(now):
		l.wait(ctx, probeAt, changed, nil)
	case breaker == pace.Open:
		l.knock(ctx, conn)
	case !conn.introduced.Load():
		l.introduce(ctx, conn, changed)
	case breaker == pace.Closed && l.readsSchema(ctx, conn):
	case l.nameless(conn):
		l.learnAccount(ctx, conn)
	case (breaker == pace.HalfOpen || gate.Refused) && l.active.Load() > 0, l.free(conn) <= 0:
		l.wait(ctx, time.Time{}, changed, nil)
	default:
		l.claim(ctx, changed)
	}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// claim claims due deliveries, as many as the slots allow, and starts calls for them. It does not wait for a batch to fill: while
// calls are in progress or the pace is kept, more deliveries become due anyway.
func (l *lane) claim(ctx context.Context, changed <-chan struct{}) {
	conn := l.conn.Load()
	slot, err := l.limiter.AcquireLeads(ctx, conn.batch)
	if err != nil {
		l.unpaced(ctx, err, changed)
		return
	}
	state, _ := l.gate.State()
	breaker, _ := l.breaker.State()
	onTrial := state.Refused && l.trial.Load()
	state.Refused, state.Broken = state.Refused && !onTrial, state.Broken && breaker != pace.HalfOpen
	if !state.OpenAt(l.worker.now()) || conn != l.conn.Load() {
		slot.Release() // something changed while waiting for the slot
		return
	}
	slots, most := l.slots(conn, slot, breaker == pace.HalfOpen, onTrial)
	claims, err := l.worker.store.Claim(ctx, l.name, most)
	l.backlog = err == nil && len(claims.Items) == most
	items := claims.Items
	if onTrial {
		items = l.another(items)
	}
	for _, slot := range slots {
		n := min(conn.batch, slot.Leads(), len(items))
		if n == 0 {
			slot.Release()
			continue
		}
		l.call(conn, slot, items[:n:n])
		items = items[n:]
	}
	switch {
	case err != nil:
		if ctx.Err() == nil {
			l.storeFailed("claiming deliveries failed", err)
			l.wait(ctx, l.worker.now().Add(storeRest), changed, nil)
		}
	case len(claims.Items) > 0:
	case breaker == pace.HalfOpen:
		l.gotThrough() // the ping got through, and nothing else waits
	case onTrial:
		l.untried()
	default:
		l.wait(ctx, l.untilSchema(conn, claims.Next), changed, l.worker.store.Notify(l.name))
	}
}

// slots returns the slots of the calls to start, including first, and how many deliveries they can take. Usually that is one call;
// while there is a backlog, as many as may start at once. While the breaker is half-open or the credentials are on trial, one
// delivery is sent.
func (l *lane) slots(conn *connection, first *pace.Slot, halfOpen, onTrial bool) (slots []*pace.Slot, most int) {
	slots, most = []*pace.Slot{first}, min(conn.batch, first.Leads())
	switch {
	case halfOpen:
		return slots, 1
	case onTrial:
		return slots, 2 // one of them is given back
	case !l.backlog:
		return slots, most
	}
	for int64(len(slots)) < l.free(conn) {
		more := l.limiter.TryLeads(conn.batch)
		if more == nil {
			break
		}
		slots, most = append(slots, more), most+min(conn.batch, more.Leads())
	}
	return slots, most
}

// call delivers claims in a goroutine of its own.
func (l *lane) call(conn *connection, slot *pace.Slot, claims []*store.Claim) {
	l.active.Add(1)
	slot.Carry(len(claims))
	l.worker.calls.Go(func() {
		defer l.ended()
		(&call{lane: l, conn: conn, slot: slot}).run(claims)
	})
}

// free returns how many more calls may start.
func (l *lane) free(conn *connection) int64 {
	return min(int64(conn.concurrency), l.width.Load()) - l.active.Load()
}

// unpaced handles the failure to get a slot.
func (l *lane) unpaced(ctx context.Context, err error, changed <-chan struct{}) {
	var spent *pace.SpentError
	switch {
	case ctx.Err() != nil: // the lane was stopped
	case errors.As(err, &spent):
		l.spend(spent.Error(), spent.Until)
	default:
		l.storeFailed("reading the pace failed", err)
		l.wait(ctx, l.worker.now().Add(storeRest), changed, nil)
	}
}

func (l *lane) ended() {
	l.active.Add(-1)
	l.signal()
	if _, err := l.worker.lane(l.name); err != nil {
		l.worker.sweepNow() // the destination is gone, so nothing else looks for what is to be retried
	}
}

func (l *lane) signal() {
	select {
	case l.freed <- struct{}{}:
	default: // a signal is already pending
	}
}

// wait blocks until the lane should look again: at until, unless it is zero; when the gate changed; when notified; when signalled;
// or when ctx ends.
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

// tell publishes an event about the destination.
func (l *lane) tell(what leadgatev1.DestinationEventType, detail string, status int) {
	l.worker.tell(l.name, what, detail, status)
}

func (w *Worker) tell(destination string, what leadgatev1.DestinationEventType, detail string, status int) {
	w.journal.Publish(&leadgatev1.Event{Kind: &leadgatev1.Event_Destination{Destination: &leadgatev1.DestinationEvent{
		Destination: destination, Type: what, Detail: detail, CrmStatus: int32(status),
	}}})
}
