package journal

import (
	"sync"
	"time"
)

// Once limits how often the same thing is reported, such as a fault that every lead runs into. It is safe for concurrent use.
type Once struct {
	every time.Duration
	now   func() time.Time
	mu    sync.Mutex
	told  map[string]time.Time
}

// NewOnce returns a Once that reports each thing at most once in the given time.
func NewOnce(every time.Duration, now func() time.Time) *Once {
	return &Once{every: every, now: now, told: map[string]time.Time{}}
}

// Tell reports whether to report a thing now. If so, it counts as reported.
func (o *Once) Tell(thing string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := o.now()
	if last, ok := o.told[thing]; ok && now.Sub(last) < o.every {
		return false
	}
	if len(o.told) >= maxTold { // far more things than any configuration has
		clear(o.told)
	}
	o.told[thing] = now
	return true
}

// How many things are remembered; after that, all are forgotten.
const maxTold = 10_000
