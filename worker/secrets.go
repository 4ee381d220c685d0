package worker

import "sync"

// secrets caches the contents of the references that a connection uses. Until renew is called, every call sees the same contents,
// so that the account of a destination is known for each of them. It is safe for concurrent use.
type secrets struct {
	resolve func(reference string) (string, error) // if nil, a reference is its own content

	mu    sync.Mutex
	known map[string]secret // by reference
}

type secret struct {
	content string
	err     error
}

func (s secret) differs(other secret) bool {
	return s.content != other.content || (s.err == nil) != (other.err == nil)
}

func newSecrets(resolve func(string) (string, error)) *secrets {
	return &secrets{resolve: resolve, known: map[string]secret{}}
}

// get returns the content of a reference, as of the last lookup.
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

// renew looks up every reference that was used, and reports whether the content of one changed.
func (s *secrets) renew() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	changed := false
	for reference, before := range s.known {
		now := s.look(reference)
		changed = changed || before.differs(now)
		s.known[reference] = now
	}
	return changed
}

func (s *secrets) look(reference string) secret { return lookUp(s.resolve, reference) }

func lookUp(resolve func(string) (string, error), reference string) secret {
	if resolve == nil {
		return secret{content: reference}
	}
	content, err := resolve(reference)
	return secret{content, err}
}

// alike reports whether resolve gives every reference that was used the same content.
func (s *secrets) alike(resolve func(string) (string, error)) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for reference, known := range s.known {
		if known.differs(lookUp(resolve, reference)) {
			return false
		}
	}
	return true
}

// resolveBy makes later lookups use resolve.
func (s *secrets) resolveBy(resolve func(string) (string, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.resolve = resolve
}
