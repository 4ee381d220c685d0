package server

import (
	"crypto/rand"
	"encoding/hex"
	"strings"
)

// traceContext is where a request stands in a trace, after W3C Trace Context. Zero stands in none. Spans are made of events, by
// whoever exports them; here is only what they must know of each other.
type traceContext struct {
	id     string // 32 hexadecimal digits
	parent string // span of the caller; empty if the trace begins here
	span   string // span of the submission
	flags  string // two hexadecimal digits
}

// readTrace reads a traceparent header. One that is not valid is none, as the standard wants it.
func readTrace(header string) traceContext {
	parts := strings.Split(header, "-")
	if len(parts) < 4 || len(parts[0]) != 2 || parts[0] == "ff" || parts[0] == "00" && len(parts) != 4 ||
		!isHex(parts[0], 2) || !isHex(parts[1], 32) || !isHex(parts[2], 16) || !isHex(parts[3], 2) ||
		strings.Trim(parts[1], "0") == "" || strings.Trim(parts[2], "0") == "" {
		return traceContext{}
	}
	return traceContext{id: parts[1], parent: parts[2], span: randomHex(8), flags: parts[3]}
}

// newTrace begins a trace.
func newTrace() traceContext {
	return traceContext{id: randomHex(16), span: randomHex(8), flags: "01"}
}

// beside is another submission of the same request.
func (t traceContext) beside() traceContext {
	if t.id != "" {
		t.span = randomHex(8)
	}
	return t
}

// String is a traceparent header for what happens below the submission; empty if there is no trace.
func (t traceContext) String() string {
	if t.id == "" {
		return ""
	}
	return "00-" + t.id + "-" + t.span + "-" + t.flags
}

func isHex(text string, size int) bool {
	for _, c := range []byte(text) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return len(text) == size
}

func randomHex(size int) string {
	b := make([]byte, size)
	_, _ = rand.Read(b) // it never fails
	return hex.EncodeToString(b)
}
