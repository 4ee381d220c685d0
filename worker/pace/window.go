package pace

import (
	"math"
	"slices"
	"time"
)

const (
	// Added to the length of every window. Together with the margin it costs less than one request in a hundred.
	allowance = time.Millisecond
	// The margin is the time by which requests may count as sent later than they were, because they arrived late. It grows by this
	// share of the time that passes, up to mostMargin.
	marginShare = 400 // one part in 400
	mostMargin  = 250 * time.Millisecond
	// Over how many windows the shortest time of an answer is determined; fewer at the beginning.
	usualOver, firstOver = 10, 2
)

// window counts what was sent in a sliding window: of a second, or longer for rates below one per second. It belongs to a Limiter.
type window struct {
	limit int           // per window; 0 for no limit
	span  time.Duration // of the window
	out   int           // in slots that were taken and not used yet
	sum   int           // total of sent
	sent  []mark        // within the window, oldest first

	margin   time.Duration // what is left of it
	marginAt time.Time     // as of when; zero if all of it is left

	usual      time.Duration // the shortest time of an answer over the last windows; 0 while unknown
	least      time.Duration // the same over the present windows
	leastSince time.Time
}

// mark is how many were sent at a time.
type mark struct {
	at time.Time
	n  int
}

// setRate changes the rate per second; 0 is no limit.
func (w *window) setRate(rate float64) {
	w.limit, w.span = 0, time.Second+allowance
	if rate > 0 {
		w.limit = max(1, int(math.Floor(rate)))
	}
	if rate > 0 && rate < 1 {
		w.span = time.Duration(float64(time.Second)/rate) + allowance
	}
}

// free returns how many may be sent now. If that is fewer than least, wait is how long until that changes; 0 if it changes only when a
// slot is used or released.
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

// note records that n were sent now.
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

// arrived records that n, sent at a time, have arrived by now; exactly when is unknown. A slow request and a fast one after it may
// reach the CRM closer together than they were sent. So the slow one counts as sent later, by as much as its answer took longer than
// usual. The margin limits that; without it, a CRM that answers more and more slowly would make all windows longer.
func (w *window) arrived(now, sent time.Time, n int) {
	if w.limit == 0 || n == 0 {
		return
	}
	if w.margin += now.Sub(w.marginAt) / marginShare; w.marginAt.IsZero() || w.margin > mostMargin {
		w.margin = mostMargin
	}
	w.marginAt = now
	// If all requests of a window are late, it is longer by the whole delay; for a part of them, only that part counts.
	by := min(w.unusual(now, now.Sub(sent)), w.margin*time.Duration(w.limit)/time.Duration(n))
	i, found := slices.BinarySearchFunc(w.sent, sent, func(m mark, at time.Time) int { return m.at.Compare(at) })
	if by <= 0 || !found || w.sent[i].n < n {
		return
	}
	w.margin -= by * time.Duration(n) / time.Duration(w.limit)
	if w.sent[i].n -= n; w.sent[i].n == 0 {
		w.sent = slices.Delete(w.sent, i, i+1)
	}
	at := sent.Add(by)
	i, found = slices.BinarySearchFunc(w.sent, at, func(m mark, at time.Time) int { return m.at.Compare(at) })
	if !found {
		w.sent = slices.Insert(w.sent, i, mark{at: at})
	}
	w.sent[i].n += n
}

// unusual returns how much longer an answer took than the shortest lately.
func (w *window) unusual(now time.Time, took time.Duration) time.Duration {
	switch {
	case w.leastSince.IsZero():
		w.least, w.leastSince = took, now
	case now.Sub(w.leastSince) >= usualOver*w.span, w.usual == 0 && now.Sub(w.leastSince) >= firstOver*w.span:
		w.usual, w.least, w.leastSince = w.least, took, now
	}
	w.least = min(w.least, took)
	w.usual = min(w.usual, took)
	return took - w.usual
}

// slide drops what is no longer in the window.
func (w *window) slide(now time.Time) {
	old := 0
	for old < len(w.sent) && now.Sub(w.sent[old].at) >= w.span {
		w.sum -= w.sent[old].n
		old++
	}
	w.sent = w.sent[old:]
}

// lately returns how many were sent in the last second. No window is shorter than that.
func (w *window) lately(now time.Time) int {
	n := 0
	for i := len(w.sent) - 1; i >= 0 && now.Sub(w.sent[i].at) < time.Second; i-- {
		n += w.sent[i].n
	}
	return n
}
