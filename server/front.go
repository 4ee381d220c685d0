package server

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/klauspost/compress/gzhttp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"

	"github.com/leadgate/leadgate/server/console"
	"github.com/leadgate/leadgate/worker"
)

// packFrom is the smallest answer to be compressed, in bytes.
const packFrom = 1400

// front returns the handler of everything that comes through net/http.
func (s *Server) front(o Options) (http.Handler, error) {
	mux := http.NewServeMux()
	mux.HandleFunc("/v1/forms/{form}/submissions", s.serveForm)
	mux.HandleFunc("/v1/", s.serveREST)
	mux.Handle("/healthz", s.page(http.HandlerFunc(s.serveLive)))
	mux.Handle("/readyz", s.page(http.HandlerFunc(s.serveReady)))
	mux.Handle("/metrics", s.page(s.guarded(read, o.Metrics)))
	mux.Handle("/debug/pprof/", s.page(s.guarded(operate, http.HandlerFunc(s.servePprof))))
	for path, file := range s.files {
		mux.Handle(path, s.page(file))
	}
	mux.Handle("/console/", s.page(console.Handler()))
	mux.HandleFunc("/console/session", s.serveSession)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		if !wantsPage(r) {
			s.writeProblem(w, r, notFound(r))
			return
		}
		http.Redirect(w, r, "/console/", http.StatusFound) // somebody typed the gateway's address into a browser
	})
	for prefix, handler := range o.Routes {
		mux.Handle(prefix, handler)
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if s.rpcs[r.URL.Path] {
			s.writeProblem(w, r, notGRPC(r))
			return
		}
		s.writeProblem(w, r, notFound(r))
	})
	// Lists of leads and pages of the console are worth compressing; streams and the short answers to submissions are not.
	pack, err := gzhttp.NewWrapper(gzhttp.MinSize(packFrom), gzhttp.ContentTypes([]string{"application/json", "text/html", "text/css", "text/javascript", "text/plain", "image/svg+xml"}))
	if err != nil {
		return nil, err
	}
	packed := pack(mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor == 2 && strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc") {
			s.serveGRPC(w, r)
			return
		}
		timeBody(w, r, s.bodyTimeout)
		c := s.httpCall(r)
		r = r.WithContext(withCall(r.Context(), c))
		w.Header().Set(requestIDHeader, c.id)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		defer s.recoverHTTP(w, r)
		if r.Method == http.MethodGet {
			packed.ServeHTTP(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	}), nil
}

// recoverHTTP answers for a handler that panicked. Panics in services are recovered by the interceptors.
func (s *Server) recoverHTTP(w http.ResponseWriter, r *http.Request) {
	value := recover()
	if value == nil {
		return
	}
	if value == http.ErrAbortHandler { //nolint:errorlint // the very value, as net/http compares it
		panic(value)
	}
	err := recovered(r.Context(), value)
	s.logRPC(r.Context(), r.Method+" "+r.URL.Path, err)
	s.refused(callOf(r.Context()), err)
	s.writeProblem(w, r, err)
}

// page returns a handler that allows only GET and HEAD.
func (s *Server) page(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			s.writeProblem(w, r, methodNotAllowed(w, "GET, HEAD"))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// serveLive answers that the process is running.
func (s *Server) serveLive(w http.ResponseWriter, _ *http.Request) { writeStatus(w, "ok") }

// serveReady answers whether leads can be accepted now.
func (s *Server) serveReady(w http.ResponseWriter, r *http.Request) {
	switch err := s.store.Writable(); {
	case s.stopping.Err() != nil:
		s.writeProblem(w, r, worker.Failure(nil, codes.Unavailable, &errdetails.ErrorInfo{Reason: "STOPPING"}, "leadgate is stopping"))
	case err != nil:
		s.writeProblem(w, r, worker.StatusOf(err, "store"))
	default:
		writeStatus(w, "ready")
	}
}

func writeStatus(w http.ResponseWriter, status string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(map[string]string{"status": status}) // fails if the client went away
}
