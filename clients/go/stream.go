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
	// window is how many leads of a stream may be unanswered at a time.
	window = 2048
	// patience is how many failures in a row, without a result in between, end SubmitAll.
	patience = 8
	// The pause before a retry doubles from the first to the longest.
	firstPause, longestPause = 200 * time.Millisecond, 10 * time.Second
)

// Submission is one lead for [Client.SubmitAll].
type Submission struct {
	Lead *leadgatev1.Lead
	// Key is the idempotency key. If it is empty, one is generated, and lost if [Client.SubmitAll] fails.
	Key string
}

// Result is the result of one [Submission].
type Result struct {
	Submission
	Accepted
	// Err says why the lead was refused; nil if it was accepted. It is never temporary: such leads are sent again.
	Err *Error
}

// SubmitAll submits leads over one stream, many at a time, and yields a result for each, in order except for those that had to be
// sent again. If the connection is lost, it reconnects and sends all unanswered leads again under the same keys. An error ends the
// sequence: that of ctx, or of a gateway that stays unreachable or refuses the caller.
//
// Give every Submission its own Key: after an error, submit all of them again under the same keys. Unanswered leads may or may not
// have been accepted; their keys prevent duplicates.
//
// The leads are pulled on the goroutine that ranges over the results: while leads blocks, no result is yielded.
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

// errEnough means that the caller stopped ranging over the results.
var errEnough = errors.New("no more results are wanted")

// pause waits a random time, between half a bound and the bound, which doubles with each failure; at least as long as the gateway
// asked for. It returns at once if ctx would expire first.
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

// sender is the state of a SubmitAll across streams.
type sender struct {
	client *Client
	next   func() (Submission, bool)
	yield  func(Result, error) bool

	again    []Submission // to be sent before anything new
	done     bool         // next is exhausted
	answered int          // results yielded so far
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

// run sends leads over one stream until all have results. After an error, the next run sends the unanswered ones again.
func (s *sender) run(ctx context.Context) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := s.client.leads.SubmitLeads(ctx)
	if err != nil {
		return errorOf(err)
	}
	results := receive(stream)
	var under []Submission // unanswered, in the order sent
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
			// Recv returns the reason for an error, unless the lead was never sent.
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

// settle handles the result of a lead. For a temporary refusal it returns an error, which ends the stream: this lead and all
// unanswered ones are sent again on the next one, under their keys.
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

// received is one answer, or the error that ended the stream.
type received struct {
	result *leadgatev1.LeadResult
	err    error
}

// receive reads the answers of a stream. The channel never fills up, so its goroutine never blocks.
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
