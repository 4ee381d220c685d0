package badger

import (
	"bytes"
	"sync"
)

// lane is what memory holds of one destination. Disk is the truth; all of it can be made anew.
type lane struct {
	duePrefix     []byte
	waitingPrefix []byte
	notify        chan struct{}

	mu sync.Mutex
	// dueMark and waitingMark are low-water marks: no key of the index is below. Looking from a mark instead of from
	// the prefix skips what was deleted, of which there may be millions.
	dueMark     []byte
	waitingMark []byte
	claimed     map[deliveryKey]bool // claimed and not settled
}

// lane returns the lane of a destination, and makes it when it is first asked for.
func (s *Store) lane(destination string) *lane {
	s.lanesMu.Lock()
	defer s.lanesMu.Unlock()
	l := s.lanes[destination]
	if l == nil {
		due := destinationPrefix(prefixDue, destination, 0)
		waiting := destinationPrefix(prefixWaiting, destination, 0)
		l = &lane{
			duePrefix: due, dueMark: due, waitingPrefix: waiting, waitingMark: waiting,
			notify: make(chan struct{}, 1), claimed: map[deliveryKey]bool{},
		}
		s.lanes[destination] = l
	}
	return l
}

// put notes that a key was added to the due index.
func (l *lane) put(key []byte) {
	l.mu.Lock()
	if bytes.Compare(key, l.dueMark) < 0 {
		l.dueMark = key
	}
	l.mu.Unlock()
	l.wake()
}

// putWaiting notes that a key was added to the index of waiting deliveries.
func (l *lane) putWaiting(key []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if bytes.Compare(key, l.waitingMark) < 0 {
		l.waitingMark = key
	}
}

func (l *lane) wake() {
	select {
	case l.notify <- struct{}{}:
	default: // a signal waits already
	}
}

// free ends the claim on a delivery.
func (l *lane) free(d deliveryKey) {
	l.mu.Lock()
	delete(l.claimed, d)
	l.mu.Unlock()
	l.wake()
}

// Notify implements store.Store.
func (s *Store) Notify(destination string) <-chan struct{} { return s.lane(destination).notify }

// block keeps a delivery from being claimed until the change is written. It returns false if somebody holds it.
func (c *change) block(s *Store, d deliveryKey) bool {
	l := s.lane(d.destination)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.claimed[d] {
		return false
	}
	l.claimed[d] = true
	free := func() { l.free(d) }
	c.then, c.undo = append(c.then, free), append(c.undo, free)
	return true
}
