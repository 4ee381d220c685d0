package crm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"
	"time"
)

// Answer is a CRM's response to a call, read to its end.
type Answer struct {
	// Status is the HTTP status.
	Status int
	// Header holds the response headers.
	Header http.Header
	// Body is the response body, at most MaxRead bytes.
	Body []byte
	// After is how long the CRM asks to wait before the next call; 0 if it does not.
	After time.Duration

	secrets []string
}

// About returns a copy of the answer with only a part of the body: the part that concerns certain leads, which is all that their
// outcomes may show.
func (a *Answer) About(part []byte) *Answer {
	about := *a
	about.Body = part
	return &about
}

// Outcome returns an outcome with the answer's status and body. Secrets of the call are masked, in case the CRM repeats them.
func (a *Answer) Outcome(kind OutcomeKind, reason string) Outcome {
	return Outcome{Kind: kind, Reason: reason, After: a.After, Status: a.Status, Body: a.Show(a.Body)}
}

// Show returns the answer's body, or a part of it, as it may be stored in [Outcome.Body].
func (a *Answer) Show(part []byte) string {
	for _, secret := range a.secrets {
		if secret != "" && bytes.Contains(part, []byte(secret)) {
			part = bytes.ReplaceAll(part, []byte(secret), []byte("***"))
		}
	}
	return excerpt(part)
}

// Call makes a request and reads the answer. If there is none, the outcome says what is known: Retry if there was no connection, so
// that the request was certainly not sent; RateLimited if the environment's client does not make the call until later, as the
// error's method PostponedUntil says; otherwise Unknown.
//
// It clears the request's GetBody, with which net/http would resend requests that it considers idempotent: the worker decides what
// is sent when. secrets are those in the request, so that no outcome shows them.
func Call(env Environment, req *http.Request, secrets ...string) (*Answer, *Outcome) {
	req.GetBody = nil
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", "leadgate")
	}
	var connected atomic.Bool
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected.Store(true) }}
	res, err := env.Client.Do(req.WithContext(httptrace.WithClientTrace(req.Context(), trace)))
	if err != nil {
		var postponed interface{ PostponedUntil() time.Time }
		if errors.As(err, &postponed) {
			after := max(time.Second, postponed.PostponedUntil().Sub(env.Now()))
			return nil, &Outcome{Kind: RateLimited, Reason: "not sent: " + inWords(err), After: min(after, MaxRetryAfter)}
		}
		if !connected.Load() {
			return nil, &Outcome{Kind: Retry, Reason: "not sent: " + inWords(err)}
		}
		return nil, &Outcome{Kind: Unknown, Reason: "the answer was lost: " + inWords(err)}
	}
	answer := &Answer{Status: res.StatusCode, Header: res.Header, After: RetryAfter(res.Header, env.Now()), secrets: secrets}
	answer.Body, err = io.ReadAll(io.LimitReader(res.Body, MaxRead+1))
	_ = res.Body.Close() // the body was read; nothing depends on this
	var reason string
	switch {
	case len(answer.Body) > MaxRead:
		reason = fmt.Sprintf("the answer is longer than %d MiB", MaxRead>>20)
	case err != nil:
		reason = "the answer ended early: " + inWords(err)
	default:
		return answer, nil
	}
	outcome := answer.Outcome(Unknown, reason)
	return nil, &outcome
}

// inWords says why a call failed. It leaves out the URL, which may contain secrets.
func inWords(err error) string {
	if call, ok := errors.AsType[*url.Error](err); ok {
		err = call.Err
	}
	var timeout net.Error
	switch {
	case errors.Is(err, context.Canceled):
		return "leadgate cut the call short"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "the time limit was reached"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection was closed"
	}
	return err.Error()
}
