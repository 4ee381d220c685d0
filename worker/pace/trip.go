package pace

import (
	"context"
	"net/http/httptrace"
	"sync"
)

// trip is one request on its way through net/http.
//
// If a connection breaks before the answer and the request is idempotent, net/http sends it again on another connection. To the CRM
// that is one more request, so it has to wait for another slot.
type trip struct {
	transport *Transport
	ctx       context.Context
	cancel    context.CancelFunc // ends the trip

	mu        sync.Mutex
	slot      *Slot
	connected bool  // the slot counts as used
	err       error // why there was no other slot
}

func (t *trip) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GetConn:              func(string) { t.connect() },
		GotConn:              func(httptrace.GotConnInfo) { t.gotConnection() },
		WroteRequest:         func(httptrace.WroteRequestInfo) { t.present().Sent() },
		GotFirstResponseByte: func() { t.present().Answered() },
	}
}

// connect waits for another slot if this is not the first connection. Meanwhile net/http waits too.
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

// over marks the slot as used, and returns why the trip was cut short, if it was.
func (t *trip) over() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.slot.sentOnce()
	return t.err
}
