package window

import (
	"math"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

const (
	// Each step is this much longer than the previous one, which bounds the error of percentiles.
	spreadGrowth = 1.05
	// The end of the first step. Shorter durations all count as this.
	spreadFirst = time.Millisecond
	// 1.05^460 ms is two months. Longer durations count in the last step.
	spreadSteps = 460
)

// Spread is a histogram of durations that gives percentiles of any number of them in 2 KB. The zero value is empty. It is not safe
// for concurrent use.
type Spread struct {
	steps *[spreadSteps]uint32 // nil while it is empty
	count int64
	max   time.Duration
}

// Add adds one duration.
func (s *Spread) Add(d time.Duration) {
	if s.steps == nil {
		s.steps = new([spreadSteps]uint32)
	}
	s.steps[stepOf(d)]++
	s.count++
	s.max = max(s.max, d)
}

// Count returns how many durations were added.
func (s *Spread) Count() int64 { return s.count }

// Merge adds the durations of other.
func (s *Spread) Merge(other *Spread) {
	if other.steps == nil {
		return
	}
	if s.steps == nil {
		s.steps = new([spreadSteps]uint32)
	}
	for i, n := range other.steps {
		s.steps[i] += n
	}
	s.count += other.count
	s.max = max(s.max, other.max)
}

// Percentile returns a duration that the share p of all durations, 0 < p ≤ 1, does not exceed. It is at most 5 % too long; 0 if the
// spread is empty.
func (s *Spread) Percentile(p float64) time.Duration {
	if s.steps == nil {
		return 0
	}
	rest := int64(math.Ceil(p * float64(s.count)))
	for i, n := range s.steps {
		if rest -= int64(n); rest <= 0 {
			return min(endOf(i), s.max)
		}
	}
	return s.max
}

// Steps returns the non-empty steps by number, and the longest duration; see [Restored].
func (s *Spread) Steps() (steps map[uint32]uint32, longest time.Duration) {
	if s.steps == nil {
		return nil, 0
	}
	steps = map[uint32]uint32{}
	for i, n := range s.steps {
		if n > 0 {
			steps[uint32(i)] = n
		}
	}
	return steps, s.max
}

// Restored returns a spread from its Steps. Unknown step numbers are ignored.
func Restored(steps map[uint32]uint32, longest time.Duration) Spread {
	s := Spread{}
	for i, n := range steps {
		if i >= spreadSteps || n == 0 {
			continue
		}
		if s.steps == nil {
			s.steps, s.max = new([spreadSteps]uint32), longest
		}
		s.steps[i] = n
		s.count += int64(n)
	}
	return s
}

// Message returns the spread as an API message; nil if it is empty.
func (s *Spread) Message() *leadgatev1.Latency {
	if s.count == 0 {
		return nil
	}
	at := func(p float64) *durationpb.Duration {
		return durationpb.New(s.Percentile(p).Round(100 * time.Microsecond))
	}
	return &leadgatev1.Latency{Count: s.count, P50: at(.5), P90: at(.9), P95: at(.95), P99: at(.99), Max: at(1)}
}

func stepOf(d time.Duration) int {
	if d <= spreadFirst {
		return 0
	}
	step := math.Ceil(math.Log(float64(d)/float64(spreadFirst)) / math.Log(spreadGrowth))
	return min(int(step), spreadSteps-1)
}

func endOf(step int) time.Duration {
	return time.Duration(float64(spreadFirst) * math.Pow(spreadGrowth, float64(step)))
}
