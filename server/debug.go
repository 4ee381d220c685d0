package server

import (
	"net/http"
	"net/http/pprof"
	"strings"
)

// servePprof serves Go's profiles, if the configuration enables them. They reveal the program's memory, so they are for operators.
func (s *Server) servePprof(w http.ResponseWriter, r *http.Request) {
	if !s.house().snapshot.Config.GetDebug().GetPprof() {
		s.writeProblem(w, r, notFound(r))
		return
	}
	switch strings.TrimPrefix(r.URL.Path, "/debug/pprof/") {
	case "cmdline":
		pprof.Cmdline(w, r)
	case "profile":
		pprof.Profile(w, r)
	case "symbol":
		pprof.Symbol(w, r)
	case "trace":
		pprof.Trace(w, r)
	default:
		pprof.Index(w, r)
	}
}
