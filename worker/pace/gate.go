package pace

import (
	"sync"
	"time"
)

// How many closures a gate remembers. All time before the oldest counts as closed.
const gateHistory = 256

// Gate says whether a destination may be called at all. It is open unless
//
//   - a person paused the destination, until a person resumes it;
//   - the CRM refused the credentials, until a probe shows that it accepts them;
//   - the breaker is open because the CRM cannot be reached, until a probe gets through;
//   - the CRM asked for a pause, until that is over.
//
// Gate is safe for concurrent use.
type Gate struct {
	now func() time.Time

	mu      sync.Mutex
	state   GateState
	changed chan struct{} // closed at the next change

	since      time.Time // when the gate's memory begins
	closedFrom time.Time // zero while open
	closures   []closure // that are over, oldest first
}

// GateState is why a gate is closed.
type GateState struct {
	// Paused: by a person.
	Paused bool
	// Refused: the CRM refused the credentials.
	Refused bool
	// Broken: the breaker is open.
	Broken bool
	// Until is when the pause that the CRM asked for ends, or ended; zero if it never asked.
	Until time.Time
}

// OpenAt reports whether the gate is open at a time.
func (s GateState) OpenAt(t time.Time) bool {
	return !s.Paused && !s.Refused && !s.Broken && !s.Until.After(t)
}

type closure struct{ from, to time.Time }

// NewGate returns an open gate.
func NewGate(now func() time.Time) *Gate {
	return &Gate{now: now, changed: make(chan struct{}), since: now()}
}

// State returns the present state, and a channel that is closed when it changes for another reason than that time passes.
func (g *Gate) State() (GateState, <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.state, g.changed
}

// Pause closes the gate until Resume. Like the other methods that change the gate, it reports whether the gate changed.
func (g *Gate) Pause() bool { return g.change(func(s *GateState) { s.Paused = true }) }

// Resume ends Pause.
func (g *Gate) Resume() bool { return g.change(func(s *GateState) { s.Paused = false }) }

// Refuse closes the gate until Accept.
func (g *Gate) Refuse() bool { return g.change(func(s *GateState) { s.Refused = true }) }

// Accept ends Refuse.
func (g *Gate) Accept() bool { return g.change(func(s *GateState) { s.Refused = false }) }

// Break closes the gate until Mend.
func (g *Gate) Break() bool { return g.change(func(s *GateState) { s.Broken = true }) }

// Mend ends Break.
func (g *Gate) Mend() bool { return g.change(func(s *GateState) { s.Broken = false }) }

// HoldUntil closes the gate until a time. A time earlier than one given before changes nothing.
func (g *Gate) HoldUntil(t time.Time) bool {
	return g.change(func(s *GateState) {
		if t.After(s.Until) {
			s.Until = t
		}
	})
}

// GoOn ends HoldUntil early.
func (g *Gate) GoOn() bool {
	now := g.now()
	return g.change(func(s *GateState) {
		if s.Until.After(now) {
			s.Until = time.Time{}
		}
	})
}

func (g *Gate) change(apply func(*GateState)) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	g.settle(now)
	before := g.state
	apply(&g.state)
	if g.state == before {
		return false
	}
	switch open := g.state.OpenAt(now); {
	case !open && g.closedFrom.IsZero():
		g.closedFrom = now
	case open && !g.closedFrom.IsZero():
		g.closedUntil(now)
	}
	close(g.changed)
	g.changed = make(chan struct{})
	return true
}

// settle records that the gate has opened since the last change, if a pause is over.
func (g *Gate) settle(now time.Time) {
	if !g.closedFrom.IsZero() && g.state.OpenAt(now) {
		g.closedUntil(g.state.Until)
	}
}

func (g *Gate) closedUntil(t time.Time) {
	g.closures = append(g.closures, closure{g.closedFrom, t})
	g.closedFrom = time.Time{}
	if len(g.closures) > gateHistory {
		g.since = g.closures[0].to
		g.closures = g.closures[1:]
	}
}

// OpenBetween returns for how long the gate was open between two times, neither of them in the future. The time before the gate was
// made, that is, before the process started, counts as closed.
func (g *Gate) OpenBetween(from, to time.Time) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.settle(g.now())
	if from.Before(g.since) {
		from = g.since
	}
	open := max(0, to.Sub(from))
	for _, c := range g.closures {
		open -= overlap(c, from, to)
	}
	if !g.closedFrom.IsZero() {
		open -= overlap(closure{g.closedFrom, to}, from, to)
	}
	return open
}

func overlap(c closure, from, to time.Time) time.Duration {
	if c.from.After(from) {
		from = c.from
	}
	if c.to.Before(to) {
		to = c.to
	}
	return max(0, to.Sub(from))
}
