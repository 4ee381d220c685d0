package alert

import (
	"time"

	storev1 "github.com/leadgate/leadgate/gen/go/leadgate/store/v1"
)

const (
	hoursInWeek = 7 * 24
	// The weight of the newest week: after four weeks, what was usual before them still counts for a quarter.
	newestWeek = 0.3
)

// rhythm learns how many submissions a form usually gets in each hour of the week, so that a quiet night does not look like a
// failure. It is not safe for concurrent use.
type rhythm struct {
	storev1.FormMemory
	hour    int64 // the hour being counted, since 1970; 0 before the first
	inHour  int   // submissions in it so far
	partial bool  // the hour was not observed from its start
	changed bool  // since it was last stored
}

func newRhythm(now time.Time) *rhythm {
	r := &rhythm{partial: true, changed: true}
	r.PerHour, r.Weeks = make([]float64, hoursInWeek), make([]int32, hoursInWeek)
	r.Since = now.UnixNano()
	return r
}

// restored returns a stored rhythm that observes from now on.
func restored(stored *storev1.FormMemory, now time.Time) *rhythm {
	r := newRhythm(now)
	if len(stored.GetPerHour()) == hoursInWeek && len(stored.GetWeeks()) == hoursInWeek {
		r.PerHour, r.Weeks, r.Since, r.Last, r.Count = stored.GetPerHour(), stored.GetWeeks(), stored.GetSince(), stored.GetLast(), stored.GetCount()
		r.LastLead = stored.GetLastLead()
		r.changed = false
	}
	return r
}

// came counts a submission.
func (r *rhythm) came(at time.Time) {
	r.advance(at)
	r.Last = max(r.Last, at.UnixNano())
	r.Count++
	r.inHour++
	r.changed = true
}

// advance learns from the hours that ended before now. Hours in which leadgate did not run do not count.
func (r *rhythm) advance(now time.Time) {
	hour := now.Unix() / 3600
	if r.hour == 0 {
		r.hour = hour
	}
	for ; r.hour < hour; r.hour++ {
		if !r.partial {
			r.learn(int(hourOfWeek(time.Unix(r.hour*3600, 0))), float64(r.inHour))
		}
		r.inHour, r.partial = 0, false
	}
}

func (r *rhythm) learn(hour int, n float64) {
	if r.Weeks[hour] == 0 {
		r.PerHour[hour] = n
	} else {
		r.PerHour[hour] += newestWeek * (n - r.PerHour[hour])
	}
	r.Weeks[hour]++
	r.changed = true
}

// expected returns how many submissions usually arrive between two times.
func (r *rhythm) expected(from, to time.Time) float64 {
	total, average := 0.0, r.average(to)
	for from.Before(to) {
		next := from.Truncate(time.Hour).Add(time.Hour)
		if next.After(to) {
			next = to
		}
		perHour := average
		if hour := hourOfWeek(from); r.Weeks[hour] > 0 {
			perHour = r.PerHour[hour]
		}
		total += perHour * next.Sub(from).Hours()
		from = next
	}
	return total
}

// average returns the mean number of submissions per hour. It stands in for hours of the week not seen yet.
func (r *rhythm) average(now time.Time) float64 {
	observed := time.Duration(now.UnixNano() - r.Since).Hours()
	if observed <= 0 {
		return 0
	}
	return float64(r.Count) / observed
}

// hourOfWeek returns the hour since Monday 00:00 UTC.
func hourOfWeek(t time.Time) int64 {
	const monday = 4 * 24 // 1970 began on a Thursday
	return (t.Unix()/3600 + hoursInWeek - monday) % hoursInWeek
}
