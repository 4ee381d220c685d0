// Package server is leadgate's front: it takes requests and makes leads durable.
//
// One port serves gRPC, REST, forms and a few plain pages; listener.go splits its connections. Form posts are decoded (forms.go), REST is
// transcoded (gateway.go), and both go through the same interceptors (interceptors.go) to the same services as gRPC (leads.go and the
// worker's own). accept.go makes the lead durable.
package server

import (
	"context"
	"crypto/tls"
	"errors"
	"html/template"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"buf.build/go/protovalidate"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/gen/js"
	"github.com/leadgate/leadgate/server/config"
	"github.com/leadgate/leadgate/server/static"
	"github.com/leadgate/leadgate/worker/journal"
	"github.com/leadgate/leadgate/worker/operations"
	"github.com/leadgate/leadgate/worker/store"
)

const (
	headerTimeout = 10 * time.Second // for a client to send a request's headers
	idleTimeout   = 2 * time.Minute  // between two requests or RPCs on one connection
	maxHeaders    = 32 << 10         // size of a request's headers, in bytes
	// Goroutines kept for gRPC's RPCs, because a new one for each would have to grow its stack every time. Further concurrent RPCs get
	// new ones.
	streamWorkers = 128
	// RPCs over gRPC that one connection may have in progress, the same as in net/http's HTTP/2. Clients hold back the rest. Each whose
	// answer the client does not read holds 3 KB.
	maxStreams = 250
	// How often the same fault is logged. One that fails a lead mostly fails the next as well.
	ruleFailuresEvery = 10 * time.Minute
	// Clients that ping more often are disconnected. Many ping every 10 s, and after a delayed ping the next one seems to come early.
	minPing = 5 * time.Second
	// How often the status of gRPC's health service is updated.
	healthEvery = time.Second
	// How long a stopping server waits, once no request is in progress any more, for the last answers to be sent.
	lastWords = time.Second
)

// Options are what a server needs. Snapshot, Store, Journal, Worker, Metrics and OpenAPI are required.
type Options struct {
	Snapshot config.Snapshot
	Store    store.Store
	Journal  *journal.Journal
	// Worker is the service through which operators see deliveries.
	Worker leadgatev1.WorkerServiceServer
	// Back is the worker itself. If nil, leads cannot be replayed, and previews do not show what destinations would be sent.
	Back Back
	// Preparer enriches leads before they are first sent. If nil, they are sent at once.
	Preparer Preparer
	// Metrics is served at /metrics to callers with the role read; OpenAPI at /openapi.json to everybody.
	Metrics http.Handler
	OpenAPI []byte
	// Answered, if not nil, is called after each unary RPC, over gRPC or REST, with its result and how long the caller waited.
	Answered func(method string, code codes.Code, took time.Duration)
	// Routes are additional handlers by path prefix, such as /demo/, open to everybody.
	Routes map[string]http.Handler
	// Tracing starts a trace for every submission that does not belong to one.
	Tracing bool
	// BodyTimeout is how long a client may take to send the body of a request; 10 s if 0. Files get a minute.
	BodyTimeout time.Duration
	// Connections is how many may be open at a time; if 0, as many as the process's file descriptors allow.
	Connections int
	// Now returns the current time, by the same clock as the store's; time.Now if nil.
	Now func() time.Time
	// Logger receives faults of leadgate itself. If nil, they are dropped.
	Logger *slog.Logger
}

// Preparer enriches leads; package prepare implements it.
type Preparer interface {
	// Wants returns how long the deliveries of a form's lead should wait for it to be prepared; 0 if there is nothing to do.
	Wants(form string, lead *leadgatev1.Lead) time.Duration
	// Take prepares an accepted lead whose deliveries wait. It returns at once.
	Take(leadID string)
}

// Server serves requests. It is safe for concurrent use.
type Server struct {
	store     store.Store
	hasher    *store.Hasher
	journal   *journal.Journal
	back      Back
	preparer  Preparer
	now       func() time.Time
	log       *slog.Logger
	validator protovalidate.Validator
	current   atomic.Pointer[house]
	once      *journal.Once // limits how often the same fault is logged
	tls       *tls.Config
	mixed     bool
	tracing   bool
	answered  func(method string, code codes.Code, took time.Duration)

	bodyTimeout time.Duration
	connections int

	stopping context.Context // done once Shutdown is called
	stop     context.CancelFunc

	health   *health.Server
	grpc     *grpc.Server
	grpcHTTP *grpc.Server    // for RPCs that come through net/http: GracefulStop would cut those off
	rpcs     map[string]bool // the RPCs that exist, by full method name
	http     *http.Server
	client   leadgatev1.LeadServiceClient
	gateway  http.Handler
	visitors *template.Template // the answer to a visitor without JavaScript
	words    *words
	limiter  *limiter
	// strangers limits the open RPCs of callers without an API key.
	strangers *shares
	files     map[string]http.Handler // static files, by path
	counts    counters
	drift     *driftTeller
	routes    routes

	underWay underWay

	mu      sync.Mutex
	sniffer *sniffer // nil before Serve
	halves  errgroup.Group
}

// New returns a server. It does not listen yet.
func New(o Options) (*Server, error) {
	s := &Server{
		store: o.Store, hasher: store.NewHasher(o.Store.HashKey()), journal: o.Journal, back: o.Back, preparer: o.Preparer,
		limiter: newLimiter(), strangers: newShares(maxStrangers, maxStrangersOfNetwork), now: o.Now, log: o.Logger, tracing: o.Tracing, answered: o.Answered,
		bodyTimeout: o.BodyTimeout, connections: o.Connections, health: health.NewServer(),
	}
	if s.answered == nil {
		s.answered = func(string, codes.Code, time.Duration) {}
	}
	if s.bodyTimeout == 0 {
		s.bodyTimeout = usualBodyTimeout
	}
	if s.connections == 0 {
		s.connections = mostConnections(descriptors())
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.drift = newDriftTeller(o.Store, o.Journal, s.log)
	s.once = journal.NewOnce(ruleFailuresEvery, s.now)
	s.stopping, s.stop = context.WithCancel(context.Background())
	h, err := newHouse(o.Snapshot)
	if err != nil {
		return nil, err
	}
	s.current.Store(h)
	cfg := o.Snapshot.Config
	if h.certificate != nil {
		s.tls = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return s.house().certificate, nil
		}}
	}
	s.mixed = cfg.GetCleartextHttp2() == "mixed"
	s.validator, err = protovalidate.New(protovalidate.WithMessages(&leadgatev1.SubmitLeadRequest{}, &leadgatev1.SubmitFormRequest{}))
	if err != nil {
		return nil, err
	}
	if s.visitors, err = parseAnswerPage(); err != nil {
		return nil, err
	}
	if s.words, err = newWords(js.Files); err != nil {
		return nil, err
	}
	if s.files, err = pageFiles(js.Files); err != nil {
		return nil, err
	}
	description, err := static.New("openapi.json", o.OpenAPI)
	if err != nil {
		return nil, err
	}
	s.files["/openapi.json"] = shared(description)
	if s.back != nil {
		operations.Define(s.back.Operations(), replayLeads, (&leads{Server: s}).replayTask)
		operations.Define(s.back.Operations(), eraseLeads, (&leads{Server: s}).eraseTask)
	}
	if err := s.assemble(o, h); err != nil {
		return nil, err
	}
	s.drift.forget(s.stopping, h.forms)
	return s, nil
}

// assemble registers the services with gRPC and REST.
func (s *Server) assemble(o Options, h *house) error {
	unary, stream := s.unaryChain(), s.streamChain()
	rpcs := []grpc.ServerOption{
		grpc.ChainUnaryInterceptor(unary...), grpc.ChainStreamInterceptor(stream...), grpc.ForceServerCodecV2(s.codec()),
		grpc.MaxRecvMsgSize(max(maxBatchBody, int(h.maxBody))),
	}
	s.grpcHTTP = grpc.NewServer(rpcs...)
	s.grpc = grpc.NewServer(append(rpcs,
		grpc.InTapHandle(s.tapped), grpc.NumStreamWorkers(streamWorkers), grpc.MaxConcurrentStreams(maxStreams),
		grpc.ConnectionTimeout(headerTimeout), grpc.MaxHeaderListSize(maxHeaders),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: idleTimeout}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: minPing, PermitWithoutStream: true}),
	)...)
	channel := newChannel(unary, stream)
	for _, registrar := range []grpc.ServiceRegistrar{s.grpc, s.grpcHTTP, channel} {
		leadgatev1.RegisterLeadServiceServer(registrar, &leads{Server: s})
		leadgatev1.RegisterWorkerServiceServer(registrar, o.Worker)
	}
	for _, server := range []*grpc.Server{s.grpc, s.grpcHTTP} {
		healthv1.RegisterHealthServer(server, s.health)
		reflection.Register(server)
	}
	s.rpcs = map[string]bool{}
	for name, service := range s.grpc.GetServiceInfo() {
		s.health.SetServingStatus(name, healthv1.HealthCheckResponse_SERVING)
		for _, rpc := range service.Methods {
			s.rpcs["/"+name+"/"+rpc.Name] = true
		}
	}
	s.client = leadgatev1.NewLeadServiceClient(channel)
	s.routes = newRoutes(leadgatev1.File_leadgate_v1_lead_service_proto, leadgatev1.File_leadgate_v1_worker_service_proto)
	var err error
	if s.gateway, err = s.newGateway(context.Background(), channel); err != nil {
		return err
	}
	front, err := s.front(o)
	if err != nil {
		return err
	}
	s.http = &http.Server{
		Handler: front, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaders,
		ErrorLog:  slog.NewLogLogger(s.log.Handler(), slog.LevelDebug), // clients that disconnect, failed handshakes
		Protocols: new(http.Protocols),
	}
	s.http.Protocols.SetHTTP1(true)
	s.http.Protocols.SetHTTP2(true)
	s.http.Protocols.SetUnencryptedHTTP2(s.mixed)
	return nil
}

// Prepare checks a new configuration and makes it ready. Nothing changes until use is called; then new requests follow it, while those in
// progress finish with the one they began with. Settings that cannot change while the server runs, listed by [config.Fixed], must be the
// same as before.
func (s *Server) Prepare(snapshot config.Snapshot) (use func(), err error) {
	h, err := newHouse(snapshot)
	if err != nil {
		return nil, err
	}
	return func() {
		s.current.Store(h)
		s.drift.forget(s.stopping, h.forms)
	}, nil
}

// house returns the current configuration.
func (s *Server) house() *house { return s.current.Load() }

// Serve accepts connections until Shutdown, then returns nil. It may be called only once. It closes the listener.
func (s *Server) Serve(listener net.Listener) error {
	s.mu.Lock()
	if s.stopping.Err() != nil {
		s.mu.Unlock()
		return listener.Close()
	}
	s.sniffer = newSniffer(listener, s.tls, s.mixed, s.connections, s.peerNetwork, s.log)
	s.halves.Go(func() error {
		if err := s.grpc.Serve(s.sniffer.grpc); !errors.Is(err, grpc.ErrServerStopped) {
			return err
		}
		return nil
	})
	s.halves.Go(func() error {
		if err := s.http.Serve(s.sniffer.http); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	s.halves.Go(func() error {
		s.tellHealth()
		return nil
	})
	s.mu.Unlock()
	return s.sniffer.run()
}

// tellHealth reports over gRPC's health service what /readyz reports, until the server stops, so that load balancers send leads to
// gateways that can accept them.
func (s *Server) tellHealth() {
	ticker := time.NewTicker(healthEvery)
	defer ticker.Stop()
	for told := healthv1.HealthCheckResponse_SERVING; ; {
		serving := healthv1.HealthCheckResponse_SERVING
		if s.store.Writable() != nil {
			serving = healthv1.HealthCheckResponse_NOT_SERVING
		}
		if serving != told {
			s.health.SetServingStatus("", serving)
			s.health.SetServingStatus(leadgatev1.LeadService_ServiceDesc.ServiceName, serving)
			told = serving
		}
		select {
		case <-ticker.C:
		case <-s.stopping.Done():
			return
		}
	}
}

// Shutdown stops accepting connections, ends streams, and lets requests finish until ctx is done; then they are cut off.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stop()
	s.health.Shutdown()
	if s.sniffer != nil {
		s.sniffer.close()
	}
	finished := make(chan struct{})
	go func() {
		s.grpc.GracefulStop()
		close(finished)
	}()
	ended := s.underWay.stop()
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, s.http.Close())
	}
	s.grpcHTTP.Stop() // none of its RPCs is in progress any more
	select {
	case <-ended:
	case <-ctx.Done():
	}
	ctx, cancel := context.WithTimeout(ctx, lastWords)
	defer cancel()
	select {
	case <-finished:
	case <-ctx.Done():
		s.grpc.Stop()
		<-finished
	}
	return errors.Join(err, s.halves.Wait())
}
