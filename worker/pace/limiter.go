// Package pace decides when a destination may be called: how fast ([Limiter], [Transport]), after what failure ([Backoff]),
// and whether at all ([Gate]).
package pace

import (
	"context"
	"sync"
	"time"
)

// Limiter keeps requests below a rate: in no window of one second, wherever it begins, are more of them sent. It remembers
// when the last requests were sent rather than refill a bucket, because a bucket lets twice the rate through between the
// end of one second and the start of the next.
//
// A rate of 2.5 means two requests in any second, since a third would be too many; a rate of 0.1 means one in any ten
// seconds. Leads can be kept below a rate of their own. What the CRM says of its own limits lowers the rate for a while
// ([Limiter.Slow], [Limiter.Tell]), and a [Budget] bounds the requests of a day. Limiter is safe for concurrent use.
type Limiter struct {
	now func() time.Time

	mu       sync.Mutex
	rate     float64 // as configured; 0 for no limit
	leadRate float64
	requests window
	leads    window
	adapted  adaptation
	quotas   quotas
	budget   *Budget
	opens    time.Time     // nothing is sent before
	changed  chan struct{} // closed when something was sent or given back, or a rate changes
}

// NewLimiter returns a limiter of so many requests per second; 0 is no limit. The first window is waited out, because what
// an earlier process sent is not known.
func NewLimiter(requestsPerSecond float64, now func() time.Time) *Limiter {
	l := &Limiter{now: now, rate: requestsPerSecond, changed: make(chan struct{})}
	l.requests.setRate(requestsPerSecond)
	l.leads.setRate(0)
	if l.requests.limit > 0 {
		l.opens = now().Add(l.requests.span)
	}
	return l
}

// SetRate changes the rate of requests. What was sent so far counts.
func (l *Limiter) SetRate(requestsPerSecond float64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rate = requestsPerSecond
	l.adjust(l.now())
	l.wake()
}

// SetLeadRate changes how many leads are sent in any second; 0 is no limit.
func (l *Limiter) SetLeadRate(leadsPerSecond float64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.leadRate == 0 && leadsPerSecond > 0 && len(l.requests.sent) == 0 {
		l.leads.setRate(leadsPerSecond)
		if opens := l.now().Add(l.leads.span); opens.After(l.opens) {
			l.opens = opens
		}
	}
	l.leadRate = leadsPerSecond
	l.leads.setRate(leadsPerSecond)
	l.wake()
}

// SetBudget bounds the requests of a day; nil is no bound.
func (l *Limiter) SetBudget(budget *Budget) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.budget = budget
	l.wake()
}

// Budget returns what bounds the requests of a day; nil if nothing does.
func (l *Limiter) Budget() *Budget {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.budget
}

// Slow says that the CRM was called too fast. The rate is halved, and rises again from when it is called next.
func (l *Limiter) Slow(until time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	rate := l.present(now)
	if rate == 0 {
		rate = float64(l.requests.lately(now))
	}
	l.adapted.slow(now, until, rate)
	l.adjust(now)
	l.wake()
}

// Tell says what is left of a budget of the CRM's. It reports whether the budget has just become scarce, so that the rate is
// lowered to make it last, and whether it has just been spent.
func (l *Limiter) Tell(q Quota) (low, spent bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	low, spent = l.quotas.tell(now, q)
	if low { // a rate that rises is seen when the present window is over
		l.adjust(now)
	}
	return low, spent
}

// Forget drops what the CRM said and showed of its limits, so that the rate is the configured one until it says so again.
func (l *Limiter) Forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.adapted, l.quotas = adaptation{}, quotas{}
	l.adjust(l.now())
	l.wake()
}

// present is the rate now: the least of what is configured, found by trial and told by the CRM; 0 for no limit.
func (l *Limiter) present(now time.Time) float64 {
	rate := l.rate
	for _, other := range []float64{l.adapted.rate(now), l.quotas.rate(now)} {
		if other > 0 && (rate == 0 || other < rate) {
			rate = other
		}
	}
	return rate
}

// adjust makes the window that of the present rate, and reports whether that is another than the configured one.
func (l *Limiter) adjust(now time.Time) bool {
	rate := l.present(now)
	l.requests.setRate(rate)
	return rate != l.rate
}

// Limit is the rate in requests per second at present; 0 for no limit.
func (l *Limiter) Limit() float64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.present(l.now())
}

// Rate is how many requests were sent in the last second.
func (l *Limiter) Rate() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.requests.lately(l.now())
}

// Acquire waits until a request may be sent, and takes its slot. Its error is that of ctx, or a [SpentError].
func (l *Limiter) Acquire(ctx context.Context) (*Slot, error) { return l.acquire(ctx, 0, 0) }

// AcquireLeads waits until a request with leads may be sent, and takes its slot, for as many leads as may go now, up to most.
// Its error is that of ctx, or a [SpentError].
func (l *Limiter) AcquireLeads(ctx context.Context, most int) (*Slot, error) {
	return l.acquire(ctx, min(1, most), most)
}

// TryLeads is AcquireLeads without waiting: nil if no request may be sent now, or if a [Budget] has to be asked first.
func (l *Limiter) TryLeads(most int) *Slot {
	if l.Budget() != nil {
		return nil
	}
	slot, _, _ := l.try(min(1, most), most)
	return slot
}

func (l *Limiter) acquire(ctx context.Context, least, most int) (*Slot, error) {
	l.mu.Lock()
	budget := l.budget
	l.mu.Unlock()
	day, err := budget.take(ctx)
	if err != nil {
		return nil, err
	}
	for {
		if err := ctx.Err(); err != nil {
			budget.giveBack(day)
			return nil, err
		}
		slot, wait, changed := l.try(least, most)
		if slot != nil {
			slot.budget, slot.day = budget, day
			return slot, nil
		}
		if err := pause(ctx, wait, changed); err != nil {
			budget.giveBack(day)
			return nil, err
		}
	}
}

// While a rate is adapted it rises by itself, which those who wait see that often.
const lookAgain = time.Second

// try takes a slot, or says how long to wait before trying again; 0 until the limiter changes.
func (l *Limiter) try(least, most int) (slot *Slot, wait time.Duration, changed <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	if wait, changed = l.opens.Sub(now), l.changed; wait > 0 {
		return nil, wait, changed
	}
	adapted := l.adjust(now)
	free, wait := l.requests.free(now, 1)
	if free == 0 {
		if adapted && (wait == 0 || wait > lookAgain) {
			wait = lookAgain
		}
		return nil, wait, changed
	}
	leads := 0
	if most > 0 {
		if l.leads.limit > 0 {
			least = min(least, l.leads.limit)
		}
		free, wait := l.leads.free(now, least)
		if free < least {
			return nil, wait, changed
		}
		leads = min(free, most)
	}
	l.requests.out++
	l.leads.out += leads
	return &Slot{limiter: l, leads: leads}, 0, nil
}

// wake lets those who wait look again. It is called with mu held.
func (l *Limiter) wake() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// pause waits for a time, for ever if it is 0, or until something changed. Its error is that of ctx.
func pause(ctx context.Context, wait time.Duration, changed <-chan struct{}) error {
	var over <-chan time.Time
	if wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-changed:
		return nil
	case <-over:
		return nil
	}
}
