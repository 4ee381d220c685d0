package pace

import (
	"context"
	"net/http/httptrace"
	"sync"
)

// trip is one request on its way through net/http.
//
// net/http sends a request again by itself, on another connection, where the first one broke without an answer and the request
// changes nothing at the CRM. To the CRM that is one more request, so it waits for a slot of its own.
type trip struct {
	transport *Transport
	ctx       context.Context
	cancel    context.CancelFunc // ends the trip

	mu        sync.Mutex
	slot      *Slot
	connected bool  // so that the slot is used up
	err       error // why there was no further slot
}

func (t *trip) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GetConn:              func(string) { t.connect() },
		GotConn:              func(httptrace.GotConnInfo) { t.gotConnection() },
		WroteRequest:         func(httptrace.WroteRequestInfo) { t.present().Sent() },
		GotFirstResponseByte: func() { t.present().Answered() },
	}
}

// connect waits for another slot where this is not the first connection. net/http waits as long.
func (t *trip) connect() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.connected {
		return
	}
	t.connected = false
	t.slot.sentOnce()
	slot, err := t.transport.Limiter.Acquire(t.ctx)
	if err != nil {
		t.err = err
		t.cancel()
		return
	}
	t.slot = slot
}

func (t *trip) gotConnection() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.connected = true
}

func (t *trip) present() *Slot {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.slot
}

// over uses up the slot, and returns why the trip was ended, if it was.
func (t *trip) over() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.slot.sentOnce()
	return t.err
}
