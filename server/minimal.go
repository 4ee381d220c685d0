package server

import (
	"net/http"
	"strings"
)

// minimal is the preference (RFC 7240) of a client that only needs to know that its lead was accepted; Location says where it is.
const minimal = "return=minimal"

func prefersMinimal(r *http.Request) bool {
	for _, value := range r.Header["Prefer"] {
		for preference := range strings.SplitSeq(value, ",") {
			if preference, _, _ = strings.Cut(preference, ";"); strings.EqualFold(strings.TrimSpace(preference), minimal) {
				return true
			}
		}
	}
	return false
}

// minimalWriter omits the body of a successful answer.
type minimalWriter struct {
	http.ResponseWriter
	status int
}

// Unwrap lets [http.ResponseController] reach the wrapped writer.
func (w *minimalWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (w *minimalWriter) WriteHeader(status int) {
	if w.status != 0 {
		return
	}
	if w.status = status; status < http.StatusMultipleChoices {
		w.Header().Del("Content-Type")
		w.Header().Set("Content-Length", "0")
		w.Header().Set("Preference-Applied", minimal)
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *minimalWriter) Write(body []byte) (int, error) {
	if w.WriteHeader(http.StatusOK); w.status < http.StatusMultipleChoices {
		return len(body), nil
	}
	return w.ResponseWriter.Write(body)
}
