package journal

import (
	"sync"
	"time"
)

// Once keeps what goes wrong with every lead from being told with every lead. It is safe for concurrent use.
type Once struct {
	every time.Duration
	now   func() time.Time
	mu    sync.Mutex
	told  map[string]time.Time
}

// NewOnce lets each thing be told once in the given time.
func NewOnce(every time.Duration, now func() time.Time) *Once {
	return &Once{every: every, now: now, told: map[string]time.Time{}}
}

// Tell reports whether a thing is to be told now, and remembers that it was.
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

// How many things are remembered.
const maxTold = 10_000
