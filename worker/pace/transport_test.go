package pace_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/leadgate/leadgate/worker/pace"
)

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answer(body io.ReadCloser) *http.Response {
	return &http.Response{StatusCode: http.StatusOK, Body: body}
}

func get(ctx context.Context, t *testing.T, transport http.RoundTripper) (*http.Response, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://crm.example", nil)
	if err != nil {
		t.Fatal(err)
	}
	return transport.RoundTrip(req)
}

func TestRequestsKeepThePace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var times []time.Duration
		start := time.Now()
		transport := &pace.Transport{
			Base: roundTripper(func(*http.Request) (*http.Response, error) {
				times = append(times, time.Since(start))
				if len(times)%2 == 0 {
					return nil, errors.New("connection refused") // counts, too
				}
				return answer(http.NoBody), nil
			}),
			Limiter: pace.NewLimiter(3, time.Now), Timeout: time.Minute,
		}
		for range 12 {
			if res, err := get(t.Context(), t, transport); err == nil {
				res.Body.Close()
			}
		}
		if got := most(times, time.Second); got > 3 {
			t.Errorf("%d within one second: %v", got, times)
		}
	})
}

func TestASlotAcquiredBeforeServesTheFirstRequestOnly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		limiter := pace.NewLimiter(1, time.Now)
		transport := &pace.Transport{
			Base:    roundTripper(func(*http.Request) (*http.Response, error) { return answer(http.NoBody), nil }),
			Limiter: limiter, Timeout: time.Minute,
		}
		slot, err := limiter.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ctx, start := pace.WithSlot(t.Context(), slot), time.Now()
		for _, least := range []time.Duration{0, time.Second} {
			res, err := get(ctx, t, transport)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if took := time.Since(start); took < least || took > least+100*time.Millisecond {
				t.Errorf("sent after %v, want %v", took, least)
			}
		}
	})
}

func TestTheTimeLimitBeginsWithTheSlot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		transport := &pace.Transport{
			Base: roundTripper(func(r *http.Request) (*http.Response, error) {
				<-r.Context().Done()
				return nil, r.Context().Err()
			}),
			Limiter: pace.NewLimiter(0.01, time.Now), Timeout: 5 * time.Second,
		}
		start := time.Now()
		_, err := get(t.Context(), t, transport)
		if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || took < 105*time.Second || took > 106*time.Second {
			t.Errorf("ended after %v with %v", took, err)
		}
	})
}

func TestTheTimeLimitHoldsForReadingTheAnswer(t *testing.T) {
	t.Parallel()
	held := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "the beginning")
		_ = http.NewResponseController(w).Flush()
		<-held
	}))
	defer server.Close()
	defer close(held)
	base := &http.Transport{}
	defer base.CloseIdleConnections()
	transport := &pace.Transport{Base: base, Limiter: pace.NewLimiter(0, time.Now), Timeout: time.Second}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, strings.NewReader("a lead"))
	if err != nil {
		t.Fatal(err)
	}
	res, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if _, err := io.ReadAll(res.Body); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("reading ended with %v", err)
	}
}

func TestARequestThatWasWrittenFreesItsSlotBeforeTheAnswer(t *testing.T) {
	t.Parallel()
	held, got := make(chan struct{}), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(got)
		<-held
	}))
	defer server.Close()
	base := &http.Transport{}
	defer base.CloseIdleConnections()
	limiter := pace.NewLimiter(0, time.Now)
	transport := &pace.Transport{Base: base, Limiter: limiter, Timeout: time.Minute}
	done := make(chan struct{})
	go func() {
		defer close(done)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
		if err != nil {
			t.Error(err)
			return
		}
		res, err := transport.RoundTrip(req)
		if err != nil {
			t.Error(err)
			return
		}
		res.Body.Close()
	}()
	<-got
	// The server has the request, so the client has told its trace that it was written, or is about to.
	for limiter.Rate() == 0 {
		select {
		case <-done:
			t.Fatal("answered before the slot was used up")
		default:
		}
	}
	close(held)
	<-done
}

type closing struct {
	io.Reader
	closed bool
}

func (c *closing) Close() error { c.closed = true; return nil }

func TestARequestWithoutASlotClosesItsBody(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	body := &closing{Reader: strings.NewReader("a lead")}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://crm.example", body)
	if err != nil {
		t.Fatal(err)
	}
	transport := &pace.Transport{
		Base:    roundTripper(func(*http.Request) (*http.Response, error) { return nil, net.ErrClosed }),
		Limiter: pace.NewLimiter(1, time.Now), Timeout: time.Second,
	}
	if _, err := transport.RoundTrip(req); !errors.Is(err, context.Canceled) || !body.closed {
		t.Errorf("got %v, body closed: %v", err, body.closed)
	}
}
