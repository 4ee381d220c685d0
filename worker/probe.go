package worker

import (
	"context"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/crm"
)

// doubt pings the CRM to find out whether calls fail because it cannot be reached.
func (l *lane) doubt(ctx context.Context, conn *connection) {
	outcome := l.ping(ctx, conn)
	if ctx.Err() != nil {
		return
	}
	l.turn.Lock()
	defer l.turn.Unlock()
	if !l.breaker.Pinged(l.reached(outcome)) {
		return
	}
	reason := outcome.Reason
	if reason == "" {
		_, reason, _ = l.health.get()
	}
	l.broke(reason)
}

// knock pings a CRM that could not be reached, to see whether it is back.
func (l *lane) knock(ctx context.Context, conn *connection) {
	outcome := l.ping(ctx, conn)
	if ctx.Err() != nil {
		return
	}
	ok := l.reached(outcome)
	if !ok {
		l.health.failed(outcome.Reason, l.worker.now())
	}
	l.turn.Lock()
	defer l.turn.Unlock()
	l.breaker.Pinged(ok)
}

// reached reports whether a ping shows that the CRM is up, and heeds what else the answer says.
func (l *lane) reached(outcome crm.Outcome) bool {
	switch outcome.Kind {
	case crm.Delivered, crm.Refused:
		return true
	case crm.CredentialsRefused:
		l.refusedPing(outcome)
		return true
	case crm.RateLimited:
		l.holdOff(outcome)
		return true
	}
	return false
}

// failed records that a call for deliveries failed. It reports whether the destination cannot be reached, so that the failure is
// not theirs.
func (l *lane) failed(deliveries []string, reason string) bool {
	l.turn.Lock()
	defer l.turn.Unlock()
	before, _ := l.gate.State()
	open := l.breaker.Failed(deliveries)
	if open && !before.Broken {
		l.broke(reason)
	}
	return open
}

// broke stops calls because the CRM cannot be reached. The caller must hold turn.
func (l *lane) broke(reason string) {
	if l.gate.Break() {
		l.tell(leadgatev1.DestinationEventType_DESTINATION_EVENT_TYPE_BREAKER_OPENED, reason+"; deliveries wait, and leadgate checks at least once a minute whether it is back", 0)
	}
}

// gotThrough records that the CRM gave a definite answer. After an outage, one call at a time is allowed, and twice as many after
// each that gets through, so that the backlog does not hit the CRM all at once.
func (l *lane) gotThrough() {
	l.turn.Lock()
	defer l.turn.Unlock()
	if width := l.width.Load(); width < unbounded {
		l.width.Store(2 * width)
	}
	if !l.breaker.Succeeded() {
		return
	}
	l.width.Store(1)
	if l.gate.Mend() {
		l.tell(leadgatev1.DestinationEventType_DESTINATION_EVENT_TYPE_BREAKER_CLOSED, "the CRM can be reached again; waiting deliveries are sent at the destination's pace", 0)
	}
}

// ping asks whether the CRM of a connection is up, and remembers the account.
func (l *lane) ping(ctx context.Context, conn *connection) (outcome crm.Outcome) {
	defer func() {
		if fault := recover(); fault != nil {
			outcome = crm.Outcome{Reason: l.worker.logPanic(l.name, fault)}
		}
		if account := outcome.Account; outcome.Kind == crm.Delivered && account != "" {
			conn.account.Store(&account)
		}
	}()
	return conn.destination.Ping(ctx)
}
