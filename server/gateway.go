package server

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker"
)

const eventStream = "text/event-stream"

// newGateway returns the handler that transcodes REST for the services behind channel.
func (s *Server) newGateway(ctx context.Context, channel grpc.ClientConnInterface) (http.Handler, error) {
	mux := runtime.NewServeMux(
		runtime.WithMarshalerOption(runtime.MIMEWildcard, newJSON()),
		runtime.WithMarshalerOption(eventStream, &eventsJSON{newJSON()}),
		// Only the headers named here become metadata. Everything else, above all the caller's address, is in the call.
		runtime.WithIncomingHeaderMatcher(func(header string) (string, bool) {
			return "last-event-id", header == "Last-Event-Id"
		}),
		runtime.WithOutgoingHeaderMatcher(func(string) (string, bool) { return "", false }),
		runtime.WithOutgoingTrailerMatcher(func(string) (string, bool) { return "", false }),
		runtime.WithForwardResponseOption(answerSubmission),
		runtime.WithErrorHandler(func(_ context.Context, _ *runtime.ServeMux, _ runtime.Marshaler, w http.ResponseWriter, r *http.Request, err error) {
			if len(status.Convert(err).Details()) == 0 && status.Code(err) == codes.InvalidArgument {
				err = malformed(status.Convert(err).Message()) // the gateway's own error
			}
			s.refused(callOf(r.Context()), err)
			s.writeProblem(w, r, err)
		}),
		runtime.WithStreamErrorHandler(func(ctx context.Context, err error) *status.Status {
			callOf(ctx).ended = err
			return status.Convert(err)
		}),
		// Paths that our routes know and the gateway does not are mistakes.
		runtime.WithRoutingErrorHandler(func(_ context.Context, _ *runtime.ServeMux, _ runtime.Marshaler, w http.ResponseWriter, r *http.Request, _ int) {
			s.writeProblem(w, r, notFound(r))
		}),
		// Otherwise a form posted to a path that only has a GET would run the GET.
		runtime.WithDisablePathLengthFallback(),
		runtime.WithWriteContentLength(),
	)
	// The gateway tries its routes from last to first, and most requests bring leads.
	if err := leadgatev1.RegisterWorkerServiceHandlerClient(ctx, mux, leadgatev1.NewWorkerServiceClient(channel)); err != nil {
		return nil, err
	}
	return mux, leadgatev1.RegisterLeadServiceHandlerClient(ctx, mux, leadgatev1.NewLeadServiceClient(channel))
}

// answerSubmission answers 201 with Location for a new lead, and 200 with Idempotency-Replayed for a repeated one.
func answerSubmission(_ context.Context, w http.ResponseWriter, message proto.Message) error {
	w.Header().Set("Cache-Control", "no-store")
	answer, ok := message.(*leadgatev1.SubmitLeadResponse)
	switch {
	case !ok:
	case answer.GetReplayed():
		w.Header().Set("Idempotency-Replayed", "true")
	default:
		w.Header().Set("Location", leadPath(answer.GetLeadId()))
		w.WriteHeader(http.StatusCreated)
	}
	return nil
}

// serveREST stands in front of the gateway: it authorizes requests, and bounds and checks what the gateway would accept unchecked.
func (s *Server) serveREST(w http.ResponseWriter, r *http.Request) {
	if form, ok := previewOf(r.URL.Path); ok {
		s.servePreview(w, r, form)
		return
	}
	if strings.HasPrefix(r.URL.Path, formsPath) {
		s.serveAstray(w, r)
		return
	}
	c := callOf(r.Context())
	single := r.URL.Path == "/v1/leads"
	c.intake = r.Method == http.MethodPost && (single || r.URL.Path == batchPath)
	if err := s.admit(w, r, c); err != nil {
		s.refused(c, err)
		s.writeProblem(w, r, err)
		return
	}
	switch {
	case c.intake && single && prefersMinimal(r):
		w = &minimalWriter{ResponseWriter: w}
	case r.URL.Path == "/v1/deliveries:watch", r.URL.Path == "/v1/leads:export":
		stream := &streamWriter{ResponseWriter: w, refuse: func(w http.ResponseWriter) bool {
			if c.ended == nil {
				return false
			}
			w.Header().Del("Transfer-Encoding") // set by the gateway for a stream
			s.writeProblem(w, r, c.ended)
			return true
		}}
		defer stream.end()
		to := http.NewResponseController(w)
		defer s.whenStopping(func() { _ = to.SetWriteDeadline(time.Now().Add(lastWords)) })() // the client may have stopped reading
		w = stream
	}
	sanitize(r)
	s.gateway.ServeHTTP(w, r)
}

// admit finds the route of a request, authorizes the caller, and only then reads the body.
func (s *Server) admit(w http.ResponseWriter, r *http.Request, c *call) error {
	found, err := s.routes.find(w, r)
	if err != nil {
		return err
	}
	if err := s.letIn(c, roleOf(found.rpc)); err != nil { // like the interceptor, but before the body is read
		return err
	}
	if found.method == http.MethodGet {
		r.Method = http.MethodGet // also for HEAD, which the gateway does not know; net/http omits the body
		r.Body = http.NoBody      // the gateway would read it to its end
		return found.checkQuery(r)
	}
	return s.readJSON(w, r)
}

// readJSON reads the body of a POST, which takes no query parameters.
func (s *Server) readJSON(w http.ResponseWriter, r *http.Request) error {
	if r.URL.RawQuery != "" {
		return worker.Failure(nil, codes.InvalidArgument, &errdetails.ErrorInfo{Reason: "QUERY_NOT_ALLOWED"},
			"this request takes no query parameters; put them into the JSON body, and the idempotency key into the header Idempotency-Key")
	}
	if err := encoded(w, r); err != nil {
		return err
	}
	body, err := s.readBody(w, r)
	if err != nil {
		return err
	}
	if media, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); len(body) > 0 && !strings.EqualFold(strings.TrimSpace(media), "application/json") {
		return worker.Failure(nil, codes.InvalidArgument, &errdetails.ErrorInfo{Reason: "MEDIA_TYPE_UNSUPPORTED"},
			"send JSON, with Content-Type: application/json")
	}
	return nil
}

// sanitize removes from a request what the gateway would interpret in its own way.
func sanitize(r *http.Request) {
	r.Header.Del("Grpc-Timeout")  // callers do not set deadlines
	r.Host, r.RemoteAddr = "", "" // already judged; the gateway would make metadata of them
	// The gateway compares Accept as a whole.
	if accept := r.Header.Get("Accept"); strings.Contains(accept, eventStream) {
		r.Header.Set("Accept", eventStream)
	} else {
		r.Header.Del("Accept")
	}
}

func malformed(message string) error {
	return worker.Failure(nil, codes.InvalidArgument, &errdetails.ErrorInfo{Reason: "BODY_MALFORMED"}, message)
}

// routes are the paths that the gateway serves, with the RPC of each.
type routes []route

type route struct {
	method   string // HTTP method
	segments []string
	rpc      string                         // full method name
	message  protoreflect.MessageDescriptor // the request
	streams  bool                           // whether the answer is a stream
}

// takes reports whether the route serves an HTTP method. A route that answers with a stream has no HEAD.
func (known route) takes(method string) bool {
	return method == known.method || (method == http.MethodHead && known.method == http.MethodGet && !known.streams)
}

// newRoutes reads the routes from the HTTP annotations of services.
func newRoutes(files ...protoreflect.FileDescriptor) routes {
	var known routes
	for _, file := range files {
		for i := range file.Services().Len() {
			service := file.Services().Get(i)
			for j := range service.Methods().Len() {
				method := service.Methods().Get(j)
				rpc := fmt.Sprintf("/%s/%s", service.FullName(), method.Name())
				first, _ := proto.GetExtension(method.Options(), annotations.E_Http).(*annotations.HttpRule)
				for _, rule := range append([]*annotations.HttpRule{first}, first.GetAdditionalBindings()...) {
					switch {
					case rule.GetGet() != "":
						known = append(known, route{http.MethodGet, segments(rule.GetGet()), rpc, method.Input(), method.IsStreamingServer()})
					case rule.GetPost() != "":
						known = append(known, route{http.MethodPost, segments(rule.GetPost()), rpc, method.Input(), method.IsStreamingServer()})
					}
				}
			}
		}
	}
	return known
}

// segments splits a path at its slashes and before the colon of a custom verb.
func segments(path string) []string {
	path, verb, custom := strings.Cut(path, ":")
	parts := strings.Split(strings.Trim(path, "/"), "/")
	if custom {
		parts = append(parts, ":"+verb)
	}
	return parts
}

// of returns the routes of a path.
func (known routes) of(path string) routes {
	var found routes
	parts := segments(path)
	for _, r := range known {
		if slices.EqualFunc(r.segments, parts, func(pattern, part string) bool {
			return pattern == part || (pattern[0] == '{' && !strings.HasPrefix(part, ":"))
		}) {
			found = append(found, r)
		}
	}
	return found
}

// find returns the route of a request, or an error that says why there is none.
func (known routes) find(w http.ResponseWriter, r *http.Request) (route, error) {
	of := known.of(r.URL.Path)
	for _, found := range of {
		if found.takes(r.Method) {
			return found, nil
		}
	}
	return route{}, of.failure(w, r)
}

// checkQuery checks the query of a GET, and rewrites it in the form that the gateway understands.
func (found route) checkQuery(r *http.Request) error {
	if r.URL.RawQuery == "" {
		return nil
	}
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err == nil {
		values, err = strictQuery(found.message.Fields(), values)
	}
	if err != nil {
		return worker.Failure(nil, codes.InvalidArgument, &errdetails.ErrorInfo{Reason: "QUERY_INVALID"}, err.Error())
	}
	r.URL.RawQuery = values.Encode()
	return nil
}

// failure returns the error of a request that none of the routes of its path takes.
func (of routes) failure(w http.ResponseWriter, r *http.Request) error {
	var methods []string
	for _, found := range of {
		if methods = append(methods, found.method); found.takes(http.MethodHead) {
			methods = append(methods, http.MethodHead)
		}
	}
	if len(methods) > 0 {
		return methodNotAllowed(w, strings.Join(methods, ", "))
	}
	return notFound(r)
}

func notFound(r *http.Request) error {
	return worker.Failure(nil, codes.NotFound, &errdetails.ErrorInfo{Reason: "PATH_NOT_FOUND"}, "there is nothing at "+r.URL.Path+"; /openapi.json describes what there is")
}

// notGRPC returns the error of a call to an RPC that is not gRPC over HTTP/2: from a gRPC-Web or Connect client, or through a proxy that
// speaks HTTP/1 to its upstream.
func notGRPC(r *http.Request) error {
	return worker.Failure(nil, codes.NotFound, &errdetails.ErrorInfo{Reason: "PATH_NOT_FOUND"},
		r.URL.Path+" takes gRPC over HTTP/2 only, all the way here (in nginx: grpc_pass); /openapi.json describes the same over REST")
}

func methodNotAllowed(w http.ResponseWriter, allow string) error {
	w.Header().Set("Allow", allow)
	return worker.Failure(nil, codes.Unimplemented, &errdetails.ErrorInfo{Reason: "METHOD_NOT_ALLOWED"}, "this path takes "+allow)
}
