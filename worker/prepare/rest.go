package prepare

import (
	"sync"
	"time"
)

const (
	// How many failures in a row begin a rest, in which the API is not called.
	restAfter = 5
	// How long that rest is. Then requests are made again, and the next failure begins another.
	restShort = 30 * time.Second
	// The rest after a failure that does not pass by itself: refused credentials, a used-up quota.
	restLong = 2 * time.Minute
)

// rest leaves a failing API alone for a while, so that leads need not wait for it. It is safe for concurrent use.
type rest struct {
	now      func() time.Time
	mu       sync.Mutex
	failures int
	until    time.Time
}

func newRest(now func() time.Time) *rest { return &rest{now: now} }

// over reports whether the API may be called.
func (r *rest) over() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.now().Before(r.until)
}

func (r *rest) worked() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures = 0
}

// failed counts a failure. If atOnce is not 0, a rest of that length begins at once, however many failures there were.
func (r *rest) failed(atOnce time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures++
	switch {
	case atOnce > 0:
		r.until = r.now().Add(atOnce)
	case r.failures >= restAfter:
		r.until = r.now().Add(restShort)
		r.failures = restAfter - 1
	}
}
