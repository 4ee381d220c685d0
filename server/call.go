package server

import (
	"context"
	"encoding/binary"
	"net"
	"net/http"
	"net/netip"
	"net/textproto"
	"strings"
	"sync/atomic"
	"time"

	"github.com/fullstorydev/grpchan/inprocgrpc"
	"github.com/google/uuid"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
)

// call is what is known of a request apart from its message, whichever way it came. Services rely on it alone, never on headers or
// metadata: what a proxy claims is judged here, once.
type call struct {
	// id identifies the request. It is the caller's, if it sent a valid one.
	id string
	// leadID is the identifier that the lead gets if the request brings one. It also identifies a refused submission.
	leadID string
	// received is when the request arrived.
	received time.Time
	// address is the caller's, as far as proxies are trusted; invalid if the connection has none.
	address netip.Addr
	// visitor is the address that the caller claims to forward for, which is believed only of those who submit on behalf of visitors;
	// invalid if there is none.
	visitor netip.Addr
	// local reports whether the caller is on this machine, with no proxy in between.
	local bool
	// userAgent and page are the browser and the page that sent the request, according to its headers.
	userAgent, page string
	// key is the idempotency key from the header or metadata; empty if there is none.
	key headerKey
	// bearer is the API key that the request brought; empty if there is none.
	bearer string
	// cookie reports whether the key came from a browser's cookie; foreign, whether it came on behalf of a page of another origin.
	cookie, foreign bool
	// secure reports whether TLS protects the caller's connection.
	secure bool

	// onBehalf reports whether the caller showed an API key that lets it submit what many visitors sent: a site's own server, or a form
	// builder's. Set by SubmitForm.
	onBehalf bool
	// apiKey is the name of the API key that let the caller in; empty if none was needed. Set by authorize.
	apiKey string

	// trace is the trace that the request belongs to; zero if there is none.
	trace traceContext

	// intake reports whether the request brings a lead, so that refusing it is an event. form is the form that it came through, if there
	// is such a form.
	intake bool
	form   string
	// fromPage reports whether a form on a page sent the request, so that the answer may be a page.
	fromPage bool
	// pageHidden reports whether the browser withheld which page sent the request.
	pageHidden bool
	// stranger reports whether the request came over gRPC from a caller who needs no API key and sent no valid one.
	stranger bool
	// ended is the error that ended the stream of answers; nil while it runs.
	ended error
	// refused reports whether the event of the refusal was published.
	refused atomic.Bool
}

// headers returns the values of a request's header or metadata. The name is in lower case.
type headers func(name string) []string

// first returns the first value; empty if there is none.
func (read headers) first(name string) string {
	if values := read(name); len(values) > 0 {
		return values[0]
	}
	return ""
}

// newCall reads the headers of a request. peerAddress is the connection's remote address.
func newCall(now time.Time, proxies []netip.Prefix, peerAddress, host string, read headers) *call {
	c := &call{leadID: newLeadID(now), received: now}
	if c.id = read.first("x-request-id"); !validRequestID(c.id) {
		c.id = c.leadID
	}
	c.userAgent, c.page = read.first("user-agent"), read.first("referer")
	c.trace = readTrace(read.first("traceparent"))
	c.key = readKey(read("idempotency-key"))
	c.bearer = bearerToken(read.first("authorization"))
	direct, forwarded := parseAddress(peerAddress), forwardedFor(read)
	c.address, c.visitor = callerAddress(direct, forwarded, proxies)
	c.local = isLocal(direct, host, read)
	return c
}

// each returns the call of one of several leads that came in one request.
func (c *call) each(now time.Time) *call {
	return &call{
		id: c.id, leadID: newLeadID(now), received: now, address: c.address, local: c.local, userAgent: c.userAgent, page: c.page,
		apiKey: c.apiKey, intake: true, trace: c.trace.beside(),
	}
}

// newLeadID returns a UUIDv7 (RFC 9562, 5.7), which sorts by time. now is by the server's clock, which advances steadily even if the wall
// clock is set; listing leads by time relies on it.
func newLeadID(now time.Time) string {
	id := uuid.New() // random, except for what is set here
	binary.BigEndian.PutUint32(id[:4], uint32(now.UnixMilli()>>16))
	binary.BigEndian.PutUint16(id[4:6], uint16(now.UnixMilli()))
	id[6] = id[6]&0x0f | 0x70
	return id.String()
}

// validRequestID reports whether a caller's request identifier is safe to log: 1 to 64 letters, digits and characters of "-_.:".
func validRequestID(id string) bool {
	if id == "" || len(id) > 64 {
		return false
	}
	for _, c := range []byte(id) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("-_.:", rune(c)) {
			return false
		}
	}
	return true
}

func bearerToken(authorization string) string {
	scheme, token, ok := strings.Cut(authorization, " ")
	if !ok || !strings.EqualFold(scheme, "bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

type callKey struct{}

// withCall returns a context that carries a call.
func withCall(ctx context.Context, c *call) context.Context {
	return context.WithValue(ctx, callKey{}, c)
}

// callOf returns the call of a context; if it has none, a new one that knows nothing.
func callOf(ctx context.Context) *call {
	if c, ok := ctx.Value(callKey{}).(*call); ok {
		return c
	}
	id := newLeadID(time.Now())
	return &call{id: id, leadID: id}
}

// headersOf returns the headers of an HTTP request.
func headersOf(r *http.Request) headers {
	return func(name string) []string { return r.Header[textproto.CanonicalMIMEHeaderKey(name)] }
}

// httpCall returns the call of an HTTP request.
func (s *Server) httpCall(r *http.Request) *call {
	proxies := s.house().proxies
	c := newCall(s.now(), proxies, r.RemoteAddr, r.Host, headersOf(r))
	if !r.ProtoAtLeast(1, 1) { // nginx by default: it names neither the client nor any host but this machine
		c.local = false
	}
	c.secure = r.TLS != nil || (trusted(parseAddress(r.RemoteAddr), proxies) && r.Header.Get("X-Forwarded-Proto") == "https")
	if c.bearer == "" {
		c.bearer = cookieKey(r, c.secure)
		c.cookie = c.bearer != ""
		c.foreign = c.cookie && !sameOrigin(r)
	}
	return s.traced(c)
}

// grpcCall returns the call of an RPC: that of the HTTP request that was transcoded, or a new one.
func (s *Server) grpcCall(ctx context.Context) *call {
	if c, ok := ctx.Value(callKey{}).(*call); ok {
		return c
	}
	if client := inprocgrpc.ClientContext(ctx); client != nil { // a stream over REST
		return callOf(client)
	}
	md, _ := metadata.FromIncomingContext(ctx)
	read := headers(func(name string) []string { return md[name] })
	var address string
	if p, ok := peer.FromContext(ctx); ok {
		address = p.Addr.String()
	}
	return s.traced(newCall(s.now(), s.house().proxies, address, read.first(":authority"), read))
}

// traced starts a trace for a call that has none, if tracing is on.
func (s *Server) traced(c *call) *call {
	if s.tracing && c.trace.id == "" {
		c.trace = newTrace()
	}
	return c
}

// parseAddress parses an address with or without a port; the result is invalid if text is neither.
func parseAddress(text string) netip.Addr {
	if host, _, err := net.SplitHostPort(text); err == nil {
		text = host
	}
	address, err := netip.ParseAddr(strings.Trim(text, "[]"))
	if err != nil {
		return netip.Addr{}
	}
	return address.Unmap().WithZone("")
}

// forwardedFor returns the addresses that proxies added, nearest last. If both headers are sent, X-Forwarded-For counts, because a proxy
// that does not know Forwarded passes it on unchanged.
func forwardedFor(read headers) []string {
	if lists := read("x-forwarded-for"); len(lists) > 0 {
		return strings.Split(strings.Join(lists, ","), ",")
	}
	var hops []string
	for element := range strings.SplitSeq(strings.Join(read("forwarded"), ","), ",") {
		for pair := range strings.SplitSeq(element, ";") {
			if name, value, ok := strings.Cut(strings.TrimSpace(pair), "="); ok && strings.EqualFold(name, "for") {
				hops = append(hops, strings.Trim(value, `"`))
			}
		}
	}
	return hops
}

// callerAddress goes back from the connection's remote address through the trusted proxies to the first address that is not one of them.
// It also returns the address before that, which the caller may have made up; invalid if there is none.
func callerAddress(direct netip.Addr, hops []string, proxies []netip.Prefix) (address, before netip.Addr) {
	address = direct
	for len(hops) > 0 {
		last := len(hops) - 1
		hop := parseAddress(strings.TrimSpace(hops[last]))
		if !trusted(address, proxies) || !hop.IsValid() {
			return address, hop
		}
		address, hops = hop, hops[:last]
	}
	return address, netip.Addr{}
}

func trusted(address netip.Addr, proxies []netip.Prefix) bool {
	for _, proxy := range proxies {
		if address.IsValid() && proxy.Contains(address) {
			return true
		}
	}
	return false
}

// isLocal reports whether a caller is on this machine: the connection is a loopback one, no header shows a proxy, the host is a name of
// this machine (a page elsewhere could use a name of its own that resolves to loopback), and no page of another origin sent the request:
// even a page that cannot read the answer can measure how long it took.
func isLocal(direct netip.Addr, host string, read headers) bool {
	if !direct.IsLoopback() {
		return false
	}
	for _, name := range []string{"forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "via"} {
		if len(read(name)) > 0 {
			return false
		}
	}
	switch read.first("sec-fetch-site") {
	case "cross-site", "same-site":
		return false
	}
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	switch strings.Trim(name, "[]") {
	case "localhost", "127.0.0.1", "::1":
	default:
		return false
	}
	origin := read.first("origin")
	return origin == "" || origin == "http://"+host || origin == "https://"+host
}
