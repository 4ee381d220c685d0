package worker

import "sync"

// secrets are the contents of the references that a connection uses. Between two looks at where they are kept, every call has
// the same ones, so that a destination's account is known for each of them. It is safe for concurrent use.
type secrets struct {
	resolve func(reference string) (string, error) // nil takes a reference for its content

	mu    sync.Mutex
	known map[string]secret // by reference
}

type secret struct {
	content string
	err     error
}

func newSecrets(resolve func(string) (string, error)) *secrets {
	return &secrets{resolve: resolve, known: map[string]secret{}}
}

// get returns the content of a reference, as it was at the last look.
func (s *secrets) get(reference string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known, ok := s.known[reference]
	if !ok {
		known = s.look(reference)
		s.known[reference] = known
	}
	return known.content, known.err
}

// renew looks at every reference that was used, and reports whether one has another content.
func (s *secrets) renew() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	changed := false
	for reference, before := range s.known {
		now := s.look(reference)
		changed = changed || now.content != before.content || (now.err == nil) != (before.err == nil)
		s.known[reference] = now
	}
	return changed
}

func (s *secrets) look(reference string) secret {
	if s.resolve == nil {
		return secret{content: reference}
	}
	content, err := s.resolve(reference)
	return secret{content, err}
}

// passOn tells the secrets of a connection that replaces this one, and uses the same references, what is known of them, so
// that a change between the two is seen.
func (s *secrets) passOn(next *secrets) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next.mu.Lock()
	defer next.mu.Unlock()
	for reference, known := range s.known {
		if _, ok := next.known[reference]; !ok {
			next.known[reference] = known
		}
	}
}
