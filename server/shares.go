package server

import (
	"net/netip"
	"sync"
)

// shares limits something scarce that strangers can hold, in total and for each network, so that no single network can keep out all
// others. The invalid network is limited by the total only. It is safe for concurrent use.
type shares struct {
	all, each int

	mu   sync.Mutex
	held int
	by   map[netip.Prefix]int
}

func newShares(all, each int) *shares {
	return &shares{all: all, each: each, by: map[netip.Prefix]int{}}
}

// take takes one for a network, and reports whether there was one. The caller returns it with give.
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
