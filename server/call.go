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

// call is what is known of a request beside its message, however it came. The services never see headers or metadata that
// only leadgate may set: what a proxy says is judged here, once.
type call struct {
	// id is the request's identifier, its own or one that the caller gave.
	id string
	// leadID is the identifier that the lead gets if the request brings one. Refused submissions are known by it too.
	leadID string
	// received is when the request arrived.
	received time.Time
	// address is the caller's, as far as proxies can be trusted; invalid if the connection has none.
	address netip.Addr
	// visitor is whom the caller says that it passes on, which only those are believed that submit on behalf of visitors;
	// invalid if it says nothing.
	visitor netip.Addr
	// local says that the caller is on this machine and no proxy stands between.
	local bool
	// userAgent and page are the browser and the page that sent it, as it says.
	userAgent, page string
	// key is the idempotency key of the header or metadata; empty if there is none.
	key headerKey
	// bearer is the API key that came with it; empty if there is none.
	bearer string
	// cookie says that a browser sent the key by itself, from its cookie; foreign, that it did so for a page that is not ours.
	cookie, foreign bool
	// secure says that TLS protects the way to the caller.
	secure bool

	// onBehalf says that the caller has shown an API key by which it may submit: a site's own server, or a form builder's, which
	// brings what many visitors sent. Set by SubmitForm.
	onBehalf bool
	// apiKey is the name of the API key that let the caller in; empty if none was needed. Set by the auth interceptor.
	apiKey string

	// trace is the trace that the request belongs to; zero if it belongs to none.
	trace traceContext

	// intake says that the request brings a lead, so that refusing it is an event; form is the form it came through, if
	// there is such a form.
	intake bool
	form   string
	// fromPage says that a page's form sent it, so that the answer may be one for a visitor.
	fromPage bool
	// pageHidden says that the browser would not say which page sent it.
	pageHidden bool
	// stranger says that it came over gRPC, from somebody who needs no API key and showed none.
	stranger bool
	// ended is what ended the stream that answers it; nil while it runs.
	ended error
	// refused says that the event was published.
	refused atomic.Bool
}

// headers reads the values of a request's header or metadata. The name is in lower case.
type headers func(name string) []string

// first returns the first value; empty if there is none.
func (read headers) first(name string) string {
	if values := read(name); len(values) > 0 {
		return values[0]
	}
	return ""
}

// newCall reads what a request says of itself. peerAddress is the connection's other end.
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

// each is the call of one of several leads that came together.
func (c *call) each(now time.Time) *call {
	return &call{
		id: c.id, leadID: newLeadID(now), received: now, address: c.address, local: c.local, userAgent: c.userAgent, page: c.page,
		apiKey: c.apiKey, intake: true, trace: c.trace.beside(),
	}
}

// newLeadID makes a UUIDv7 (RFC 9562, 5.7): it sorts by time. The time is the server's, which goes on evenly when the wall
// clock is set; listing by time relies on it.
func newLeadID(now time.Time) string {
	id := uuid.New() // random, but for what is set here
	binary.BigEndian.PutUint32(id[:4], uint32(now.UnixMilli()>>16))
	binary.BigEndian.PutUint16(id[4:6], uint16(now.UnixMilli()))
	id[6] = id[6]&0x0f | 0x70
	return id.String()
}

// validRequestID says whether a caller's identifier can stand in logs: 1 to 64 letters, digits and a few signs.
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

// withCall keeps a call with a context.
func withCall(ctx context.Context, c *call) context.Context {
	return context.WithValue(ctx, callKey{}, c)
}

// callOf returns the call of a context, and one that knows nothing if it has none.
func callOf(ctx context.Context) *call {
	if c, ok := ctx.Value(callKey{}).(*call); ok {
		return c
	}
	id := newLeadID(time.Now())
	return &call{id: id, leadID: id}
}

// headersOf reads the header of an HTTP request.
func headersOf(r *http.Request) headers {
	return func(name string) []string { return r.Header[textproto.CanonicalMIMEHeaderKey(name)] }
}

// httpCall makes the call of an HTTP request.
func (s *Server) httpCall(r *http.Request) *call {
	proxies := s.house().proxies
	c := newCall(s.now(), proxies, r.RemoteAddr, r.Host, headersOf(r))
	if !r.ProtoAtLeast(1, 1) { // nginx, unless it is told to, says neither for whom it asks nor any other name than this machine's
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

// grpcCall returns the call of an rpc: the one of the HTTP request that it transcodes, or its own.
func (s *Server) grpcCall(ctx context.Context) *call {
	if c, ok := ctx.Value(callKey{}).(*call); ok {
		return c
	}
	if client := inprocgrpc.ClientContext(ctx); client != nil { // a stream's
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

// traced begins a trace for a call that belongs to none, where traces are wanted.
func (s *Server) traced(c *call) *call {
	if s.tracing && c.trace.id == "" {
		c.trace = newTrace()
	}
	return c
}

// parseAddress reads an address with or without a port; the result is invalid if it is neither.
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

// forwardedFor returns the addresses that proxies added, nearest last. Both headers are known; where both are sent,
// X-Forwarded-For counts, because proxies that do not know Forwarded pass it on as it came.
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

// callerAddress walks from the connection's other end back through the proxies that are trusted, to the first address that
// is not one of them, and returns what stands before that as well, which the caller could have made up; invalid if nothing does.
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

// isLocal says whether a caller is on this machine: the connection is a loopback one, nothing says that a proxy passed it
// on, it asks for this machine by name (or a page elsewhere could reach it through a name that resolves to loopback), and
// no page of another origin made it: a page that cannot read an answer can still tell how long it took.
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
