package pace

import (
	"context"
	"time"
)

// Slot is the right to send one request. It is safe for concurrent use.
type Slot struct {
	limiter *Limiter
	budget  *Budget
	day     string // whose budget it was taken from
	// Guarded by limiter.mu.
	leads int       // how many leads the request may carry
	taken bool      // by a request
	used  bool      // sent or released
	sent  time.Time // when the request was last sent, until it is answered
}

// Leads returns how many leads the request may carry.
func (s *Slot) Leads() int {
	s.limiter.mu.Lock()
	defer s.limiter.mu.Unlock()
	return s.leads
}

// Carry reduces the leads that the request may carry to n. Other requests may carry the rest.
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

// Sent records that the request was sent now. If the HTTP client sends it again, Sent is called again, and it counts twice.
func (s *Slot) Sent() {
	s.limiter.mu.Lock()
	defer s.limiter.mu.Unlock()
	s.note()
}

// Answered records that the answer to the request has begun. The CRM counts a request when it arrives, some time between Sent and
// now. If the answer took longer than usual, the request counts as sent that much later, within a margin.
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

// Release returns a slot that was not used for a request. After Sent it does nothing.
func (s *Slot) Release() {
	l := s.limiter
	l.mu.Lock()
	defer l.mu.Unlock()
	if !s.used {
		s.giveBack()
		s.budget.giveBack(s.day)
	}
}

// sentOnce is Sent for a slot that is not used yet.
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

// take claims the slot for a request, and reports whether it was still free.
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

// WithSlot makes the first request that a [Transport] of the same limiter makes with the context use a slot that was acquired
// before. Further requests acquire their own slots, without leads: they are about the leads of the first, which were counted.
func WithSlot(ctx context.Context, slot *Slot) context.Context {
	return context.WithValue(ctx, slotKey{}, slot)
}
