package server

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"

	"github.com/leadgate/leadgate/server/intake"
)

// How many addresses of each kind are counted for a form within a window, so that a flood from everywhere takes no more
// memory than that. Further ones are not counted.
const maxCounted = 50_000

// counters count the submissions of each form by visitor's address and by e-mail address. They are kept in memory only: a
// restart begins anew. The zero value is ready; safe for concurrent use.
type counters struct {
	mu    sync.Mutex
	forms map[string]*formCounter
}

type formCounter struct {
	networks windowCounter[netip.Prefix]
	emails   windowCounter[string]
}

// count counts a submission and says how many came, this one included. One that comes again under its idempotency key is the
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

// windowCounter counts what came within a sliding window, as two windows side by side allow: what came in the one before
// counts for the part of it that the sliding one still covers.
type windowCounter[From comparable] struct {
	begun            time.Time
	current, earlier map[From]tally
}

// tally is how many submissions came from somebody. Of their keys it knows the last: repeats come one after the other.
type tally struct {
	count int
	last  uint64 // hash of the key
}

var keySeed = maphash.MakeSeed()

// add counts a submission under a key, which may be empty, and returns how many came from the same.
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
