// Package pace decides when a destination may be called: how fast ([Limiter], [Transport]), how soon after a failure ([Backoff]), and
// whether at all ([Gate], [Breaker]).
package pace

import (
	"context"
	"sync"
	"time"
)

// Limiter enforces a rate: no window of one second, wherever it begins, has more requests. It is a sliding window, not a token
// bucket, because a bucket lets twice the rate through in some windows of a second.
//
// A rate of 2.5 allows two requests in any second, because a third would be too many; a rate of 0.1 allows one in any ten
// seconds. Leads can have a rate of their own. What the CRM says about its own limits lowers the rate for a while
// ([Limiter.Slow], [Limiter.Tell]), and a [Budget] limits the requests per day. Limiter is safe for concurrent use.
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
	opens    time.Time     // the earliest time of the first request
	changed  chan struct{} // closed when a request is sent, a slot is released or a rate changes
}

// NewLimiter returns a limiter with a rate in requests per second; 0 is no limit. It lets the first window pass, because it is not
// known what an earlier process sent.
func NewLimiter(requestsPerSecond float64, now func() time.Time) *Limiter {
	l := &Limiter{now: now, rate: requestsPerSecond, changed: make(chan struct{})}
	l.requests.setRate(requestsPerSecond)
	l.leads.setRate(0)
	if l.requests.limit > 0 {
		l.opens = now().Add(l.requests.span)
	}
	return l
}

// SetRate changes the rate of requests. Those already sent still count.
func (l *Limiter) SetRate(requestsPerSecond float64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rate = requestsPerSecond
	l.adjust(l.now())
	l.wake()
}

// SetLeadRate changes the rate of leads per second; 0 is no limit.
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

// SetBudget limits the requests per day; nil is no limit.
func (l *Limiter) SetBudget(budget *Budget) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.budget = budget
	l.wake()
}

// Budget returns the limit of the requests per day; nil if there is none.
func (l *Limiter) Budget() *Budget {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.budget
}

// Slow halves the rate, because the CRM said that it was called too fast. From until on, when it is called next, the rate rises again.
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

// Tell takes what is left of one of the CRM's quotas. It reports whether the quota has just become scarce, so that the rate is lowered
// to make it last, and whether it has just been used up.
func (l *Limiter) Tell(q Quota) (low, spent bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	low, spent = l.quotas.tell(now, q)
	if low { // a rate that rises is noticed when the present window is over
		l.adjust(now)
	}
	return low, spent
}

// Forget drops what was learnt about the CRM's limits, so that the configured rate applies until the CRM says otherwise.
func (l *Limiter) Forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.adapted, l.quotas = adaptation{}, quotas{}
	l.adjust(l.now())
	l.wake()
}

// present returns the rate now: the lowest of the configured rate, the one found by trial and the one that the CRM's quotas allow; 0 for
// no limit.
func (l *Limiter) present(now time.Time) float64 {
	rate := l.rate
	for _, other := range []float64{l.adapted.rate(now), l.quotas.rate(now)} {
		if other > 0 && (rate == 0 || other < rate) {
			rate = other
		}
	}
	return rate
}

// adjust sets the window to the present rate, and reports whether that differs from the configured one.
func (l *Limiter) adjust(now time.Time) bool {
	rate := l.present(now)
	l.requests.setRate(rate)
	return rate != l.rate
}

// Limit returns the present rate in requests per second; 0 for no limit.
func (l *Limiter) Limit() float64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.present(l.now())
}

// Rate returns how many requests were sent in the last second.
func (l *Limiter) Rate() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.requests.lately(l.now())
}

// Acquire waits until a request may be sent, and takes a slot for it. Errors: ctx's, and a [SpentError].
func (l *Limiter) Acquire(ctx context.Context) (*Slot, error) { return l.acquire(ctx, 0, 0) }

// AcquireLeads waits until a request with leads may be sent, and takes a slot for it, with as many leads as may be sent now, up to
// most. Errors: ctx's, and a [SpentError].
func (l *Limiter) AcquireLeads(ctx context.Context, most int) (*Slot, error) {
	return l.acquire(ctx, min(1, most), most)
}

// TryLeads is AcquireLeads without waiting. It returns nil if no request may be sent now, or if there is a [Budget].
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

// An adapted rate rises as time passes. Waiters look at it this often.
const lookAgain = time.Second

// try takes a slot, or returns how long to wait before trying again; 0 means until changed is closed.
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

// wake makes waiters look again. The caller holds mu.
func (l *Limiter) wake() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// pause waits until a time has passed, if it is not 0, or until changed is closed. It returns ctx's error.
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
