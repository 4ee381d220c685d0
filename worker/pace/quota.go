package pace

import "time"

// Quota is what a CRM says is left of one of its limits; see crm.Quota.
type Quota struct {
	Window           time.Duration
	Limit, Remaining int
	Reset            time.Time
}

// When less than this share of a quota is left, the rest is spread over the time until the quota is renewed: others share it, and
// using it up stops everyone. A quota for seconds is mostly not shared, so more of it may be used.
const (
	scarceOfMany = 0.1
	scarceOfFew  = 0.05
	many         = time.Minute
)

// If the CRM does not say when a quota is renewed, the longest time to assume: after it, a quota that was used up is tried again, and a
// scarce one is spread over no more than this.
const lookAfter = time.Hour

// quotas are the CRM's quotas as it last reported them. They belong to a Limiter.
type quotas struct {
	told map[time.Duration]toldQuota // by window
}

type toldQuota struct {
	Quota
	at time.Time
}

// tell records a quota, and reports whether it has just become scarce, and whether it has just been used up.
func (q *quotas) tell(now time.Time, told Quota) (low, spent bool) {
	if told.Window <= 0 {
		return false, false
	}
	if q.told == nil {
		q.told = map[time.Duration]toldQuota{}
	}
	before, known := q.told[told.Window]
	known = known && before.holds(now)
	is := toldQuota{told, now}
	q.told[told.Window] = is
	wasScarce, wasSpent := known && before.scarce(), known && before.Remaining <= 0
	low, spent = is.scarce() && !wasScarce, told.Remaining <= 0 && !wasSpent
	return low, spent
}

// holds reports whether the quota is still current.
func (t toldQuota) holds(now time.Time) bool {
	switch {
	case !t.Reset.IsZero():
		return now.Before(t.Reset)
	case t.Remaining <= 0:
		return now.Sub(t.at) < min(t.Window, lookAfter)
	}
	return now.Sub(t.at) < t.Window
}

func (t toldQuota) scarce() bool {
	part := scarceOfMany
	if t.Window < many {
		part = scarceOfFew
	}
	return float64(t.Remaining) < max(part*float64(t.Limit), 1)
}

// rate returns the requests per second that make scarce quotas last; 0 if none is scarce.
func (q *quotas) rate(now time.Time) float64 {
	least := 0.0
	for window, t := range q.told {
		if !t.holds(now) {
			delete(q.told, window)
			continue
		}
		if !t.scarce() {
			continue
		}
		left, most := t.Window, lookAfter
		if !t.Reset.IsZero() {
			left, most = t.Reset.Sub(now), t.Window
		}
		rate := max(float64(max(t.Remaining, 1))/max(left.Seconds(), 1), 1/most.Seconds())
		if least == 0 || rate < least {
			least = rate
		}
	}
	return least
}
