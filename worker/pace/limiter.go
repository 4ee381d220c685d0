// Package pace decides when a destination may be called: how fast ([Limiter], [Transport]), after what failure ([Backoff]),
// and whether at all ([Gate]).
package pace

import (
	"context"
	"math"
	"sync"
	"time"
)

// What is added to every window, so that a request that was slow to arrive and one that was fast do not meet within one
// second at the CRM.
const allowance = 20 * time.Millisecond

// Limiter keeps requests below a rate: in no window of one second, wherever it begins, are more of them sent. It remembers
// when the last requests were sent rather than refill a bucket, because a bucket lets twice the rate through between the
// end of one second and the start of the next.
//
// A rate of 2.5 means two requests in any second, since a third would be too many; a rate of 0.1 means one in any ten
// seconds. Limiter is safe for concurrent use.
type Limiter struct {
	now func() time.Time

	mu      sync.Mutex
	rate    float64
	limit   int           // requests in one window; 0 for no limit
	window  time.Duration // of a second, or longer for rates below one
	opens   time.Time     // nothing is sent before
	out     int           // slots taken and not sent
	sent    []time.Time   // of at least the last window and second, oldest first
	changed chan struct{} // closed when out falls or the rate changes
}

// NewLimiter returns a limiter of so many requests per second; 0 is no limit. The first window is waited out, because what
// an earlier process sent is not known.
func NewLimiter(requestsPerSecond float64, now func() time.Time) *Limiter {
	l := &Limiter{now: now, changed: make(chan struct{})}
	l.setRate(requestsPerSecond)
	if l.limit > 0 {
		l.opens = now().Add(l.window)
	}
	return l
}

// SetRate changes the rate. What was sent so far counts.
func (l *Limiter) SetRate(requestsPerSecond float64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.setRate(requestsPerSecond)
	l.wake()
}

func (l *Limiter) setRate(rate float64) {
	l.rate, l.limit, l.window = rate, 0, time.Second+allowance
	if rate <= 0 {
		return
	}
	l.limit = max(1, int(math.Floor(rate)))
	if rate < 1 {
		l.window = time.Duration(float64(time.Second)/rate) + allowance
	}
}

// Limit is the rate in requests per second; 0 for no limit.
func (l *Limiter) Limit() float64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.rate
}

// Rate is how many requests were sent in the last second.
func (l *Limiter) Rate() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	n := 0
	for n < len(l.sent) && now.Sub(l.sent[len(l.sent)-1-n]) < time.Second {
		n++
	}
	return n
}

// Acquire waits until a request may be sent, and takes its slot. Its error is that of ctx.
func (l *Limiter) Acquire(ctx context.Context) (*Slot, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		slot, wait, changed := l.try()
		if slot != nil {
			return slot, nil
		}
		if err := pause(ctx, wait, changed); err != nil {
			return nil, err
		}
	}
}

// try takes a slot, or says how long to wait before trying again; 0 until the limiter changes.
func (l *Limiter) try() (slot *Slot, wait time.Duration, changed <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	if wait, changed = l.opens.Sub(now), l.changed; wait > 0 {
		return nil, wait, changed
	}
	l.forget(now)
	if l.limit > 0 {
		if l.out >= l.limit {
			return nil, 0, changed
		}
		if i := len(l.sent) - (l.limit - l.out); i >= 0 {
			if wait = l.sent[i].Add(l.window).Sub(now); wait > 0 {
				return nil, wait, changed
			}
		}
	}
	l.out++
	return &Slot{limiter: l}, 0, nil
}

// forget drops what no window reaches any more.
func (l *Limiter) forget(now time.Time) {
	old := 0
	for old < len(l.sent) && now.Sub(l.sent[old]) >= l.window {
		old++
	}
	l.sent = l.sent[old:]
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
