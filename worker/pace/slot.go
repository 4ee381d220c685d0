package pace

import (
	"context"
	"time"
)

// Slot is the right to send one request. It is safe for concurrent use.
type Slot struct {
	limiter *Limiter
	budget  *Budget
	day     string // that it was taken from
	// Guarded by limiter.mu.
	leads int       // that the request may carry
	taken bool      // by a request
	used  bool      // sent or released
	sent  time.Time // when it was last
}

// Leads is how many leads the request may carry.
func (s *Slot) Leads() int {
	s.limiter.mu.Lock()
	defer s.limiter.mu.Unlock()
	return s.leads
}

// Carry says that the request carries no more than n leads. What it does not carry, others may.
func (s *Slot) Carry(n int) {
	l := s.limiter
	l.mu.Lock()
	defer l.mu.Unlock()
	if n < s.leads && !s.used {
		l.leads.out -= s.leads - n
		s.leads = n
		l.wake()
	}
}

// Sent says that a request was sent just now. A request that the HTTP client sends again says so again, and counts twice.
func (s *Slot) Sent() {
	s.limiter.mu.Lock()
	defer s.limiter.mu.Unlock()
	s.note()
}

// Answered says that the answer to the request begins. The CRM counts a request when it arrives, which was at some moment between
// Sent and now. If the answer took longer than usual, the request counts as sent that much later, within a margin.
func (s *Slot) Answered() {
	l := s.limiter
	l.mu.Lock()
	defer l.mu.Unlock()
	if s.sent.IsZero() {
		return
	}
	now := l.now()
	l.requests.arrived(now, s.sent, 1)
	l.leads.arrived(now, s.sent, s.leads)
	s.sent = time.Time{}
}

// Release gives a slot back that no request was sent with; after Sent it does nothing.
func (s *Slot) Release() {
	l := s.limiter
	l.mu.Lock()
	defer l.mu.Unlock()
	if !s.used {
		s.giveBack()
		s.budget.giveBack(s.day)
	}
}

// sentOnce is Sent, unless it was said before.
func (s *Slot) sentOnce() {
	s.limiter.mu.Lock()
	defer s.limiter.mu.Unlock()
	if !s.used {
		s.note()
	}
}

func (s *Slot) note() {
	l := s.limiter
	now := l.now()
	l.requests.note(now, 1)
	l.leads.note(now, s.leads)
	s.sent = now
	if s.used {
		return
	}
	s.giveBack()
}

func (s *Slot) giveBack() {
	s.used = true
	s.limiter.requests.out--
	s.limiter.leads.out -= s.leads
	s.limiter.wake()
}

// take reports whether the slot is still free for a request, which then has it.
func (s *Slot) take() bool {
	s.limiter.mu.Lock()
	defer s.limiter.mu.Unlock()
	if s.taken || s.used {
		return false
	}
	s.taken = true
	return true
}

type slotKey struct{}

// WithSlot gives the first request that a [Transport] of the same limiter makes under the context a slot that was acquired
// before. Further requests acquire their own, which carry no leads: those of the first were counted, and whatever else is sent is
// about the same.
func WithSlot(ctx context.Context, slot *Slot) context.Context {
	return context.WithValue(ctx, slotKey{}, slot)
}
