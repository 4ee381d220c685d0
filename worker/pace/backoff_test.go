package pace_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/leadgate/leadgate/worker/pace"
)

var defaults = pace.Backoff{Initial: pace.DefaultInitialDelay, Max: pace.DefaultMaxDelay, GiveUpAfter: pace.DefaultGiveUpAfter}

func TestTheBoundDoublesUpToItsMaximum(t *testing.T) {
	t.Parallel()
	for failures, want := range map[int]time.Duration{
		0: time.Second, 1: time.Second, 2: 2 * time.Second, 3: 4 * time.Second, 7: 64 * time.Second,
		12: 2048 * time.Second, 13: time.Hour, 14: time.Hour, 1 << 30: time.Hour,
	} {
		if got := defaults.Bound(failures); got != want {
			t.Errorf("after %d failures %v, want %v", failures, got, want)
		}
	}
	if got := (pace.Backoff{Initial: time.Hour, Max: time.Minute}).Bound(1); got != time.Minute {
		t.Errorf("an initial delay above the maximum: %v", got)
	}
}

func TestDelaysSpreadOverTheWholeBound(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	least, most := time.Duration(math.MaxInt64), time.Duration(0)
	for range 1000 {
		delay := defaults.Delay(4, random.Int64N)
		least, most = min(least, delay), max(most, delay)
	}
	if least > 200*time.Millisecond || most < 7800*time.Millisecond || most > 8*time.Second {
		t.Errorf("delays lie between %v and %v, want 0 and 8 s", least, most)
	}
}

func TestAnyDelayIsWithinItsBound(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		b := pace.Backoff{
			Initial: time.Duration(rapid.Int64Range(1, int64(24*time.Hour)).Draw(t, "initial")),
			Max:     time.Duration(rapid.Int64Range(1, int64(168*time.Hour)).Draw(t, "max")),
		}
		delay := b.Delay(rapid.IntRange(0, 1000).Draw(t, "failures"), rand.Int64N)
		if delay < 0 || delay > b.Max {
			t.Errorf("%+v waits %v", b, delay)
		}
	})
}

func TestGivingUpNeedsTimeAndFailures(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		failures int
		failing  time.Duration
		want     bool
	}{
		{5, 72 * time.Hour, true},
		{4, 100 * time.Hour, false},
		{500, 71 * time.Hour, false},
	} {
		if got := defaults.GivenUp(test.failures, test.failing); got != test.want {
			t.Errorf("%d failures in %v: given up is %v", test.failures, test.failing, got)
		}
	}
}
