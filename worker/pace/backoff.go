package pace

import "time"

// Defaults of the configuration.
const (
	DefaultInitialDelay = time.Second
	DefaultMaxDelay     = time.Hour
	DefaultGiveUpAfter  = 72 * time.Hour
)

// MinFailures is how often a delivery must fail before it is given up, however short GiveUpAfter is.
const MinFailures = 5

// Backoff says how long to wait after a failure, and when to stop trying.
//
// The wait is random, between 0 and a bound (full jitter), so that deliveries that failed together are not retried together. The bound
// starts at Initial and doubles with each failure up to Max. With the defaults it is
//
//	1 s, 2 s, 4 s, 8 s, 16 s, 32 s, 1 min 4 s, 2 min 8 s, 4 min 16 s, 8 min 32 s, 17 min 4 s, 34 min 8 s, 1 h, 1 h, …
//
// and the mean wait is half of that: about 34 minutes in total before the bound reaches one hour, and some 150 attempts before the
// delivery is given up after 72 hours.
type Backoff struct {
	Initial, Max, GiveUpAfter time.Duration
}

// Bound returns the longest wait after that many failures.
func (b Backoff) Bound(failures int) time.Duration {
	bound := min(b.Initial, b.Max)
	for ; failures > 1 && bound < b.Max; failures-- {
		if bound > b.Max/2 { // twice as much might overflow
			return b.Max
		}
		bound *= 2
	}
	return bound
}

// Delay returns how long to wait after that many failures. random returns a random number in [0, n).
func (b Backoff) Delay(failures int, random func(n int64) int64) time.Duration {
	return time.Duration(random(int64(b.Bound(failures)) + 1))
}

// GivenUp reports whether to give up a delivery after that many failures. failingFor is how long it has been failing, counting only
// the time in which its destination could be called.
func (b Backoff) GivenUp(failures int, failingFor time.Duration) bool {
	return failures >= MinFailures && failingFor >= b.GiveUpAfter
}
