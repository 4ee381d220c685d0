package simulator

import "time"

// Window remembers the calls of the last while. The zero value has none. It is for one goroutine at a time.
type Window struct{ calls []time.Time } // oldest first

// Last returns how many calls were made in the last while, and forgets those before.
func (w *Window) Last(while time.Duration, now time.Time) int {
	for len(w.calls) > 0 && now.Sub(w.calls[0]) >= while {
		w.calls = w.calls[1:]
	}
	return len(w.calls)
}

// Add notes a call, which is not before those that were noted.
func (w *Window) Add(now time.Time) { w.calls = append(w.calls, now) }
