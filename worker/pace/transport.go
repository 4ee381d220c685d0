package pace

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync"
	"time"
)

// Transport makes requests at the pace of a limiter and within a time limit. It is safe for concurrent use.
type Transport struct {
	// Base makes the requests.
	Base http.RoundTripper
	// Limiter gives the slots. A slot is used up when the request was written to its connection, or when it failed
	// before: a destination that refuses connections is not called faster than one that answers. See [Slot.Answered], too.
	Limiter *Limiter
	// Timeout bounds a request from the moment it has its slot until its answer is read; waiting for the slot is bounded
	// by the request's context alone; see [WithPatience], too.
	Timeout time.Duration
}

// RoundTrip implements http.RoundTripper.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	slot, err := t.slot(req.Context())
	if err != nil {
		if req.Body != nil {
			_ = req.Body.Close() // as RoundTrippers must; there is nothing in it that could fail
		}
		return nil, err
	}
	ctx, cancel := context.WithTimeout(req.Context(), t.Timeout)
	trip := &trip{transport: t, ctx: ctx, cancel: cancel, slot: slot}
	res, err := t.Base.RoundTrip(req.WithContext(httptrace.WithClientTrace(ctx, trip.trace())))
	ended := trip.over()
	if err != nil {
		cancel()
		if ended != nil {
			return nil, ended
		}
		return nil, err
	}
	res.Body = &limitedBody{ReadCloser: res.Body, cancel: cancel}
	return res, nil
}

func (t *Transport) slot(ctx context.Context) (*Slot, error) {
	if slot, ok := ctx.Value(slotKey{}).(*Slot); ok && slot.limiter == t.Limiter && slot.take() {
		return slot, nil
	}
	patience, ok := ctx.Value(patienceKey{}).(time.Duration)
	if !ok {
		return t.Limiter.Acquire(ctx)
	}
	waiting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	slot, err := t.Limiter.Acquire(waiting)
	if err != nil && waiting.Err() != nil && ctx.Err() == nil {
		err = fmt.Errorf("its pace allows no call within %s", patience)
	}
	return slot, err
}

type patienceKey struct{}

// WithPatience has each request that a [Transport] makes under the context fail which would wait longer for its slot, because
// a person waits for what comes of it.
func WithPatience(ctx context.Context, patience time.Duration) context.Context {
	return context.WithValue(ctx, patienceKey{}, patience)
}

// limitedBody ends the time limit of a request when its answer is closed.
type limitedBody struct {
	io.ReadCloser
	cancel context.CancelFunc
	once   sync.Once
}

// Close implements io.Closer.
func (b *limitedBody) Close() error {
	err := b.ReadCloser.Close()
	b.once.Do(b.cancel)
	return err
}
