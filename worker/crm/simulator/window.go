package simulator

import "time"

// Window is a sliding window of calls. The zero value is empty. It is not safe for concurrent use.
type Window struct{ calls []time.Time } // oldest first

// Last returns how many calls there were in the last while, and drops older ones.
func (w *Window) Last(while time.Duration, now time.Time) int {
	for len(w.calls) > 0 && now.Sub(w.calls[0]) >= while {
		w.calls = w.calls[1:]
	}
	return len(w.calls)
}

// Add adds a call. Calls must be added in order of time.
func (w *Window) Add(now time.Time) { w.calls = append(w.calls, now) }
