package server

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

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

// newGateway makes the handler that transcodes REST to the services behind channel.
func (s *Server) newGateway(ctx context.Context, channel grpc.ClientConnInterface) (http.Handler, error) {
	mux := runtime.NewServeMux(
		runtime.WithMarshalerOption(runtime.MIMEWildcard, newJSON()),
		runtime.WithMarshalerOption(eventStream, &eventsJSON{newJSON()}),
		// Nothing but what is named here becomes metadata: everything else, the caller's address first, stands in the call.
		runtime.WithIncomingHeaderMatcher(func(header string) (string, bool) {
			return "last-event-id", header == "Last-Event-Id"
		}),
		runtime.WithOutgoingHeaderMatcher(func(string) (string, bool) { return "", false }),
		runtime.WithOutgoingTrailerMatcher(func(string) (string, bool) { return "", false }),
		runtime.WithForwardResponseOption(answerSubmission),
		runtime.WithErrorHandler(func(_ context.Context, _ *runtime.ServeMux, _ runtime.Marshaler, w http.ResponseWriter, r *http.Request, err error) {
			if len(status.Convert(err).Details()) == 0 && status.Code(err) == codes.InvalidArgument {
				err = malformed(status.Convert(err).Message()) // the gateway's own complaint
			}
			s.refused(callOf(r.Context()), err)
			s.writeProblem(w, r, err)
		}),
		runtime.WithRoutingErrorHandler(func(_ context.Context, _ *runtime.ServeMux, _ runtime.Marshaler, w http.ResponseWriter, r *http.Request, code int) {
			s.writeProblem(w, r, s.routes.failure(w, r, code))
		}),
		// Otherwise a form posted to a path that only GET knows would run the GET.
		runtime.WithDisablePathLengthFallback(),
		runtime.WithWriteContentLength(),
	)
	// The gateway tries its routes from the last to the first, and most requests bring leads.
	if err := leadgatev1.RegisterWorkerServiceHandlerClient(ctx, mux, leadgatev1.NewWorkerServiceClient(channel)); err != nil {
		return nil, err
	}
	return mux, leadgatev1.RegisterLeadServiceHandlerClient(ctx, mux, leadgatev1.NewLeadServiceClient(channel))
}

// answerSubmission makes 201 with a Location of a new lead, and 200 with a header of a repeated one.
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

// serveREST is what stands before the gateway: it bounds and checks what the gateway would take as it comes.
func (s *Server) serveREST(w http.ResponseWriter, r *http.Request) {
	if form, ok := previewOf(r.URL.Path); ok {
		s.servePreview(w, r, form)
		return
	}
	c := callOf(r.Context())
	c.intake = r.Method == http.MethodPost && r.URL.Path == "/v1/leads"
	if err := s.prepareREST(w, r); err != nil {
		s.refused(c, err)
		s.writeProblem(w, r, err)
		return
	}
	switch {
	case c.intake && prefersMinimal(r):
		w = &minimalWriter{ResponseWriter: w}
	case r.URL.Path == "/v1/deliveries:watch", r.URL.Path == "/v1/leads:export":
		stream := &streamWriter{ResponseWriter: w}
		defer stream.end()
		w = stream
	}
	s.gateway.ServeHTTP(w, r)
}

func (s *Server) prepareREST(w http.ResponseWriter, r *http.Request) error {
	r.Header.Del("Grpc-Timeout")  // deadlines are ours to set
	r.Host, r.RemoteAddr = "", "" // judged already; the gateway would make metadata of them
	// The gateway compares Accept as a whole.
	if accept := r.Header.Get("Accept"); strings.Contains(accept, eventStream) {
		r.Header.Set("Accept", eventStream)
	} else {
		r.Header.Del("Accept")
	}
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return s.routes.checkQuery(r)
	}
	if r.URL.RawQuery != "" {
		return worker.Failure(nil, codes.InvalidArgument, &errdetails.ErrorInfo{Reason: "QUERY_NOT_ALLOWED"},
			"this request takes no query parameters; put them into the JSON body, and the idempotency key into the header Idempotency-Key")
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

func malformed(message string) error {
	return worker.Failure(nil, codes.InvalidArgument, &errdetails.ErrorInfo{Reason: "BODY_MALFORMED"}, message)
}

// routes are the paths that the gateway knows, with their methods: what a 405 must tell.
type routes []route

type route struct {
	method   string
	segments []string
	message  protoreflect.MessageDescriptor // of the request
}

// newRoutes reads the paths from the services' HTTP annotations.
func newRoutes(files ...protoreflect.FileDescriptor) routes {
	var known routes
	for _, file := range files {
		for i := range file.Services().Len() {
			methods := file.Services().Get(i).Methods()
			for j := range methods.Len() {
				rule, _ := proto.GetExtension(methods.Get(j).Options(), annotations.E_Http).(*annotations.HttpRule)
				switch {
				case rule.GetGet() != "":
					known = append(known, route{http.MethodGet, segments(rule.GetGet()), methods.Get(j).Input()})
				case rule.GetPost() != "":
					known = append(known, route{http.MethodPost, segments(rule.GetPost()), methods.Get(j).Input()})
				}
			}
		}
	}
	return known
}

// segments parts a path at its slashes and before the colon of a custom verb.
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

// checkQuery checks the query of a GET, and writes it as the gateway understands it.
func (known routes) checkQuery(r *http.Request) error {
	if r.URL.RawQuery == "" {
		return nil
	}
	for _, found := range known.of(r.URL.Path) {
		if found.method != http.MethodGet {
			continue
		}
		values, err := url.ParseQuery(r.URL.RawQuery)
		if err == nil {
			values, err = strictQuery(found.message.Fields(), values)
		}
		if err != nil {
			return worker.Failure(nil, codes.InvalidArgument, &errdetails.ErrorInfo{Reason: "QUERY_INVALID"}, err.Error())
		}
		r.URL.RawQuery = values.Encode()
	}
	return nil
}

// failure is the error of a request that no route takes.
func (known routes) failure(w http.ResponseWriter, r *http.Request, code int) error {
	var methods []string
	for _, found := range known.of(r.URL.Path) {
		methods = append(methods, found.method)
	}
	if len(methods) > 0 {
		return methodNotAllowed(w, strings.Join(methods, ", "))
	}
	if code == http.StatusBadRequest {
		return malformed("the path is not well formed")
	}
	return notFound(r)
}

func notFound(r *http.Request) error {
	return worker.Failure(nil, codes.NotFound, &errdetails.ErrorInfo{Reason: "PATH_NOT_FOUND"}, "there is nothing at "+r.URL.Path+"; /openapi.json describes what there is")
}

func methodNotAllowed(w http.ResponseWriter, allow string) error {
	w.Header().Set("Allow", allow)
	return worker.Failure(nil, codes.Unimplemented, &errdetails.ErrorInfo{Reason: "METHOD_NOT_ALLOWED"}, "this path takes "+allow)
}
