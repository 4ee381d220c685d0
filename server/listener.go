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

// How long a new connection may take to show which protocol it speaks, TLS handshake included. A silent client holds a connection and a
// goroutine for that time, nothing else.
const sniffTimeout = 10 * time.Second

// How often it is logged that connections cannot be accepted or are too many.
const acceptFailuresEvery = time.Minute

// Bounds of the connections open at a time. Each takes a file descriptor and some memory, even if it is idle. A part of the process's
// file descriptors is reserved for the store, which cannot work without, and for calls to CRMs. One network gets a quarter of the
// connections.
const (
	maxConnections  = 16_384
	minDescriptors  = 64 // reserved at least
	descriptorsPart = 4  // a quarter is reserved
	networksPart    = 4  // a quarter is for one network
)

// mostConnections returns how many connections a process may have that is allowed this many file descriptors.
func mostConnections(descriptors uint64) int {
	kept := max(descriptors/descriptorsPart, minDescriptors)
	if descriptors < 2*kept { // very few: half for each
		kept = descriptors / 2
	}
	return int(min(maxConnections, descriptors-kept)) //nolint:gosec // it fits
}

// prefaceLength is how many bytes tell HTTP/2 from HTTP/1: no HTTP/1 method begins with "PRI ".
const prefaceLength = 4

// sniffer distributes the connections of one listener between grpc's own HTTP/2 transport and net/http. gRPC through net/http's HTTP/2
// takes more than twice the processor time.
//
// In clear text, a connection that begins with HTTP/2's preface goes to grpc, unless mixed is set. With TLS, a client that offers h2 but
// not http/1.1 goes to grpc: browsers and curl offer both, gRPC clients h2 alone or with grpc-exp (those of C++, Python, PHP and Ruby).
type sniffer struct {
	listener net.Listener
	log      *slog.Logger
	tls      *tls.Config // nil for clear text
	mixed    bool
	grpc     *sniffed
	http     *sniffed
	open     *shares // counts all connections
	// network returns the network that a connection from an address counts for.
	network func(net.Addr) netip.Prefix

	mu      sync.Mutex
	waiting map[net.Conn]struct{} // connections whose protocol is not known yet
	closed  bool
}

func newSniffer(listener net.Listener, config *tls.Config, mixed bool, connections int, network func(net.Addr) netip.Prefix, log *slog.Logger) *sniffer {
	s := &sniffer{
		listener: listener, log: log, mixed: mixed, waiting: map[net.Conn]struct{}{}, network: network,
		open: newShares(connections, max(1, connections/networksPart)),
	}
	s.grpc, s.http = newSniffed(listener.Addr()), newSniffed(listener.Addr())
	if config != nil {
		s.tls = config.Clone() // shared by all connections: it holds the keys that resume sessions
		s.tls.NextProtos = []string{"h2", "http/1.1"}
		s.tls.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			offers := func(protocol string) bool { return slices.Contains(hello.SupportedProtos, protocol) }
			hello.Conn.(*greeting).h2Alone = offers("h2") && !offers("http/1.1") //nolint:forcetypeassert // choose made it
			return nil, nil
		}
	}
	return s
}

// greeting is a connection whose client names its protocols in the TLS handshake.
type greeting struct {
	net.Conn
	h2Alone bool // it offered h2 but not http/1.1
}

// run accepts connections until the listener is closed, and then returns nil.
func (s *sniffer) run() error {
	var told time.Time // when a connection that was not accepted was last logged
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
			// Most likely there are no file descriptors left: connections that end free some.
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

// sniff passes a connection to the half that speaks its protocol.
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
	err := ready.HandshakeContext(context.Background()) // bounded by the deadline
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

// close stops accepting, and closes connections whose protocol is not known yet. The halves close the others.
func (s *sniffer) close() {
	_ = s.listener.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for conn := range s.waiting {
		_ = conn.Close()
	}
}

// sniffed is the listener of one half. It is safe for concurrent use.
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

// peeked is a connection whose first bytes were already read.
type peeked struct {
	net.Conn
	reader *bufio.Reader // nil once it is empty
}

// Read implements net.Conn. It must not be called concurrently.
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
