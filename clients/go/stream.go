package leadgate

import (
	"context"
	"errors"
	"io"
	"iter"
	"math/rand/v2"
	"time"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

const (
	// window is how many leads of a stream are on their way at a time.
	window = 2048
	// patience is how often in a row, without a single result between, a stream is opened anew.
	patience = 8
	// Pauses before that double from the first to the longest.
	firstPause, longestPause = 200 * time.Millisecond, 10 * time.Second
)

// Submission is one of many leads.
type Submission struct {
	Lead *leadgatev1.Lead
	// Key is the idempotency key. One is made if it is empty, which is forgotten with an error of [Client.SubmitAll].
	Key string
}

// Result is what became of one of many leads.
type Result struct {
	Submission
	Accepted
	// Err says why the lead was refused; nil if it was accepted. It is never temporary: such a lead is sent again.
	Err *Error
}

// SubmitAll submits leads as they come, many at a time over one stream, and yields a result for each: in their order, but for
// those that had to be sent again. When the connection is lost, it is made anew, and what has no answer yet goes out again
// under the same key. An error ends the sequence: that of ctx, or of a gateway that stays away or refuses the caller.
//
// Give every Submission a Key of its own: after an error, submit all again under the same keys. Leads that had no answer may
// have been accepted or not, and under their keys none is accepted twice.
//
// The leads are asked for as they are needed, on the goroutine of whoever ranges over the results: while leads waits for its next
// one, no result is yielded.
func (c *Client) SubmitAll(ctx context.Context, leads iter.Seq[Submission]) iter.Seq2[Result, error] {
	return func(yield func(Result, error) bool) {
		next, stop := iter.Pull(leads)
		defer stop()
		s := &sender{client: c, next: next, yield: yield}
		for failures := 0; ; {
			before := s.answered
			err := s.run(ctx)
			switch {
			case err == nil || errors.Is(err, errEnough):
				return
			case ctx.Err() != nil:
				yield(Result{}, ctx.Err())
				return
			case s.answered > before:
				failures = 0
			}
			if failures++; failures >= patience || !passing(err) {
				yield(Result{}, err)
				return
			}
			if err := pause(ctx, failures, err); err != nil {
				yield(Result{}, err)
				return
			}
		}
	}
}

// errEnough says that whoever ranges over the results wants no more.
var errEnough = errors.New("no more results are wanted")

// pause waits a random time below a bound that doubles with each failure, and at least for as long as the gateway said. It returns
// at once if ctx ends before that.
func pause(ctx context.Context, failures int, failure error) error {
	bound := min(longestPause, firstPause<<(failures-1))
	wait := bound/2 + rand.N(bound/2)
	if e := (*Error)(nil); errors.As(failure, &e) {
		wait = max(wait, e.RetryAfter)
	}
	if deadline, bounded := ctx.Deadline(); bounded && time.Until(deadline) < wait {
		return context.DeadlineExceeded
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// sender is the state of a SubmitAll across its streams.
type sender struct {
	client *Client
	next   func() (Submission, bool)
	yield  func(Result, error) bool

	again    []Submission // to be sent before anything new
	done     bool         // next has no more
	answered int          // results that were yielded
}

// take returns the next lead to send; ok is false if there is none.
func (s *sender) take() (one Submission, ok bool) {
	if len(s.again) > 0 {
		one, s.again = s.again[0], s.again[1:]
		return one, true
	}
	if s.done {
		return Submission{}, false
	}
	if one, ok = s.next(); !ok {
		s.done = true
		return Submission{}, false
	}
	if one.Key == "" {
		one.Key = NewKey()
	}
	return one, true
}

// run sends over one stream until all have their results. What has none when it fails is sent again by the next run.
func (s *sender) run(ctx context.Context) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := s.client.leads.SubmitLeads(ctx)
	if err != nil {
		return errorOf(err)
	}
	results := receive(stream)
	var under []Submission // way, in the order of sending
	defer func() { s.again = append(under, s.again...) }()
	for {
		var got received
		one, more := Submission{}, false
		if len(under) < window {
			one, more = s.take()
		}
		if more {
			under = append(under, one)
			request := &leadgatev1.SubmitLeadsRequest{Request: &leadgatev1.SubmitLeadRequest{Lead: one.Lead, IdempotencyKey: one.Key}}
			// An error is told by Recv, with its reason, unless the lead never left.
			if err := stream.Send(request); err != nil && !errors.Is(err, io.EOF) {
				if never := unsendable(request); never != nil {
					under = under[:len(under)-1]
					if err := s.tell(Result{Submission: one, Err: never}); err != nil {
						return err
					}
				}
				return errorOf(err)
			}
			select {
			case got = <-results:
			default:
				continue
			}
		} else {
			if len(under) == 0 {
				if err := stream.CloseSend(); err != nil {
					return errorOf(err)
				}
				if got = <-results; errors.Is(got.err, io.EOF) {
					return nil
				}
				return errorOf(got.err)
			}
			got = <-results
		}
		if got.err != nil {
			if errors.Is(got.err, io.EOF) {
				return io.ErrUnexpectedEOF
			}
			return errorOf(got.err)
		}
		if len(under) == 0 {
			return errors.New("leadgate: the gateway answered more leads than were sent")
		}
		one, under = under[0], under[1:]
		if err := s.settle(one, got.result); err != nil {
			return err
		}
	}
}

// settle tells what became of a lead. One that may be taken later goes out again, and with it, on another stream, all that have no
// answer yet: the gateway knows their keys.
func (s *sender) settle(one Submission, got *leadgatev1.LeadResult) error {
	result := Result{Submission: one}
	if got.GetRefusal() == nil {
		result.Accepted = Accepted{LeadID: got.GetLeadId(), Replayed: got.GetReplayed()}
	} else if result.Err = refusal(got.GetRefusal()); result.Err.Temporary {
		s.again = append(s.again, one)
		return result.Err
	}
	return s.tell(result)
}

// tell yields a result.
func (s *sender) tell(result Result) error {
	if s.answered++; !s.yield(result, nil) {
		return errEnough
	}
	return nil
}

// received is one answer, or the error that ends them.
type received struct {
	result *leadgatev1.LeadResult
	err    error
}

// receive passes on the answers of a stream. The channel never fills up, so that they are read whether anybody takes them or not.
func receive(stream leadgatev1.LeadService_SubmitLeadsClient) <-chan received {
	results := make(chan received, window+1)
	go func() {
		for {
			answer, err := stream.Recv()
			results <- received{answer.GetResult(), err}
			if err != nil {
				return
			}
		}
	}()
	return results
}
