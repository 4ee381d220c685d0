package server

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"

	"github.com/leadgate/leadgate/server/intake"
)

// The most addresses of each kind to count for a form within a window, which bounds the memory that a flood can take. Further addresses
// are not counted.
const maxCounted = 50_000

// counters counts the submissions of each form by the visitor's network and by e-mail address. It is kept in memory only: a restart
// begins at zero. The zero value is ready to use. It is safe for concurrent use.
type counters struct {
	mu    sync.Mutex
	forms map[string]*formCounter
}

type formCounter struct {
	networks windowCounter[netip.Prefix]
	emails   windowCounter[string]
}

// count counts a submission and returns how many there were, including this one. A repeat under the same idempotency key counts as the
// same submission.
func (s *Server) count(form *form, c *call, email, key string) intake.Counts {
	if !form.Counts() {
		return intake.Counts{}
	}
	var counts intake.Counts
	s.counts.mu.Lock()
	defer s.counts.mu.Unlock()
	counter := s.counts.forms[form.name]
	if counter == nil {
		if s.counts.forms == nil {
			s.counts.forms = map[string]*formCounter{}
		}
		counter = &formCounter{}
		s.counts.forms[form.name] = counter
	}
	now, window := s.now(), form.Window()
	if network := c.network(); network.IsValid() {
		counts.Address = counter.networks.add(now, window, network, key)
	}
	if email != "" {
		counts.Email = counter.emails.add(now, window, email, key)
	}
	return counts
}

// windowCounter counts within a sliding window, approximated by two fixed ones: the count of the earlier one weighs as much as the part
// of it that the sliding window still covers.
type windowCounter[From comparable] struct {
	begun            time.Time
	current, earlier map[From]tally
}

// tally is the number of submissions from one source. It remembers only their last key: repeats come one after the other.
type tally struct {
	count int
	last  uint64 // hash of the key
}

var keySeed = maphash.MakeSeed()

// add counts a submission under a key, which may be empty, and returns how many came from the same source; 0 if it is not counted.
func (w *windowCounter[From]) add(now time.Time, window time.Duration, from From, key string) int {
	switch age := now.Sub(w.begun); {
	case w.current == nil, age >= 2*window, age < 0:
		w.begun, w.current, w.earlier = now, map[From]tally{}, nil
	case age >= window:
		w.begun, w.earlier, w.current = w.begun.Add(window), w.current, map[From]tally{}
	}
	t, ok := w.current[from]
	if !ok && len(w.current) >= maxCounted {
		return 0
	}
	hash := maphash.String(keySeed, key)
	if t.count == 0 || key == "" || t.last != hash {
		t.count++
	}
	t.last = hash
	w.current[from] = t
	covered := 1 - float64(now.Sub(w.begun))/float64(window)
	return t.count + int(float64(w.earlier[from].count)*covered)
}
