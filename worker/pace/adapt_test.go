package pace_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/leadgate/leadgate/worker/pace"
)

func TestAMinuteHasTheWholeRateAndNoSecondMore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := pace.NewLimiter(10, time.Now)
		times := send(t, l, time.Now(), 700)
		n := 0
		for ; times[n]-times[0] < time.Minute; n++ {
		}
		if n < 594 || n > 606 {
			t.Errorf("%d requests in a minute, want 600 within a hundredth", n)
		}
		for i := range len(times) - 10 {
			if times[i+10]-times[i] <= time.Second {
				t.Fatalf("eleven requests within %v", times[i+10]-times[i])
			}
		}
	})
}

func TestARateThatWasTooFastIsHalvedAndRisesAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, configured := range []float64{0, 100} {
			l := pace.NewLimiter(configured, time.Now)
			time.Sleep(2 * time.Second)
			if configured == 0 { // its rate is what was sent
				for range 100 {
					slot, _ := l.Acquire(t.Context())
					slot.Sent()
				}
			}
			l.Slow(time.Now().Add(5 * time.Second))
			l.Slow(time.Now().Add(5 * time.Second)) // a call that was under way with the other
			time.Sleep(5 * time.Second)
			if got := l.Limit(); got != 50 {
				t.Errorf("halved to %v, want 50", got)
			}
			time.Sleep(5 * time.Second)
			if got := l.Limit(); got < 74 || got > 76 {
				t.Errorf("after five seconds it is %v, want 75", got)
			}
			time.Sleep(time.Minute)
			if got := l.Limit(); got != configured {
				t.Errorf("after a minute it is %v, want %v", got, configured)
			}
		}
	})
}

func TestABudgetThatGetsScarceIsSpreadOverItsTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := pace.NewLimiter(0, time.Now)
		day := pace.Quota{Window: 24 * time.Hour, Limit: 1000, Remaining: 500, Reset: time.Now().Add(1000 * time.Second)}
		if low, spent := l.Tell(day); low || spent || l.Limit() != 0 {
			t.Errorf("half a budget is low %v, spent %v, limit %v", low, spent, l.Limit())
		}
		day.Remaining = 50
		if low, spent := l.Tell(day); !low || spent {
			t.Errorf("a twentieth of a budget is low %v, spent %v", low, spent)
		}
		if low, _ := l.Tell(day); low {
			t.Error("it is told twice")
		}
		if got := l.Limit(); got != 0.05 {
			t.Errorf("50 calls for 1000 seconds are %v a second", got)
		}
		day.Remaining = 0
		if _, spent := l.Tell(day); !spent {
			t.Error("nothing left is not spent")
		}
		time.Sleep(1000 * time.Second)
		if got := l.Limit(); got != 0 {
			t.Errorf("after the reset the limit is %v", got)
		}
	})
}

func TestABudgetOfWhichNobodyKnowsWhenThereIsMoreIsLookedAtEveryHour(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := pace.NewLimiter(0, time.Now)
		day := pace.Quota{Window: 24 * time.Hour, Limit: 1000}
		for range 3 {
			if _, spent := l.Tell(day); !spent {
				t.Error("nothing left is not spent")
			}
			time.Sleep(time.Hour)
			if got := l.Limit(); got != 0 {
				t.Errorf("an hour later the limit is %v", got)
			}
		}
		day.Remaining = 1
		l.Tell(day)
		if got := time.Duration(float64(time.Second) / l.Limit()).Round(time.Second); got != time.Hour {
			t.Errorf("the last call of a day may be made after %v, want an hour", got)
		}
	})
}

func TestASlidingBudgetOfSecondsIsNotRunIntoItsWall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		// The CRM allows 20 calls in any ten seconds, and says what is left of them.
		var sent []time.Time
		l := pace.NewLimiter(0, time.Now)
		start := time.Now()
		for time.Since(start) < 5*time.Minute {
			slot, err := l.Acquire(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			slot.Sent()
			now := time.Now()
			sent = append(sent, now)
			used := 0
			for i := len(sent) - 1; i >= 0 && now.Sub(sent[i]) < 10*time.Second; i-- {
				used++
			}
			if used > 20 {
				t.Fatalf("call %d is one too many", len(sent))
			}
			l.Tell(pace.Quota{Window: 10 * time.Second, Limit: 20, Remaining: 20 - used})
		}
		if len(sent) < 300 {
			t.Errorf("only %d of about 600 calls in five minutes", len(sent))
		}
	})
}

// book is a ledger in memory.
type book struct {
	mu     sync.Mutex
	given  map[string]int
	writes int
}

func (b *book) Read(_ context.Context, day string) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.given[day], nil
}

func (b *book) Write(_ context.Context, day string, given int) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.given[day] = given
	b.writes++
	return nil
}

func TestADayHasNoMoreRequestsThanItsBudgetHoweverOftenTheProcessEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ledger := &book{given: map[string]int{}}
		day := func(restartEvery int) (sent int) {
			var l *pace.Limiter
			for i := 0; ; i++ {
				if i%restartEvery == 0 {
					l = pace.NewLimiter(0, time.Now)
					l.SetBudget(pace.NewBudget(1000, ledger, time.Now))
				}
				slot, err := l.Acquire(t.Context())
				var spent *pace.SpentError
				if errors.As(err, &spent) {
					if spent.Limit != 1000 || spent.Until.Format(time.TimeOnly) != "00:00:00" || !spent.Until.After(time.Now()) {
						t.Errorf("spent: %+v", spent)
					}
					time.Sleep(time.Until(spent.Until))
					return sent
				}
				if err != nil {
					t.Fatal(err)
				}
				if i%7 == 3 {
					slot.Release()
					continue
				}
				slot.Sent()
				sent++
			}
		}
		if n := day(1 << 30); n != 1000 {
			t.Errorf("%d requests in a day, want 1000", n)
		}
		if ledger.writes > 110 {
			t.Errorf("%d writes for 1000 requests", ledger.writes)
		}
		if n := day(205); n > 1000 || n < 900 {
			t.Errorf("%d requests in a day with restarts, want 1000 less what was written off", n)
		}
	})
}

func TestLeadsHaveARateOfTheirOwn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := pace.NewLimiter(0, time.Now)
		l.SetLeadRate(10)
		type batch struct {
			at time.Duration
			n  int
		}
		var batches []batch
		start, total := time.Now(), 0
		for total < 100 {
			slot, err := l.AcquireLeads(t.Context(), 7)
			if err != nil {
				t.Fatal(err)
			}
			slot.Carry(min(slot.Leads(), 4))
			n := slot.Leads()
			slot.Sent()
			batches = append(batches, batch{time.Since(start), n})
			total += n
		}
		for i := range batches {
			n := 0
			for j := i; j < len(batches) && batches[j].at-batches[i].at < time.Second; j++ {
				n += batches[j].n
			}
			if n > 10 {
				t.Fatalf("%d leads within a second", n)
			}
		}
		if took := time.Since(start); took > 12*time.Second {
			t.Errorf("100 leads took %v", took)
		}
	})
}
