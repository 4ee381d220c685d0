package pace_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/leadgate/leadgate/worker/pace"
)

// send takes n slots one after the other and returns when each was sent, since start.
func send(t *testing.T, l *pace.Limiter, start time.Time, n int) []time.Duration {
	t.Helper()
	var times []time.Duration
	for range n {
		slot, err := l.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		slot.Sent()
		times = append(times, time.Since(start))
	}
	return times
}

// most is the largest number of sends in any window of the given length.
func most(times []time.Duration, window time.Duration) int {
	largest := 0
	for i := range times {
		n := 0
		for n < len(times)-i && times[i+n]-times[i] < window {
			n++
		}
		largest = max(largest, n)
	}
	return largest
}

func TestNoWindowOfOneSecondHasMoreThanTheRate(t *testing.T) {
	t.Parallel()
	for _, rate := range []float64{0.5, 1, 2.5, 9, 40} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			l := pace.NewLimiter(rate, time.Now)
			n := int(10 * max(1, rate))
			times := send(t, l, start, n)
			if got := most(times, time.Second); float64(got) > max(1, rate) {
				t.Errorf("rate %v: %d within one second: %v", rate, got, times)
			}
			if rate < 1 && most(times, time.Duration(float64(time.Second)/rate)) > 1 {
				t.Errorf("rate %v: sent at %v", rate, times)
			}
			took := times[n-1].Seconds()
			if fair := float64(n) / min(rate, max(rate/2, math.Floor(rate))); took > fair*1.1+1 {
				t.Errorf("rate %v: %d took %.1f s, expected about %.1f s", rate, n, took, fair)
			}
		})
	}
}

func TestWhoDoesNotWaitGetsWhatMayBeSentNow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := pace.NewLimiter(4, time.Now)
		l.SetLeadRate(10)
		take := func() (leads []int) {
			for slot := l.TryLeads(4); slot != nil; slot = l.TryLeads(4) {
				leads = append(leads, slot.Leads())
				slot.Sent()
			}
			return leads
		}
		if got := take(); got != nil {
			t.Errorf("in the first window %v were sent", got)
		}
		time.Sleep(2 * time.Second) // a window and more
		if got := take(); !slices.Equal(got, []int{4, 4, 2}) {
			t.Errorf("requests of %v leads were sent, want 10 leads in all", got)
		}
		time.Sleep(2 * time.Second) // a window and more
		l.SetLeadRate(0)
		if got := take(); !slices.Equal(got, []int{4, 4, 4, 4}) {
			t.Errorf("requests of %v leads were sent, want 4 requests", got)
		}
		time.Sleep(2 * time.Second) // a window and more
		l.SetBudget(pace.NewBudget(100, nil, time.Now))
		if got := take(); got != nil {
			t.Errorf("%v were sent without asking the budget", got)
		}
	})
}

func TestTheFirstWindowIsWaitedOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		if first := send(t, pace.NewLimiter(100, time.Now), start, 1)[0]; first < time.Second || first > 1100*time.Millisecond {
			t.Errorf("the first was sent after %v", first)
		}
		start = time.Now()
		if first := send(t, pace.NewLimiter(0, time.Now), start, 1)[0]; first > 0 {
			t.Errorf("without a limit the first was sent after %v", first)
		}
	})
}

func TestAChangedRateCountsWhatWasSent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := pace.NewLimiter(10, time.Now)
		start := time.Now()
		times := send(t, l, start, 10)
		l.SetRate(4)
		times = append(times, send(t, l, start, 4)...)
		if gap := times[10] - times[9]; gap < time.Second {
			t.Errorf("slower: the next came after %v", gap)
		}
		l.SetRate(6)
		more := send(t, l, start, 2)
		if gap := more[1] - times[13]; gap > 0 {
			t.Errorf("faster: two more had to wait %v", gap)
		}
		if next := send(t, l, start, 1)[0]; next-times[10] < time.Second {
			t.Errorf("the seventh came %v after the first of its window", next-times[10])
		}
		l.SetRate(0)
		send(t, l, start, 5)
		l.SetRate(5)
		all := append(times, more...)
		if next := send(t, l, start, 1)[0]; next-all[len(all)-1] < time.Second {
			t.Errorf("what was sent while there was no limit does not count")
		}
	})
}

func TestAChangedRateWakesThoseWhoWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := pace.NewLimiter(0.01, time.Now)
		start := time.Now()
		send(t, l, start, 1)
		began := time.Since(start)
		got := make(chan time.Duration, 1)
		go func() {
			slot, err := l.Acquire(t.Context())
			if err == nil {
				slot.Sent()
			}
			got <- time.Since(start)
		}()
		synctest.Wait()
		l.SetRate(2)
		if waited := <-got - began; waited > 2*time.Second {
			t.Errorf("waited %v at the old rate", waited)
		}
	})
}

func TestASlotCountsFromWhenItsRequestWasSent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := pace.NewLimiter(1, time.Now)
		slot, err := l.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second) // of the bubble's clock: the connection takes long
		slot.Sent()
		sent := time.Now()
		if next := send(t, l, sent, 1)[0]; next < time.Second {
			t.Errorf("the next came %v after it", next)
		}
	})
}

func TestASlotThatWasNotUsedIsGivenBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := pace.NewLimiter(1, time.Now)
		slot, err := l.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		slot.Release()
		slot.Release()
		start := time.Now()
		if first := send(t, l, start, 1)[0]; first > 0 {
			t.Errorf("waited %v for a slot that is free", first)
		}
		slot.Release() // after its time: must not free the slot of another
		if next := send(t, l, start, 1)[0]; next < time.Second {
			t.Errorf("the next came after %v", next)
		}
	})
}

func TestWaitingForASlotEndsWithTheContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := pace.NewLimiter(0.001, time.Now)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := l.Acquire(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

func TestTheRateSaysWhatWasSentInTheLastSecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := pace.NewLimiter(0, time.Now)
		send(t, l, time.Now(), 3)
		time.Sleep(600 * time.Millisecond)
		send(t, l, time.Now(), 2)
		if got := l.Rate(); got != 5 {
			t.Errorf("%d, want 5", got)
		}
		time.Sleep(600 * time.Millisecond)
		if got := l.Rate(); got != 2 {
			t.Errorf("%d, want 2", got)
		}
		time.Sleep(time.Second)
		if got := l.Rate(); got != 0 {
			t.Errorf("%d, want 0", got)
		}
	})
}

func TestTheRateHoldsForAnyConcurrencyDelayAndChange(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		rate := rapid.Float64Range(0.2, 20).Draw(rt, "rate")
		callers := rapid.IntRange(1, 6).Draw(rt, "callers")
		delays := rapid.SliceOfN(rapid.IntRange(0, 1500), 1, 12).Draw(rt, "delays in ms")
		synctest.Test(t, func(t *testing.T) {
			l := pace.NewLimiter(rate, time.Now)
			start := time.Now()
			var (
				mu    sync.Mutex
				times []time.Duration
				all   sync.WaitGroup
			)
			for c := range callers {
				all.Go(func() {
					for i, delay := range delays {
						slot, err := l.Acquire(t.Context())
						if err != nil {
							t.Error(err)
							return
						}
						time.Sleep(time.Duration(delay*(c+1)) * time.Millisecond / 3)
						if i%4 == 3 {
							slot.Release()
							continue
						}
						mu.Lock()
						slot.Sent()
						times = append(times, time.Since(start))
						mu.Unlock()
					}
				})
			}
			all.Wait()
			if got := most(times, time.Second); float64(got) > max(1, rate) {
				rt.Fatalf("%d within one second: %v", got, times)
			}
		})
	})
}
