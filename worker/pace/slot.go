package pace

import "context"

// Slot is the right to send one request. It is safe for concurrent use.
type Slot struct {
	limiter *Limiter
	// Guarded by limiter.mu.
	taken bool // by a request
	used  bool // sent or released
}

// Sent says that a request was sent just now. A request that the HTTP client sends again says so again, and counts twice.
func (s *Slot) Sent() {
	l := s.limiter
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent = append(l.sent, l.now())
	s.giveBack()
}

// Release gives a slot back that no request was sent with; after Sent it does nothing.
func (s *Slot) Release() {
	s.limiter.mu.Lock()
	defer s.limiter.mu.Unlock()
	s.giveBack()
}

func (s *Slot) giveBack() {
	if !s.used {
		s.used = true
		s.limiter.out--
		s.limiter.wake()
	}
}

// sentOnce is Sent, unless it was said before.
func (s *Slot) sentOnce() {
	l := s.limiter
	l.mu.Lock()
	defer l.mu.Unlock()
	if !s.used {
		l.sent = append(l.sent, l.now())
		s.giveBack()
	}
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
// before. Further requests acquire their own.
func WithSlot(ctx context.Context, slot *Slot) context.Context {
	return context.WithValue(ctx, slotKey{}, slot)
}
