package pace_test

import (
	"context"
	"net"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/leadgate/leadgate/worker/pace"
)

// pipes is a listener for connections in memory, which a bubble's clock knows of.
type pipes chan net.Conn

func (p pipes) dial(context.Context, string, string) (net.Conn, error) {
	here, there := net.Pipe()
	p <- there
	return here, nil
}

func (p pipes) Accept() (net.Conn, error) {
	if conn, ok := <-p; ok {
		return conn, nil
	}
	return nil, net.ErrClosed
}

func (p pipes) Close() error { return nil }

func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

func TestARequestThatIsSentAgainBelowKeepsThePaceToo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var times []time.Duration
		listener := make(pipes)
		server := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			times = append(times, time.Since(start))
			if len(times)%2 == 0 {
				panic(http.ErrAbortHandler) // on a connection that was used before, net/http sends a GET again
			}
		})}
		go func() { _ = server.Serve(listener) }() // until it is closed
		base := &http.Transport{DialContext: listener.dial}
		transport := &pace.Transport{Base: base, Limiter: pace.NewLimiter(3, time.Now), Timeout: time.Minute}
		for range 20 {
			res, err := get(t.Context(), t, transport)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
		}
		if len(times) < 30 {
			t.Errorf("%d requests came; none was sent again", len(times))
		}
		if got := most(times, time.Second); got > 3 {
			t.Errorf("%d within one second: %v", got, times)
		}
		base.CloseIdleConnections()
		close(listener)
		server.Close()
	})
}

func TestAMinuteHasTheWholeRateHoweverLongAnswersTake(t *testing.T) {
	t.Parallel()
	for _, latency := range []time.Duration{0, time.Millisecond, 5 * time.Millisecond, 40 * time.Millisecond, 300 * time.Millisecond, 3 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			l := pace.NewLimiter(10, time.Now)
			start := time.Now()
			var times []time.Duration
			for range 700 {
				slot, err := l.Acquire(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				slot.Sent()
				times = append(times, time.Since(start))
				time.AfterFunc(latency, slot.Answered)
			}
			n := 0
			for ; times[n]-times[0] < time.Minute; n++ {
			}
			if n < 594 || n > 606 {
				t.Errorf("answers take %v: %d requests in a minute, want 600 within a hundredth", latency, n)
			}
			time.Sleep(latency)
		})
	}
}

func TestNoSecondAtTheCRMHasMoreThanTheRateHoweverLateRequestsArrive(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		rate := rapid.IntRange(1, 20).Draw(rt, "rate")
		// Most arrive at once; now and then one, or all of them, are late.
		delays := rapid.SliceOfN(rapid.IntRange(0, 1000), 5, 60).Draw(rt, "delays in µs")
		late := rapid.IntRange(0, len(delays)-1).Draw(rt, "late")
		delays[late] = rapid.IntRange(0, 240_000).Draw(rt, "how late in µs")
		synctest.Test(t, func(*testing.T) {
			l := pace.NewLimiter(float64(rate), time.Now)
			start := time.Now()
			var arrivals []time.Duration
			for i := range 5 * rate {
				slot, err := l.Acquire(context.Background())
				if err != nil {
					rt.Fatal(err)
				}
				slot.Sent()
				delay := time.Duration(0)
				if i < len(delays) {
					delay = time.Duration(delays[i]) * time.Microsecond
				}
				arrivals = append(arrivals, time.Since(start)+delay)
				time.AfterFunc(delay, slot.Answered)
			}
			time.Sleep(time.Second)
			slices.Sort(arrivals)
			if got := most(arrivals, time.Second); got > rate {
				rt.Fatalf("%d of %d a second: %v", got, rate, arrivals)
			}
		})
	})
}

func TestACRMThatIsFarAwayCountsTheRateToo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := pace.NewLimiter(10, time.Now)
		start := time.Now()
		var arrivals []time.Duration
		for i := range 700 {
			slot, err := l.Acquire(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			slot.Sent()
			way := 100 * time.Millisecond
			if i > 150 && i%100 == 9 { // the last of a second, now and then
				way += 90 * time.Millisecond
			}
			arrivals = append(arrivals, time.Since(start)+way)
			time.AfterFunc(way+100*time.Millisecond, slot.Answered)
		}
		time.Sleep(time.Second)
		slices.Sort(arrivals)
		if got := most(arrivals, time.Second); got > 10 {
			t.Errorf("%d came within a second", got)
		}
		n := 0
		for ; arrivals[n]-arrivals[0] < time.Minute; n++ {
		}
		if n < 594 {
			t.Errorf("%d requests came in a minute, want 600 within a hundredth", n)
		}
	})
}
