package server

import (
	"net"
	"net/netip"
)

// networkOf is what one visitor has of addresses, by which submissions are counted: one of IPv4, a /64 of IPv6, as a household
// gets it. It is invalid for an address that stands for nobody in particular: that of a private network may be a proxy's that
// is not named under trusted_proxies, with every visitor behind it.
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

// peerNetwork is what connections are counted by. A proxy brings everybody's.
func (s *Server) peerNetwork(peer net.Addr) netip.Prefix {
	address := parseAddress(peer.String())
	if trusted(address, s.house().proxies) {
		return netip.Prefix{}
	}
	return networkOf(address)
}

// network is what a call's submissions are counted by. Whoever submits on behalf of visitors is not counted as one.
func (c *call) network() netip.Prefix {
	if c.onBehalf {
		return netip.Prefix{}
	}
	return networkOf(c.address)
}
