package pace

import (
	"time"
)

const (
	// After a CRM says that it was called too fast, the rate is halved. Then it grows each second by a twentieth of what it was, so that
	// it is back after ten seconds.
	growth = 0.05
	// Complaints within this time are about calls that were in progress together, and count once.
	together = time.Second
	// The lowest rate: one call in ten seconds.
	slowest = 0.1
)

// adaptation is a rate found by trial, for a CRM that allows less than is configured, or whose limit is shared with others. It is
// halved when the CRM says that it was called too fast, then raised little by little (additive increase, multiplicative decrease). It
// belongs to a Limiter.
type adaptation struct {
	wall   float64 // requests per second at which the CRM last complained; 0 if the rate is not adapted
	halved time.Time
	since  time.Time // when growth begins
	from   float64   // the rate then
}

// slow halves a rate. It grows again from until on, when the CRM is called next.
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

// rate returns the rate now; 0 if it is not adapted. At twice the rate at which the CRM complained, adaptation ends: whatever the
// reason was, it has passed.
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
