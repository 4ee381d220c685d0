package simulator

import (
	"context"
	"slices"
	"sync"
	"time"
)

// maxRequests is how many requests are kept; the oldest are dropped.
const maxRequests = 1000

// Request is a call that a simulated CRM received, and its result.
type Request struct {
	// Time is when it arrived.
	Time time.Time `json:"time"`
	// Method and Path are those of the request; Path includes the query.
	Method string `json:"method"`
	Path   string `json:"path"`
	// IdempotencyKey is the Idempotency-Key header; empty if there was none.
	IdempotencyKey string `json:"idempotency_key,omitempty"`
	// Items is how many records the call was about.
	Items int `json:"items"`
	// Status is the status of the answer; 0 if the answer was lost.
	Status int `json:"status"`
	// Fault is the [Kind] of fault, or why the call was not answered; empty if there was none.
	Fault string `json:"fault,omitempty"`
	// Committed is how many records were written.
	Committed int `json:"committed"`
}

type requestKey struct{}

// Note records in the journal how many records a call is about and how many it wrote. CRMs call it.
func Note(ctx context.Context, items, committed int) {
	if r, ok := ctx.Value(requestKey{}).(*Request); ok {
		r.Items, r.Committed = items, committed
	}
}

// journal keeps the newest requests.
type journal struct {
	mu       sync.Mutex
	requests []Request
}

func (j *journal) add(r Request) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.requests) == maxRequests {
		j.requests = slices.Delete(j.requests, 0, 1)
	}
	j.requests = append(j.requests, r)
}

func (j *journal) all() []Request {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]Request{}, j.requests...)
}

func (j *journal) clear() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.requests = nil
}
