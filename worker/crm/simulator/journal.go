package simulator

import (
	"context"
	"slices"
	"sync"
	"time"
)

// maxRequests bounds the journal; older requests are forgotten.
const maxRequests = 1000

// Request is one call that a simulated CRM got, and what came of it.
type Request struct {
	// Time is when it came.
	Time time.Time `json:"time"`
	// Method and Path are the request's, the path with its query.
	Method string `json:"method"`
	Path   string `json:"path"`
	// IdempotencyKey is the header of that name, if one was sent.
	IdempotencyKey string `json:"idempotency_key,omitempty"`
	// Items is how many records the call was about.
	Items int `json:"items"`
	// Status is what was answered; 0 if the answer was lost.
	Status int `json:"status"`
	// Fault names the [Kind] of what befell the call.
	Fault string `json:"fault,omitempty"`
	// Committed is how many records were written.
	Committed int `json:"committed"`
}

type requestKey struct{}

// Note lets a CRM tell the journal how many records a call is about and how many it wrote.
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
