package server_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/store"
)

func TestReflectionAndHealthAreThere(t *testing.T) {
	t.Parallel()
	h := open(t, options{})
	conn := h.dial()
	stream, err := reflectionv1.NewServerReflectionClient(conn).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&reflectionv1.ServerReflectionRequest{MessageRequest: &reflectionv1.ServerReflectionRequest_ListServices{}}); err != nil {
		t.Fatal(err)
	}
	listed, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, service := range listed.GetListServicesResponse().GetService() {
		names = append(names, service.GetName())
	}
	for _, want := range []string{"leadgate.v1.LeadService", "leadgate.v1.WorkerService"} {
		if !slices.Contains(names, want) {
			t.Errorf("reflection lists %v, not %s", names, want)
		}
	}
	for _, service := range []string{"", "leadgate.v1.LeadService"} {
		health, err := healthv1.NewHealthClient(conn).Check(t.Context(), &healthv1.HealthCheckRequest{Service: service})
		if err != nil || health.GetStatus() != healthv1.HealthCheckResponse_SERVING {
			t.Errorf("health of %q: %v, %v", service, health, err)
		}
	}
}

// fullStore accepts leads as long as it has room.
type fullStore struct {
	store.Store
	full atomic.Bool
}

func (s *fullStore) Writable() error {
	if s.full.Load() {
		return store.ErrUnavailable
	}
	return nil
}

func TestHealthOverGRPCSaysWhetherLeadsAreTaken(t *testing.T) {
	t.Parallel()
	disk := &fullStore{}
	h := open(t, options{store: func(s store.Store) store.Store { disk.Store = s; return disk }})
	health := healthv1.NewHealthClient(h.dial())
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	watch := func(service string) func(want healthv1.HealthCheckResponse_ServingStatus) {
		stream, err := health.Watch(ctx, &healthv1.HealthCheckRequest{Service: service})
		if err != nil {
			t.Fatal(err)
		}
		return func(want healthv1.HealthCheckResponse_ServingStatus) {
			t.Helper()
			if got, err := stream.Recv(); err != nil || got.GetStatus() != want {
				t.Fatalf("%q is %s (%v), want %s", service, got.GetStatus(), err, want)
			}
		}
	}
	whole, leads, worker := watch(""), watch("leadgate.v1.LeadService"), watch("leadgate.v1.WorkerService")
	whole(healthv1.HealthCheckResponse_SERVING)
	leads(healthv1.HealthCheckResponse_SERVING)
	worker(healthv1.HealthCheckResponse_SERVING)
	disk.full.Store(true)
	whole(healthv1.HealthCheckResponse_NOT_SERVING)
	leads(healthv1.HealthCheckResponse_NOT_SERVING)
	if still, err := health.Check(ctx, &healthv1.HealthCheckRequest{Service: "leadgate.v1.WorkerService"}); err != nil || still.GetStatus() != healthv1.HealthCheckResponse_SERVING {
		t.Errorf("operators: %s, %v", still.GetStatus(), err)
	}
	disk.full.Store(false)
	whole(healthv1.HealthCheckResponse_SERVING)
	leads(healthv1.HealthCheckResponse_SERVING)
}

func TestASilentClientBlocksNobody(t *testing.T) {
	t.Parallel()
	h := open(t, options{})
	for range 20 {
		conn, err := net.Dial("tcp", h.address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	h.send(http.MethodGet, "/healthz", "", "").expect(t, 200)
}

func TestTLSServesBoth(t *testing.T) {
	t.Parallel()
	certFile, keyFile, pool := selfSigned(t)
	h := open(t, options{config: contactForm + fmt.Sprintf("tls: { cert_file: %q, key_file: %q }", certFile, keyFile)})
	for _, http2 := range []bool{false, true} {
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: http2}}
		response, err := client.Post("https://"+h.address+"/v1/leads", asJSON, strings.NewReader(ada))
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != http.StatusCreated || (response.ProtoMajor == 2) != http2 {
			t.Errorf("HTTP/2 %t: %s over %s", http2, response.Status, response.Proto)
		}
		client.CloseIdleConnections()
	}
	conn, err := grpc.NewClient("passthrough:///"+h.address, grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: pool})))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := leadgatev1.NewLeadServiceClient(conn).SubmitLead(t.Context(), &leadgatev1.SubmitLeadRequest{Lead: &leadgatev1.Lead{Email: "a@example.com"}}); err != nil {
		t.Error(err)
	}
}

func TestGRPCOverTLSHasItsOwnTransportWhateverElseItOffers(t *testing.T) {
	t.Parallel()
	certFile, keyFile, pool := selfSigned(t)
	h := open(t, options{
		config: keysBehindAProxy + fmt.Sprintf("tls: { cert_file: %q, key_file: %q }", certFile, keyFile), env: map[string]string{"SHOP": "shop-key"},
	})
	for offer, own := range map[string]bool{"h2": true, "grpc-exp": true, "http/1.1": false} { // grpc-go adds h2 if it is missing
		conn, err := grpc.NewClient("passthrough:///"+h.address, grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: pool, NextProtos: []string{offer}})))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		var refusal metadata.MD
		_, err = leadgatev1.NewLeadServiceClient(conn).SubmitLead(t.Context(), &leadgatev1.SubmitLeadRequest{}, grpc.Trailer(&refusal))
		if dated := len(refusal["date"]) > 0; status.Code(err) != codes.Unauthenticated || dated == own { // net/http sends a date with its answers
			t.Errorf("%s: %v, with %v", offer, err, refusal)
		}
	}
}

// crowded is a listener whose process has no file descriptors left at first.
type crowded struct {
	net.Listener
	failures int
}

func (l *crowded) Accept() (net.Conn, error) {
	if l.failures--; l.failures >= 0 {
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", syscall.EMFILE)}
	}
	return l.Listener.Accept()
}

func TestConnectionsThatCannotBeAcceptedAreLoggedAndTriedAgain(t *testing.T) {
	t.Parallel()
	logged, logs := io.Pipe()
	lines := bufio.NewScanner(logged)
	h := open(t, options{logs: logs, listen: func(l net.Listener) net.Listener { return &crowded{l, 3} }})
	if lines.Scan(); !strings.Contains(lines.Text(), "too many open files") {
		t.Errorf("logged: %s", lines.Text())
	}
	_ = logged.Close() // it is logged once
	h.send(http.MethodGet, "/healthz", "", "").expect(t, 200)
}

// A browser that returns, or opens more connections, need not make a full handshake.
func TestTLSSessionsAreResumed(t *testing.T) {
	t.Parallel()
	certFile, keyFile, pool := selfSigned(t)
	h := open(t, options{config: contactForm + fmt.Sprintf("tls: { cert_file: %q, key_file: %q }", certFile, keyFile)})
	client := &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: pool, ClientSessionCache: tls.NewLRUClientSessionCache(1)}, DisableKeepAlives: true,
	}}
	for _, resumed := range []bool{false, true, true} {
		response, err := client.Get("https://" + h.address + "/healthz")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, response.Body); err != nil { // the session ticket comes with the answer
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.TLS.DidResume != resumed {
			t.Errorf("resumed: %t, want %t", response.TLS.DidResume, resumed)
		}
	}
}

func TestMixedServesRESTOverCleartextHTTP2(t *testing.T) {
	t.Parallel()
	h := open(t, options{config: contactForm + "cleartext_http2: mixed"})
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	h.client.Transport.(*http.Transport).Protocols = protocols
	h.post("/v1/leads", asJSON, ada).expect(t, 201)
	if _, err := leadgatev1.NewLeadServiceClient(h.dial()).SubmitLead(t.Context(), &leadgatev1.SubmitLeadRequest{Lead: &leadgatev1.Lead{Email: "a@example.com"}}); err != nil {
		t.Errorf("gRPC: %v", err)
	}
}

func TestGRPCMessagesAreBoundedToo(t *testing.T) {
	t.Parallel()
	h := open(t, options{})
	_, err := leadgatev1.NewLeadServiceClient(h.dial()).SubmitLead(t.Context(), &leadgatev1.SubmitLeadRequest{Lead: &leadgatev1.Lead{Message: strings.Repeat("x", 65<<10)}})
	if status.Code(err) != codes.ResourceExhausted {
		t.Errorf("a large message: %v", err)
	}
}

func TestShutdownEndsStreamsAndSaysWhy(t *testing.T) {
	t.Parallel()
	h := open(t, options{})
	watch, err := leadgatev1.NewWorkerServiceClient(h.dial()).WatchDeliveries(t.Context(), &leadgatev1.WatchDeliveriesRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := watch.Recv(); err != nil {
		t.Fatal(err)
	}
	_, lines := h.lines("/v1/deliveries:watch")
	lines.Scan()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := h.server.Shutdown(ctx); err != nil {
		t.Errorf("with two watchers: %v", err)
	}
	if _, err := watch.Recv(); status.Code(err) != codes.Unavailable {
		t.Errorf("the watch ended with %v, want Unavailable", err)
	}
	if lines.Scan(); !strings.Contains(lines.Text(), "stopping") {
		t.Errorf("the last line is %q", lines.Text())
	}
}

func TestShutdownEndsStreamsThatNobodyEnds(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]string{"grpc's own transport": contactForm, "net/http": contactForm + "cleartext_http2: mixed"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := open(t, options{config: config})
			conn := h.dial()
			streams := map[string]grpc.ClientStream{}
			list := &reflectionv1.ServerReflectionRequest{MessageRequest: &reflectionv1.ServerReflectionRequest_ListServices{}}
			for method, asked := range map[string]proto.Message{
				reflectionv1.ServerReflection_ServerReflectionInfo_FullMethodName: list,
				"/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo":  list, // the same, under its old name
				leadgatev1.LeadService_SubmitLeads_FullMethodName:                 &leadgatev1.SubmitLeadsRequest{Request: &leadgatev1.SubmitLeadRequest{Lead: &leadgatev1.Lead{Email: "ada@example.com"}}},
				healthv1.Health_Watch_FullMethodName:                              &healthv1.HealthCheckRequest{},
			} {
				stream, err := conn.NewStream(t.Context(), &grpc.StreamDesc{ClientStreams: method != healthv1.Health_Watch_FullMethodName, ServerStreams: true}, method)
				if err != nil {
					t.Fatal(err)
				}
				if err := errors.Join(stream.SendMsg(asked), stream.RecvMsg(&emptypb.Empty{})); err != nil {
					t.Fatalf("%s: %v", method, err)
				}
				streams[method] = stream
			}
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			if err := errors.Join(h.server.Shutdown(ctx), ctx.Err()); err != nil {
				t.Error(err)
			}
			for method, stream := range streams {
				err := stream.RecvMsg(&emptypb.Empty{})
				for err == nil { // health reports the stop
					err = stream.RecvMsg(&emptypb.Empty{})
				}
				if status.Code(err) != codes.Unavailable {
					t.Errorf("%s ended with %v, want Unavailable", method, err)
				}
			}
		})
	}
}

// toldListener calls told when the server has written that much to a connection.
type toldListener struct {
	net.Listener
	much int64
	told func()
}

type toldConn struct {
	net.Conn
	listener *toldListener
	written  atomic.Int64
}

func (l *toldListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &toldConn{Conn: conn, listener: l}, conn.(*net.TCPConn).SetWriteBuffer(4 << 10)
}

func (c *toldConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if c.written.Add(int64(n)) >= c.listener.much {
		c.listener.told()
	}
	return n, err
}

func TestAWatchThatNobodyReadsHoldsUpNoStop(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		much  int64 // how much the server writes before it blocks
		watch func(h *house) error
	}{
		"gRPC": {64 << 10, func(h *house) error { // HTTP/2's flow-control window
			_, err := leadgatev1.NewWorkerServiceClient(h.dial()).WatchDeliveries(t.Context(), &leadgatev1.WatchDeliveriesRequest{Last: 2000})
			return err
		}},
		"REST": {4 << 10, func(h *house) error {
			conn, _ := h.raw("")
			if err := conn.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
				return err
			}
			_, err := io.WriteString(conn, "GET /v1/deliveries:watch?last=2000 HTTP/1.1\r\nHost: localhost\r\n\r\n")
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			full := make(chan struct{})
			h := open(t, options{listen: func(l net.Listener) net.Listener {
				return &toldListener{Listener: l, much: c.much, told: sync.OnceFunc(func() { close(full) })}
			}})
			for range 2000 {
				h.journal.Publish(&leadgatev1.Event{Kind: &leadgatev1.Event_Lead{Lead: &leadgatev1.LeadEvent{Error: strings.Repeat("x", 2<<10)}}})
			}
			if err := c.watch(h); err != nil {
				t.Fatal(err)
			}
			<-full
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			if err := errors.Join(h.server.Shutdown(ctx), ctx.Err()); err != nil {
				t.Error(err)
			}
		})
	}
}

// waitingStore accepts leads when a test lets it.
type waitingStore struct {
	store.Store
	asked, may chan struct{}
}

func (s *waitingStore) Accept(ctx context.Context, acceptances ...*store.Acceptance) ([]store.Accepted, error) {
	s.asked <- struct{}{}
	<-s.may
	return s.Store.Accept(ctx, acceptances...)
}

func TestShutdownLetsACallOverGRPCFinish(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]string{"grpc's own transport": contactForm, "net/http": contactForm + "cleartext_http2: mixed"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			slow := &waitingStore{asked: make(chan struct{}), may: make(chan struct{})}
			h := open(t, options{config: config, store: func(s store.Store) store.Store { slow.Store = s; return slow }})
			conn := h.dial()
			health, err := healthv1.NewHealthClient(conn).Watch(t.Context(), &healthv1.HealthCheckRequest{})
			if err != nil {
				t.Fatal(err)
			}
			answered := make(chan error, 1)
			go func() {
				_, err := leadgatev1.NewLeadServiceClient(conn).SubmitLead(t.Context(), &leadgatev1.SubmitLeadRequest{Lead: &leadgatev1.Lead{Email: "ada@example.com"}})
				answered <- err
			}()
			<-slow.asked
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			stopped := make(chan error, 1)
			go func() { stopped <- h.server.Shutdown(ctx) }()
			for err == nil { // until the server stops
				_, err = health.Recv()
			}
			close(slow.may)
			if err := <-answered; err != nil {
				t.Errorf("the call was cut off: %v", err)
			}
			if err := errors.Join(<-stopped, ctx.Err()); err != nil {
				t.Error(err)
			}
		})
	}
}

// selfSigned creates a certificate for 127.0.0.1.
func selfSigned(t *testing.T) (certFile, keyFile string, pool *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "127.0.0.1"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	pool = x509.NewCertPool()
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	pool.AppendCertsFromPEM(certPEM)
	for name, data := range map[string][]byte{certFile: certPEM, keyFile: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})} {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile, pool
}

// afar is a listener whose first connections seem to come from the given addresses.
type afar struct {
	net.Listener
	from []string
}

type farConn struct {
	net.Conn
	from net.Addr
}

func (c farConn) RemoteAddr() net.Addr { return c.from }

func (l *afar) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil || len(l.from) == 0 {
		return conn, err
	}
	address := &net.TCPAddr{IP: net.ParseIP(l.from[0]), Port: 1234}
	l.from = l.from[1:]
	return farConn{conn, address}, nil
}

// loggedText collects what was logged. It is safe for concurrent use.
type loggedText struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *loggedText) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

func (l *loggedText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// closedByServer waits until the server closes a silent connection.
func closedByServer(t *testing.T, address string) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the connection is still open: %v", err)
	}
}

func TestANetworkThatTakesAllConnectionsKeepsOutNobodyElse(t *testing.T) {
	t.Parallel()
	from := []string{"2001:db8::1", "2001:db8::2", "2001:db8::3", "203.0.113.7"}
	h := open(t, options{connections: 8, listen: func(l net.Listener) net.Listener { return &afar{l, from} }})
	h.raw("")
	h.raw("")
	closedByServer(t, h.address)
	h.send(http.MethodGet, "/healthz", "", "").expect(t, 200) // from IPv4
}

func TestAProxyMayHaveAllConnections(t *testing.T) {
	t.Parallel()
	from := []string{"203.0.113.7", "203.0.113.7", "203.0.113.7", "203.0.113.7"}
	h := open(t, options{
		config: contactForm + `trusted_proxies: ["203.0.113.0/24"]`, connections: 8,
		listen: func(l net.Listener) net.Listener { return &afar{l, from} },
	})
	for range from[1:] {
		h.raw("")
	}
	h.send(http.MethodGet, "/healthz", "", "").expect(t, 200)
}

func TestConnectionsThatAreTooManyAreClosedAndLogged(t *testing.T) {
	t.Parallel()
	logs := &loggedText{}
	h := open(t, options{connections: 3, logs: logs})
	first, _ := h.raw("")
	h.raw("")
	h.raw("")
	closedByServer(t, h.address)
	closedByServer(t, h.address)
	if got := strings.Count(logs.String(), "too many are open"); got != 1 {
		t.Errorf("it is logged %d times:\n%s", got, logs)
	}
	_ = first.Close()
	for { // until the server has noticed
		response, err := h.client.Get(h.url("/healthz"))
		if err == nil {
			_ = response.Body.Close()
			return
		}
		if t.Context().Err() != nil {
			t.Fatal(err)
		}
	}
}
