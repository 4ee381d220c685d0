package server

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Who connects gets this long to say what it speaks, TLS handshake included. A client that says nothing holds a connection
// and a goroutine for as long, nothing else.
const sniffTimeout = 10 * time.Second

// While connections cannot be accepted, or are one too many, it is logged this often.
const acceptFailuresEvery = time.Minute

// Connections that are open at a time: each takes a file descriptor and some memory, also one that says nothing. What is left of the
// process's file descriptors is for the store, which cannot go on without, and for the CRMs. One network gets a quarter of them.
const (
	maxConnections  = 16_384
	minDescriptors  = 64 // that are left, at the least
	descriptorsPart = 4  // of which one is left
	networksPart    = 4  // of which one is for one network
)

// mostConnections is how many connections a process may have that has so many file descriptors.
func mostConnections(descriptors uint64) int {
	kept := max(descriptors/descriptorsPart, minDescriptors)
	if descriptors < 2*kept { // too few for anything
		kept = descriptors / 2
	}
	return int(min(maxConnections, descriptors-kept)) //nolint:gosec // it fits
}

// prefaceLength is how much of a connection tells HTTP/2 from HTTP/1: no HTTP/1 method begins with "PRI ".
const prefaceLength = 4

// sniffer parts the connections of one listener among grpc's own HTTP/2 transport and net/http. gRPC through net/http's
// HTTP/2 costs more than twice as much processor time as through its own transport.
//
// In clear text, whoever begins with HTTP/2's preface goes to grpc, unless mixed is set. Under TLS, whoever offers h2 without
// http/1.1 does: browsers and curl offer both, gRPC clients h2 alone, or beside grpc-exp (those of C++, Python, PHP and Ruby).
type sniffer struct {
	listener net.Listener
	log      *slog.Logger
	tls      *tls.Config // nil for clear text
	mixed    bool
	grpc     *sniffed
	http     *sniffed
	open     *shares // of all connections
	// network is what a connection counts for that has such an address at its other end.
	network func(net.Addr) netip.Prefix

	mu      sync.Mutex
	waiting map[net.Conn]struct{} // connections that have not said yet what they speak
	closed  bool
}

func newSniffer(listener net.Listener, config *tls.Config, mixed bool, connections int, network func(net.Addr) netip.Prefix, log *slog.Logger) *sniffer {
	s := &sniffer{
		listener: listener, log: log, mixed: mixed, waiting: map[net.Conn]struct{}{}, network: network,
		open: newShares(connections, max(1, connections/networksPart)),
	}
	s.grpc, s.http = newSniffed(listener.Addr()), newSniffed(listener.Addr())
	if config != nil {
		s.tls = config.Clone() // one for all connections: it keeps the keys by which sessions are resumed
		s.tls.NextProtos = []string{"h2", "http/1.1"}
		s.tls.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			offers := func(protocol string) bool { return slices.Contains(hello.SupportedProtos, protocol) }
			hello.Conn.(*greeting).h2Alone = offers("h2") && !offers("http/1.1") //nolint:forcetypeassert // choose made it
			return nil, nil
		}
	}
	return s
}

// greeting is a connection whose client says in the TLS handshake what it speaks.
type greeting struct {
	net.Conn
	h2Alone bool // it offered h2, and http/1.1 not
}

// run accepts connections until the listener is closed, and then returns nil.
func (s *sniffer) run() error {
	var told time.Time // when it was last logged that one was not taken
	tell := func(problem string, args ...any) {
		if time.Since(told) > acceptFailuresEvery {
			told = time.Now()
			s.log.Error(problem+", so leads may be lost on the way here", args...)
		}
	}
	for {
		conn, err := s.listener.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return nil
		case err != nil:
			// Out of file descriptors, most likely: those that end free some.
			var transient interface{ Temporary() bool }
			if errors.As(err, &transient) && transient.Temporary() {
				tell("connections cannot be accepted", "error", err)
				time.Sleep(5 * time.Millisecond)
				continue
			}
			return err
		}
		network := s.network(conn.RemoteAddr())
		if !s.open.take(network) {
			tell("connections are closed unheard, since too many are open", "most", s.open.all, "most_of_a_network", s.open.each, "address", conn.RemoteAddr().String())
			_ = conn.Close()
			continue
		}
		conn = &held{Conn: conn, free: func() { s.open.give(network) }}
		if !s.wait(conn) {
			_ = conn.Close()
			continue
		}
		go s.sniff(conn)
	}
}

// held is a connection that counts until it is closed.
type held struct {
	net.Conn
	once sync.Once
	free func()
}

// Close implements net.Conn.
func (c *held) Close() error {
	defer c.once.Do(c.free)
	return c.Conn.Close()
}

// sniff hands a connection to the half that speaks what it speaks.
func (s *sniffer) sniff(conn net.Conn) {
	_ = conn.SetReadDeadline(time.Now().Add(sniffTimeout)) // a dead connection fails below
	to, ready, err := s.choose(conn)
	s.done(conn)
	if err != nil {
		_ = conn.Close()
		return
	}
	_ = conn.SetReadDeadline(time.Time{})
	to.put(ready)
}

func (s *sniffer) choose(conn net.Conn) (*sniffed, net.Conn, error) {
	if s.tls == nil {
		reader := bufio.NewReaderSize(conn, 512)
		start, err := reader.Peek(prefaceLength)
		if err != nil {
			return nil, nil, err
		}
		ready := &peeked{Conn: conn, reader: reader}
		if string(start) == "PRI " && !s.mixed {
			return s.grpc, ready, nil
		}
		return s.http, ready, nil
	}
	client := &greeting{Conn: conn}
	ready := tls.Server(client, s.tls)
	err := ready.HandshakeContext(context.Background()) // the deadline bounds it
	if client.h2Alone {
		return s.grpc, ready, err
	}
	return s.http, ready, err
}

func (s *sniffer) wait(conn net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.waiting[conn] = struct{}{}
	return true
}

func (s *sniffer) done(conn net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.waiting, conn)
}

// close stops accepting. Connections that were handed over live on; the halves close themselves.
func (s *sniffer) close() {
	_ = s.listener.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for conn := range s.waiting {
		_ = conn.Close()
	}
}

// sniffed is the listener of one half. Safe for concurrent use.
type sniffed struct {
	address net.Addr
	conns   chan net.Conn
	closed  chan struct{}
	once    sync.Once
}

func newSniffed(address net.Addr) *sniffed {
	return &sniffed{address: address, conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (l *sniffed) put(conn net.Conn) {
	select {
	case l.conns <- conn:
	case <-l.closed:
		_ = conn.Close()
	}
}

// Accept implements net.Listener.
func (l *sniffed) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *sniffed) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr implements net.Listener.
func (l *sniffed) Addr() net.Addr { return l.address }

// peeked is a connection of which the beginning was read already.
type peeked struct {
	net.Conn
	reader *bufio.Reader // nil once it is empty
}

// Read implements net.Conn. Only one reads a connection at a time.
func (c *peeked) Read(p []byte) (int, error) {
	if c.reader == nil {
		return c.Conn.Read(p)
	}
	n, err := c.reader.Read(p)
	if c.reader.Buffered() == 0 {
		c.reader = nil
	}
	return n, err
}
