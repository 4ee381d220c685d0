package pace_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/leadgate/leadgate/worker/pace"
)

func expectState(t *testing.T, b *pace.Breaker, want pace.BreakerState) {
	t.Helper()
	if got, _ := b.State(); got != want {
		t.Fatalf("the breaker is %d, want %d", got, want)
	}
}

func failures(b *pace.Breaker, n int, deliveries int) {
	for i := range n {
		b.Failed([]string{fmt.Sprint(i % deliveries)})
	}
}

func TestTheBreakerOpensWhenAPingConfirmsTheDoubt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := pace.NewBreaker(time.Now)
		failures(b, pace.DoubtAfter-1, 1)
		b.Succeeded()
		failures(b, pace.DoubtAfter-1, 1)
		expectState(t, b, pace.Closed)
		failures(b, 1, 1)
		expectState(t, b, pace.Doubtful)
		if !b.Pinged(false) {
			t.Error("a ping that failed did not open it")
		}
		expectState(t, b, pace.Open)
		for _, want := range []time.Duration{5 * time.Second, 10 * time.Second, 20 * time.Second} {
			if _, at := b.State(); time.Until(at) != want {
				t.Errorf("the next probe is in %v, want %v", time.Until(at), want)
			}
			if want < 20*time.Second {
				b.Pinged(false)
			}
		}
		if !b.Failed([]string{"late"}) {
			t.Error("a call that was under way is blamed")
		}
		b.Pinged(true)
		expectState(t, b, pace.HalfOpen)
		if !b.Failed([]string{"probe"}) {
			t.Error("the delivery that was tried is blamed")
		}
		expectState(t, b, pace.Open)
		b.Pinged(true)
		if !b.Succeeded() || b.Succeeded() {
			t.Error("closing was not reported once")
		}
		expectState(t, b, pace.Closed)
	})
}

func TestFewDeliveriesThatFailDoNotOpenABreakerWhosePingGetsThrough(t *testing.T) {
	t.Parallel()
	b := pace.NewBreaker(time.Now)
	for range 10 {
		failures(b, pace.DoubtAfter, pace.OpenAfter-1)
		expectState(t, b, pace.Doubtful)
		if b.Pinged(true) {
			t.Fatal("it opened")
		}
		expectState(t, b, pace.Closed)
	}
	failures(b, pace.DoubtAfter, pace.OpenAfter)
	if !b.Pinged(true) {
		t.Error("many different deliveries failed, and it did not open")
	}
}

func TestEveryThirdProbeTriesADeliveryThoughThePingFails(t *testing.T) {
	t.Parallel()
	b := pace.NewBreaker(time.Now)
	b.Open()
	for range 2 {
		b.Pinged(false)
		expectState(t, b, pace.Open)
	}
	b.Pinged(false)
	expectState(t, b, pace.HalfOpen)
}
