package server

import (
	"fmt"
	"net/netip"
	"sync"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/leadgate/leadgate/worker"
)

// addressesKept is how many addresses a limiter remembers. Beyond that it forgets those with their full allowance; if that does not
// suffice, all: a flood from that many addresses cannot be told from many visitors.
const addressesKept = 100_000

// limiter bounds how often one address submits one form. An address may use a minute's allowance at once, and regains it evenly over a
// minute. The only thing to remember is when the allowance will be full again (the generic cell rate algorithm). It is safe for
// concurrent use.
type limiter struct {
	mu   sync.Mutex
	full map[source]time.Time
}

// source is what is limited: a form and a network.
type source struct {
	form    string
	network netip.Prefix
}

func newLimiter() *limiter { return &limiter{full: map[source]time.Time{}} }

// take uses one of perMinute submissions. If none is left, it returns how long to wait for the next.
func (l *limiter) take(from source, perMinute int, now time.Time) (wait time.Duration) {
	each := time.Minute / time.Duration(perMinute)
	l.mu.Lock()
	defer l.mu.Unlock()
	full := l.full[from]
	if full.Before(now) {
		full = now
	}
	if full = full.Add(each); full.Sub(now) > time.Minute {
		return full.Sub(now) - time.Minute
	}
	if l.full[from] = full; len(l.full) > addressesKept {
		l.forget(now)
	}
	return 0
}

func (l *limiter) forget(now time.Time) {
	for from, full := range l.full {
		if full.Before(now) {
			delete(l.full, from)
		}
	}
	if len(l.full) > addressesKept {
		clear(l.full)
	}
}

// checkRate returns an error if the caller has submitted a form too often.
func (s *Server) checkRate(form *form, c *call) error {
	perMinute, network := int(form.cfg.GetLimits().GetPerAddress()), c.network()
	if perMinute <= 0 || !network.IsValid() {
		return nil
	}
	if wait := s.limiter.take(source{form.name, network}, perMinute, s.now()); wait > 0 {
		return tooMany(perMinute, wait)
	}
	return nil
}

// tooMany returns the error of a submission beyond the limit.
func tooMany(perMinute int, wait time.Duration) error {
	return worker.Failure(nil, codes.ResourceExhausted, &errdetails.ErrorInfo{Reason: "TOO_MANY_SUBMISSIONS"},
		fmt.Sprintf("more than %d submissions a minute come from this address, which is limits.per_address of the form; send it again later, with the same key", perMinute),
		&errdetails.RetryInfo{RetryDelay: durationpb.New(wait)})
}
