package pace

import "time"

// Quota is what a CRM says is left of one of its budgets of calls; see crm.Quota.
type Quota struct {
	Window           time.Duration
	Limit, Remaining int
	Reset            time.Time
}

// A budget of which less than this part is left is spread over the time until there is more of it: others share it, and
// running into its end costs everyone. A budget of seconds is mostly one's own, and may be used more fully.
const (
	scarceOfMany = 0.1
	scarceOfFew  = 0.05
	many         = time.Minute
)

// Where the CRM does not say when a budget grows again, this is how long it is trusted: a spent one is taken to have grown by then,
// which the next call finds out, and a scarce one is spread over no longer than that.
const lookAfter = time.Hour

// quotas are the budgets that the CRM last told of. They belong to a Limiter.
type quotas struct {
	told map[time.Duration]toldQuota // by window
}

type toldQuota struct {
	Quota
	at time.Time
}

// tell notes a budget, and reports whether it has just become scarce, and whether nothing is left of it.
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

// holds reports whether it still says something about now.
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

// rate is how many requests per second keep below the wall; 0 if no budget is scarce.
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
