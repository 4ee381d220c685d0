package prepare

import (
	"sync"
	"time"
)

const (
	// So many failures in a row, and an API is left alone.
	restAfter = 5
	// For so long; after it one request tries, and the next failure begins another rest.
	restShort = 30 * time.Second
	// After what does not pass by itself: refused credentials, a quota that is used up.
	restLong = 2 * time.Minute
)

// rest lets an API that fails alone for a while, so that leads need not wait for it. It is safe for concurrent use.
type rest struct {
	now      func() time.Time
	mu       sync.Mutex
	failures int
	until    time.Time
}

func newRest(now func() time.Time) *rest { return &rest{now: now} }

// over reports whether the API may be asked.
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

// failed counts a failure; at once is how long to rest regardless of how many there were, 0 to go by their number.
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
