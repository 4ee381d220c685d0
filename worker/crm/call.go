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

// Answer is what a CRM answered to a call, read to its end.
type Answer struct {
	// Status is the HTTP status.
	Status int
	// Header is the answer's.
	Header http.Header
	// Body is at most MaxRead bytes.
	Body []byte
	// After is how long the CRM asks to wait before the next call; 0 if it does not.
	After time.Duration

	secrets []string
}

// About is the answer as far as it is about some of those that were sent: with a part of its body, which is all that their
// outcomes may show.
func (a *Answer) About(part []byte) *Answer {
	about := *a
	about.Body = part
	return &about
}

// Outcome returns an outcome that shows the answer, without the secrets of the call should the CRM have repeated them.
func (a *Answer) Outcome(kind OutcomeKind, reason string) Outcome {
	return Outcome{Kind: kind, Reason: reason, After: a.After, Status: a.Status, Body: a.Show(a.Body)}
}

// Show is what may be kept of the answer, or of a part of it, as [Outcome.Body].
func (a *Answer) Show(part []byte) string {
	for _, secret := range a.secrets {
		if secret != "" && bytes.Contains(part, []byte(secret)) {
			part = bytes.ReplaceAll(part, []byte(secret), []byte("***"))
		}
	}
	return excerpt(part)
}

// Call makes a request and reads the answer. It returns either the answer or, if there is none, the outcome that says what
// is known: Retry if the request surely was not sent, because no connection was had; RateLimited if the environment's client
// does not make it before some time, which its error's method PostponedUntil names; otherwise Unknown.
//
// It takes the request's GetBody away: net/http would use it to send a request again that it believes to be idempotent,
// and what is sent when is the worker's to decide. The secrets that the request carries are named so that no outcome shows
// them.
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
	_ = res.Body.Close() // what was wanted of it was read
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

// inWords says why a call failed, without its URL, which may hold secrets.
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
