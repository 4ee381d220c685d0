package worker

import (
	"context"
	"slices"
	"time"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/store"
)

// A destination that refused the credentials is pinged now and then. A ping may need fewer rights than a delivery, so an answered
// ping proves little: one delivery is then tried. It may also need more rights, so a refused ping proves little either: a delivery
// is tried anyway if something changed, if no delivery was refused before, and otherwise every ten minutes.
//
//	            a delivery is refused              the ping is answered
//	┌───────┐ ─────────────────────▸ ┌─────────┐ ─────────────────────▸ ┌───────┐
//	│ taken │                        │ refused │                        │ trial │
//	└───────┘                        └─────────┘ ◂───────────────────── └───────┘
//	    ▴                                          the delivery is         │
//	    │                                          refused, too            │
//	    └──────────────────────────────────────────────────────────────────┘
//	          the delivery gets through, or nothing waits after an answered ping
//
// Each trial uses a different delivery, if there is one. So a lead that the CRM refuses as if the credentials were wrong, for
// example because its record belongs to somebody else there, delays the others once. From then on it fails alone.
const (
	// The time between two probes of a destination that refused the credentials. It doubles with every trial that is refused
	// although the ping was answered, up to longestProbe: 30 s, 1 min, 2 min, 4 min, 8 min, then every 10 min.
	probeInterval = 30 * time.Second
	longestProbe  = 10 * time.Minute
	// How often the secrets are checked while the credentials are refused.
	secretInterval = time.Second
	// After this many pings refused in a row, a delivery is tried anyway.
	insistAfter = int32(longestProbe / probeInterval)
)

// probeRest returns how long to wait before the next probe.
func (l *lane) probeRest() time.Duration {
	rest := probeInterval
	for range l.trials.Load() {
		if rest *= 2; rest >= longestProbe {
			return longestProbe
		}
	}
	return rest
}

// probe asks a destination that refused the credentials whether it accepts them now. If so, or if enough pings were refused, one
// delivery is tried.
func (l *lane) probe(ctx context.Context, conn *connection) {
	switch outcome := l.ping(ctx, conn); outcome.Kind {
	case crm.Delivered, crm.Refused: // the CRM refused the request, not the credentials
		l.refusals.Store(0)
		l.trial.Store(true)
	case crm.RateLimited:
		l.holdOff(outcome)
	default:
		l.health.failed(outcome.Reason, l.worker.now())
		if l.refusals.Add(1)%insistAfter == 0 && outcome.Status > 0 {
			l.trial.Store(true)
		}
	}
}

// untried ends a trial for which no delivery was waiting. An answered ping is enough then.
func (l *lane) untried() {
	if l.refusals.Load() == 0 {
		l.accept()
	} else {
		l.trial.Store(false)
	}
}

// refuse stops calls because the CRM refused the credentials.
func (l *lane) refuse(outcome crm.Outcome) {
	l.health.failed(outcome.Reason, l.worker.now())
	if l.trial.Swap(false) && l.refusals.Load() == 0 {
		l.trials.Add(1)
	}
	if l.gate.Refuse() {
		l.tell(leadgatev1.DestinationEventType_DESTINATION_EVENT_TYPE_CREDENTIALS_REFUSED, outcome.Reason, outcome.Status)
	}
	l.signal()
}

// refusedPing is like refuse, but no delivery was refused, so the next ping is followed by one, whatever its answer.
func (l *lane) refusedPing(outcome crm.Outcome) {
	l.refuse(outcome)
	l.refusals.Store(insistAfter - 1)
}

// taken records that a delivery got through, which ends a trial and a series of pauses.
func (l *lane) taken() {
	now := l.worker.now()
	l.passed.Store(&now)
	l.holds.Store(0)
	if l.trial.Load() {
		l.accept()
	}
}

// accept resumes calls after the CRM refused the credentials.
func (l *lane) accept() {
	l.trials.Store(0)
	l.trial.Store(false)
	if l.gate.Accept() {
		l.tell(leadgatev1.DestinationEventType_DESTINATION_EVENT_TYPE_RESUMED, "the CRM accepts the credentials again", 0)
	}
}

// another returns the one of two claims that the last trial did not use, and gives the other back.
func (l *lane) another(claims []*store.Claim) []*store.Claim {
	if len(claims) > 1 {
		if claims[0].Delivery.GetDeliveryId() == l.tried {
			slices.Reverse(claims)
		}
		l.unclaim(claims[1:])
		claims = claims[:1]
	}
	if len(claims) > 0 {
		l.tried = claims[0].Delivery.GetDeliveryId()
	}
	return claims
}

// failsAlone reports whether the CRM refuses only this lead as if the credentials were wrong: others got through in the same call,
// or since it was last refused. If the rest of the call was then not sent, those that got through may have come before the
// credentials ended, and prove nothing.
func (c *call) failsAlone(p *parcel, outcomes []crm.Outcome) bool {
	isSent := func(o crm.Outcome) bool { return o.Status > 0 }
	isThrough := func(o crm.Outcome) bool { return isSent(o) && (o.Kind == crm.Delivered || o.Kind == crm.Refused) }
	switch {
	case p.outcome.Kind != crm.CredentialsRefused, !isSent(p.outcome):
		return false
	case p.claim.Delivery.GetRefusedAlone():
		return true
	case slices.ContainsFunc(outcomes, isThrough) && !slices.ContainsFunc(outcomes, func(o crm.Outcome) bool {
		return o.Kind == crm.CredentialsRefused && !isSent(o)
	}):
		return true
	}
	last, passed := p.claim.Last, c.lane.passed.Load()
	return last.GetOutcome() == leadgatev1.AttemptOutcome_ATTEMPT_OUTCOME_CREDENTIALS_REFUSED &&
		passed != nil && passed.After(last.GetStartTime().AsTime().Add(last.GetDuration().AsDuration()))
}
