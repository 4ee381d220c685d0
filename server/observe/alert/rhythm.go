package alert

import (
	"time"

	storev1 "github.com/leadgate/leadgate/gen/go/leadgate/store/v1"
)

const (
	hoursInWeek = 7 * 24
	// How much the newest week counts against all before: after four weeks, what was usual before them counts a quarter.
	newestWeek = 0.3
)

// rhythm is what is remembered of a form: how often its submissions usually come, by hour of the week, so that a quiet night is not
// taken for a silence. It belongs to one goroutine at a time.
type rhythm struct {
	storev1.FormMemory
	hour    int64 // the hour that is counted, since 1970; 0 before the first
	inHour  int   // how many came in it
	partial bool  // the hour was not observed from its beginning
	changed bool  // since it was last stored
}

func newRhythm(now time.Time) *rhythm {
	r := &rhythm{partial: true, changed: true}
	r.PerHour, r.Weeks = make([]float64, hoursInWeek), make([]int32, hoursInWeek)
	r.Since = now.UnixNano()
	return r
}

// restored is the rhythm that was stored, observed again from now on.
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

// advance closes the hours that are over at the time. Hours in which leadgate did not run are not judged by.
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

// expected is how many submissions should have come between two times, by what is usual.
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

// average is how many come in an hour, whatever hour it is: what is known before a week is over.
func (r *rhythm) average(now time.Time) float64 {
	observed := time.Duration(now.UnixNano() - r.Since).Hours()
	if observed <= 0 {
		return 0
	}
	return float64(r.Count) / observed
}

// hourOfWeek counts from Monday 00:00 UTC.
func hourOfWeek(t time.Time) int64 {
	const monday = 4 * 24 // 1970 began on a Thursday
	return (t.Unix()/3600 + hoursInWeek - monday) % hoursInWeek
}
