package server

import (
	"net/netip"
	"sync"
)

// shares are of what strangers may hold, of which there is only so much: nobody gets more than a part, so that one of them alone
// cannot keep out all others. Networks that stand for nobody in particular have a part in the whole only. Safe for concurrent use.
type shares struct {
	all, each int

	mu   sync.Mutex
	held int
	by   map[netip.Prefix]int
}

func newShares(all, each int) *shares {
	return &shares{all: all, each: each, by: map[netip.Prefix]int{}}
}

// take takes one for a network. It returns false if there is none; otherwise give is called when it is free again.
func (s *shares) take(network netip.Prefix) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held >= s.all || network.IsValid() && s.by[network] >= s.each {
		return false
	}
	s.held++
	if network.IsValid() {
		s.by[network]++
	}
	return true
}

func (s *shares) give(network netip.Prefix) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held--
	if !network.IsValid() {
		return
	}
	if s.by[network]--; s.by[network] == 0 {
		delete(s.by, network)
	}
}
