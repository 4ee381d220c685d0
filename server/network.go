package server

import (
	"net"
	"net/netip"
)

// networkOf returns the network that stands for one visitor when submissions are counted: a single address of IPv4, a /64 of IPv6, as a
// household gets it. It is invalid for an address that may stand for many: one of a private network may be a proxy that is not listed in
// trusted_proxies, with all visitors behind it.
func networkOf(address netip.Addr) netip.Prefix {
	if !address.IsGlobalUnicast() || address.IsPrivate() {
		return netip.Prefix{}
	}
	bits := address.BitLen()
	if address.Is6() {
		bits = 64
	}
	network, _ := address.Prefix(bits) // the length fits
	return network
}

// peerNetwork returns the network that a connection counts for; invalid for a trusted proxy, which brings everybody's.
func (s *Server) peerNetwork(peer net.Addr) netip.Prefix {
	address := parseAddress(peer.String())
	if trusted(address, s.house().proxies) {
		return netip.Prefix{}
	}
	return networkOf(address)
}

// network returns the network that a call's submissions count for; invalid if the caller submits on behalf of visitors.
func (c *call) network() netip.Prefix {
	if c.onBehalf {
		return netip.Prefix{}
	}
	return networkOf(c.address)
}
