package pace

import "time"

// What stands where the configuration says nothing.
const (
	DefaultInitialDelay = time.Second
	DefaultMaxDelay     = time.Hour
	DefaultGiveUpAfter  = 72 * time.Hour
)

// MinFailures is how often a delivery is tried at least before it is given up, however soon GiveUpAfter is over.
const MinFailures = 5

// Backoff says how long to wait after a failure, and when to stop trying.
//
// The wait is a random time between nothing and a bound, so that deliveries that failed together do not come back together.
// The bound begins at Initial and doubles with each failure up to Max; with the defaults it is
//
//	1 s, 2 s, 4 s, 8 s, 16 s, 32 s, 1 min 4 s, 2 min 8 s, 4 min 16 s, 8 min 32 s, 17 min 4 s, 34 min 8 s, 1 h, 1 h, …
//
// and the mean wait half of that: about 34 minutes in sum before the bound of one hour is reached, and some 150 attempts
// until the delivery is given up after 72 hours.
type Backoff struct {
	Initial, Max, GiveUpAfter time.Duration
}

// Bound is the longest wait after so many failures.
func (b Backoff) Bound(failures int) time.Duration {
	bound := min(b.Initial, b.Max)
	for ; failures > 1 && bound < b.Max; failures-- {
		if bound > b.Max/2 { // and cannot overflow
			return b.Max
		}
		bound *= 2
	}
	return bound
}

// Delay is how long to wait after so many failures. random returns a random number from 0 up to, not including, n.
func (b Backoff) Delay(failures int, random func(n int64) int64) time.Duration {
	return time.Duration(random(int64(b.Bound(failures)) + 1))
}

// GivenUp reports whether a delivery that failed so often, over so much time in which its destination could be reached, is
// not to be tried again.
func (b Backoff) GivenUp(failures int, failingFor time.Duration) bool {
	return failures >= MinFailures && failingFor >= b.GiveUpAfter
}
