package pace

import (
	"sync"
	"time"
)

const (
	// DoubtAfter is how many calls in a row must fail before the breaker doubts that the CRM can be reached.
	DoubtAfter = 5
	// OpenAfter is how many different deliveries have to be among them for it to open although the CRM answers a ping: fewer
	// may be at fault themselves.
	OpenAfter = 5
	// FirstProbe is how soon a CRM that could not be reached is asked again; the time doubles up to ProbeInterval: 5 s, 10 s,
	// 20 s, 40 s, then every minute.
	FirstProbe = 5 * time.Second
	// ProbeInterval is the time between two probes later on.
	ProbeInterval = time.Minute
	// After this many failed pings a delivery is tried anyway, in case only the CRM's answer to pings is broken.
	insistEvery = 3
)

// BreakerState is a state of a breaker.
type BreakerState int

const (
	// Closed lets calls be made.
	Closed BreakerState = iota
	// Doubtful follows several failed calls in a row; a ping will show why.
	Doubtful
	// Open lets no call be made until it is time for a probe.
	Open
	// HalfOpen follows a ping that got through; one delivery is tried.
	HalfOpen
)

// Breaker stops calls to a CRM that cannot be reached, so that during an outage there is one probe a minute instead of a storm.
//
//	            five calls in a row failed       the ping fails, or the five
//	                                             were different deliveries
//	┌────────┐ ─────────────────────▸ ┌──────────┐ ─────────────────────▸ ┌──────┐
//	│ closed │                        │ doubtful │                        │ open │ ◂──┐
//	└────────┘ ◂───────────────────── └──────────┘                        └──────┘    │
//	    ▴         the ping gets through                                       │       │
//	    │                                         after 5 s, later a minute,  │       │ the delivery
//	    │                                               a ping gets through   ▾       │ fails
//	    │     a delivery gets through,                                  ┌───────────┐ │
//	    └───────────────────────────────────────────────────────────────│ half-open │─┘
//	          or nothing waits                                          └───────────┘
//
// When half-open, one delivery is tried, a different one each time, so that a delivery that makes the CRM fail cannot keep the breaker
// open: a failed delivery goes to the end of the queue. A call has failed if the CRM gave no definite answer about any of its
// leads; an answer about one of them, even a refusal, shows that the CRM works. Breaker is safe for concurrent use.
type Breaker struct {
	now func() time.Time

	mu      sync.Mutex
	state   BreakerState
	streak  int                 // calls that failed since the last success
	failing map[string]struct{} // deliveries that failed since then, at most OpenAfter
	probeAt time.Time           // when to probe next, while open
	wait    time.Duration       // from the last probe to the next
	pings   int                 // how many failed while open
}

// NewBreaker returns a closed breaker.
func NewBreaker(now func() time.Time) *Breaker {
	return &Breaker{now: now, failing: map[string]struct{}{}}
}

// State returns the breaker's state and, while it is open, when the next probe is due.
func (b *Breaker) State() (state BreakerState, probeAt time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.state, b.probeAt
}

// Succeeded records that a call got through. It reports whether that closed the breaker.
func (b *Breaker) Succeeded() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	closed := b.state == Open || b.state == HalfOpen
	b.state, b.streak, b.pings, b.wait = Closed, 0, 0, 0
	clear(b.failing)
	return closed
}

// Failed records that a call for deliveries failed. It reports whether the breaker is open, so that the failure is the CRM's and not
// theirs.
func (b *Breaker) Failed(deliveries []string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.streak++
	for _, id := range deliveries {
		if len(b.failing) < OpenAfter {
			b.failing[id] = struct{}{}
		}
	}
	switch b.state {
	case Closed:
		if b.streak >= DoubtAfter {
			b.state = Doubtful
		}
	case HalfOpen:
		b.open()
	}
	return b.state == Open
}

// Pinged records the result of a ping that was made because of the breaker's state. It reports whether that opened the breaker.
func (b *Breaker) Pinged(ok bool) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch b.state {
	case Doubtful:
		if !ok || len(b.failing) >= OpenAfter {
			b.open()
			return true
		}
		b.state, b.streak = Closed, 0 // but failing stays: the next deliveries to fail may be different ones
	case Open:
		if !ok {
			b.pings++
		}
		if ok || b.pings%insistEvery == 0 {
			b.state = HalfOpen
		} else {
			b.open()
		}
	}
	return false
}

// Hurry makes an open breaker probe at once, because something changed.
func (b *Breaker) Hurry() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wait = 0
	b.probeAt = b.now()
}

// Open opens the breaker unconditionally.
func (b *Breaker) Open() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.open()
}

func (b *Breaker) open() {
	if b.wait = min(2*b.wait, ProbeInterval); b.wait == 0 {
		b.wait = FirstProbe
	}
	b.state, b.probeAt = Open, b.now().Add(b.wait)
}
