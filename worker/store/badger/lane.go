package badger

import (
	"sync"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

// lane is the in-memory state of one destination. All of it can be rebuilt from disk.
type lane struct {
	duePrefix     []byte
	waitingPrefix []byte
	notify        chan struct{}

	mu sync.Mutex
	// Low-water marks of the two indexes.
	dueMark     mark
	waitingMark mark
	// claims, by token, are usable or being revoked. A claim is removed when a step that ends it is staged; its delivery stays in
	// claimed until that step is durable.
	claims  map[uint64]held
	claimed map[deliveryKey]uint64 // token of the claim
	blocked map[deliveryKey]int    // number of unfinished changes that block it
}

// held is the store's record of a claim.
type held struct {
	link   link
	dueKey []byte // in the due index until Begin
	state  leadgatev1.DeliveryState
	begun  bool
	alone  bool // in its chain, and in time; false if unknown
	// revoked counts the unfinished changes that revoke it.
	revoked int
}

// lane returns the lane of a destination, created on first use.
func (s *Store) lane(destination string) *lane {
	s.lanesMu.Lock()
	defer s.lanesMu.Unlock()
	l := s.lanes[destination]
	if l == nil {
		due := destinationPrefix(prefixDue, destination, 0)
		waiting := destinationPrefix(prefixWaiting, destination, 0)
		l = &lane{
			duePrefix: due, dueMark: due, waitingPrefix: waiting, waitingMark: waiting, notify: make(chan struct{}, 1),
			claims: map[uint64]held{}, claimed: map[deliveryKey]uint64{}, blocked: map[deliveryKey]int{},
		}
		s.lanes[destination] = l
	}
	return l
}

// Notify implements store.Store.
func (s *Store) Notify(destination string) <-chan struct{} { return s.lane(destination).notify }

func (l *lane) wake() {
	select {
	case l.notify <- struct{}{}:
	default: // a signal is pending already
	}
}

// put records that a key was added to the due index.
func (l *lane) put(key []byte) {
	l.mu.Lock()
	l.dueMark.lower(key)
	l.mu.Unlock()
	l.wake()
}

// putWaiting records that a key was added to the index of waiting deliveries.
func (l *lane) putWaiting(key []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waitingMark.lower(key)
}

// taken reports whether a delivery must not be claimed. The caller holds mu.
func (l *lane) taken(d deliveryKey) bool { return l.claimed[d] != 0 || l.blocked[d] > 0 }

// hold makes a claim usable, or restores one that was taken.
func (l *lane) hold(token uint64, h held) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.claims[token] = h
	l.claimed[h.link.delivery] = token
}

// fill completes a claim with what was read. If the claim was revoked meanwhile, fill ends it and returns false.
func (l *lane) fill(token uint64, h held) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	was, ok := l.claims[token]
	if !ok || was.revoked > 0 {
		l.end(token)
		return false
	}
	h.alone = was.alone // others may have cleared it meanwhile
	l.claims[token] = h
	return true
}

// take removes a claim, so that only the caller may change its delivery. It returns false if the claim is no longer held.
func (l *lane) take(token uint64) (held, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	h, ok := l.claims[token]
	if !ok || h.revoked > 0 {
		return held{}, false
	}
	delete(l.claims, token)
	return h, true
}

// end removes a claim and makes its delivery claimable. The caller holds mu.
func (l *lane) end(token uint64) {
	if h, ok := l.claims[token]; ok {
		delete(l.claims, token)
		delete(l.claimed, h.link.delivery)
	}
}

// giveBack ends a claim whose attempt has not begun. It ignores others.
func (l *lane) giveBack(token uint64) {
	l.mu.Lock()
	h, ok := l.claims[token]
	ok = ok && !h.begun
	if ok {
		l.end(token)
	}
	l.mu.Unlock()
	if ok {
		l.wake()
	}
}

// free makes a delivery claimable whose claim was taken.
func (l *lane) free(d deliveryKey) {
	l.mu.Lock()
	delete(l.claimed, d)
	l.mu.Unlock()
	l.wake()
}

// block prevents a waiting delivery from being claimed until the change is written; several changes of one commit may block the
// same delivery. It returns false if the delivery is claimed.
func (c *change) block(s *Store, d deliveryKey) bool {
	l := s.lane(d.destination)
	l.mu.Lock()
	defer l.mu.Unlock()
	if h, ok := l.claims[l.claimed[d]]; ok && h.revoked == 0 {
		return false
	}
	c.blocked(l, d)
	return true
}

// revoke blocks a waiting delivery even if it is claimed. The claim is stale from now on, unless the change is not written after
// all.
func (c *change) revoke(s *Store, d deliveryKey) {
	l := s.lane(d.destination)
	l.mu.Lock()
	defer l.mu.Unlock()
	token := l.claimed[d]
	if _, ok := l.claims[token]; ok {
		l.revoked(token, 1)
		c.then = append(c.then, func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.end(token)
		})
		c.undo = append(c.undo, func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.revoked(token, -1)
		})
	}
	c.blocked(l, d)
}

// revoked adds to the number of changes that revoke a claim, unless it was given back meanwhile. The caller holds mu.
func (l *lane) revoked(token uint64, by int) {
	if h, ok := l.claims[token]; ok {
		h.revoked += by
		l.claims[token] = h
	}
}

// crowd records that a delivery is no longer alone in its chain. Later claims read this from disk.
func (c *change) crowd(s *Store, d deliveryKey) {
	l := s.lane(d.destination)
	l.mu.Lock()
	defer l.mu.Unlock()
	token := l.claimed[d]
	if h, ok := l.claims[token]; ok {
		h.alone = false
		l.claims[token] = h
	}
	c.blocked(l, d)
}

// blocked counts one more change that blocks a delivery. The caller holds the lane's mu.
func (c *change) blocked(l *lane, d deliveryKey) {
	l.blocked[d]++
	unblock := func() { l.unblock(d) }
	c.then, c.undo = append(c.then, unblock), append(c.undo, unblock)
}

func (l *lane) unblock(d deliveryKey) {
	l.mu.Lock()
	if l.blocked[d]--; l.blocked[d] == 0 {
		delete(l.blocked, d)
	}
	l.mu.Unlock()
	l.wake()
}
