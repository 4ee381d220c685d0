package pace

import (
	"time"
)

const (
	// After a CRM said that it was called too fast, the rate is halved; then it grows by a twentieth of what it was in each
	// second, so that it is back after ten seconds.
	growth = 0.05
	// Calls that were under way together and all were too fast say so once.
	together = time.Second
	// No rate falls below: one call in ten seconds.
	slowest = 0.1
)

// adaptation is a rate found by trial, because what the CRM allows is less than what is configured, or shared with others:
// halved when the CRM says that it was called too fast, then raised little by little (additive increase, multiplicative
// decrease). It belongs to a Limiter.
type adaptation struct {
	wall   float64 // requests per second at which the CRM complained last; 0 if nothing is adapted
	halved time.Time
	since  time.Time // when it began to grow
	from   float64   // what it began with
}

// slow halves a rate. Growing begins at a time, when the CRM is called again.
func (a *adaptation) slow(now, until time.Time, rate float64) {
	if !a.halved.IsZero() && now.Sub(a.halved) < together {
		return
	}
	wall := max(rate, slowest)
	a.halved, a.wall, a.from = now, wall, max(wall/2, slowest)
	if a.since = until; until.Before(now) {
		a.since = now
	}
}

// rate is the rate now; 0 if nothing is adapted. Twice the rate at which the CRM complained is none any more: whatever it was,
// it has passed.
func (a *adaptation) rate(now time.Time) float64 {
	if a.wall == 0 {
		return 0
	}
	rate := a.from + max(0, now.Sub(a.since).Seconds())*growth*a.wall
	if rate >= 2*a.wall {
		a.wall = 0
		return 0
	}
	return rate
}
