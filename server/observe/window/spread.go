package window

import (
	"math"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

const (
	// Each step of a spread is that much longer than the one before: how exact a percentile is.
	spreadGrowth = 1.05
	// The first step ends here. Below it nobody tells durations apart.
	spreadFirst = time.Millisecond
	// 1.05^460 ms is two months; whatever takes longer is counted as that.
	spreadSteps = 460
)

// Spread counts durations by steps, so that percentiles of any number of them take 2 KB. The zero value is empty.
type Spread struct {
	steps *[spreadSteps]uint32 // nil while it is empty
	count int64
	max   time.Duration
}

// Add counts one duration.
func (s *Spread) Add(d time.Duration) {
	if s.steps == nil {
		s.steps = new([spreadSteps]uint32)
	}
	s.steps[stepOf(d)]++
	s.count++
	s.max = max(s.max, d)
}

// Count is how many durations were added.
func (s *Spread) Count() int64 { return s.count }

// Merge adds the durations of another.
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

// Percentile is a duration that p of all do not exceed, 0 < p ≤ 1, at most 5 % too long; 0 if there are none.
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

// Steps are the steps that are not empty, by number, and the longest duration: what the spread can be made of again.
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

// Restored is the spread that was stored as steps. Steps that there are not are left out.
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

// Message is the spread as the API shows it; nil if it is empty.
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
