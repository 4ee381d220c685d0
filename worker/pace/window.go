package pace

import (
	"math"
	"time"
)

// What is added to every window, so that a request that was slow to arrive and one that was fast do not meet within one
// second at the CRM. It costs less than one request in a hundred.
const allowance = 8 * time.Millisecond

// window counts what was sent in a time that slides along: of a second, or longer for rates below one a second. It belongs
// to a Limiter.
type window struct {
	limit int           // in one window; 0 for no limit
	span  time.Duration // of the window
	out   int           // given away and not sent yet
	sum   int           // of sent
	sent  []mark        // within the window, oldest first
}

// mark is so many sent at a time.
type mark struct {
	at time.Time
	n  int
}

// setRate makes it a window of so many a second; 0 is no limit.
func (w *window) setRate(rate float64) {
	w.limit, w.span = 0, time.Second+allowance
	if rate > 0 {
		w.limit = max(1, int(math.Floor(rate)))
	}
	if rate > 0 && rate < 1 {
		w.span = time.Duration(float64(time.Second)/rate) + allowance
	}
}

// free is how many may be sent now. If that is less than least, wait is when to look again; 0 until something that was given
// away is sent or given back.
func (w *window) free(now time.Time, least int) (n int, wait time.Duration) {
	w.slide(now)
	if w.limit == 0 {
		return math.MaxInt, 0
	}
	n = w.limit - w.sum - w.out
	later := n
	for i := 0; later < least && i < len(w.sent); i++ {
		later += w.sent[i].n
		if later >= least {
			wait = w.sent[i].at.Add(w.span).Sub(now)
		}
	}
	return max(0, n), wait
}

// note says that n were sent now.
func (w *window) note(now time.Time, n int) {
	if n == 0 {
		return
	}
	w.sum += n
	if last := len(w.sent) - 1; last >= 0 && w.sent[last].at.Equal(now) {
		w.sent[last].n += n
		return
	}
	w.sent = append(w.sent, mark{now, n})
}

// slide moves the window to its present place.
func (w *window) slide(now time.Time) {
	old := 0
	for old < len(w.sent) && now.Sub(w.sent[old].at) >= w.span {
		w.sum -= w.sent[old].n
		old++
	}
	w.sent = w.sent[old:]
}

// lately is how many were sent in the last second, which no window is shorter than.
func (w *window) lately(now time.Time) int {
	n := 0
	for i := len(w.sent) - 1; i >= 0 && now.Sub(w.sent[i].at) < time.Second; i-- {
		n += w.sent[i].n
	}
	return n
}
