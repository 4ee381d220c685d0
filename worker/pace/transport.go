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

// Transport is a RoundTripper that keeps to the pace of a limiter and a timeout. It is safe for concurrent use.
type Transport struct {
	// Base makes the requests.
	Base http.RoundTripper
	// Limiter provides the slots. A slot is used when the request has been written to its connection, or has failed before
	// that, so that a destination that refuses connections is not called faster than one that answers. See also [Slot.Answered].
	Limiter *Limiter
	// Timeout limits a request from when it has its slot until its answer has been read. Only the request's context limits the wait
	// for the slot; see also [WithPatience].
	Timeout time.Duration
}

// RoundTrip implements http.RoundTripper.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	slot, err := t.slot(req.Context())
	if err != nil {
		if req.Body != nil {
			_ = req.Body.Close() // a RoundTripper must close it; an error would mean nothing
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

// WithPatience makes requests that a [Transport] makes with the context fail if they wait longer than this for a slot. It is for
// requests whose result a person is waiting for.
func WithPatience(ctx context.Context, patience time.Duration) context.Context {
	return context.WithValue(ctx, patienceKey{}, patience)
}

// limitedBody stops the timeout of a request when the body of its answer is closed.
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
