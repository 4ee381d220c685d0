package server

import (
	"crypto/rand"
	"encoding/hex"
	"strings"
)

// traceContext is the place of a request in a trace (W3C Trace Context); zero if it belongs to none. Exporters make the spans from
// events; this only holds what connects them.
type traceContext struct {
	id     string // 32 hexadecimal digits
	parent string // span of the caller; empty if the trace starts here
	span   string // span of the submission
	flags  string // two hexadecimal digits
}

// readTrace parses a traceparent header. An invalid one is ignored, as the standard requires.
func readTrace(header string) traceContext {
	parts := strings.Split(header, "-")
	if len(parts) < 4 || len(parts[0]) != 2 || parts[0] == "ff" || parts[0] == "00" && len(parts) != 4 ||
		!isHex(parts[0], 2) || !isHex(parts[1], 32) || !isHex(parts[2], 16) || !isHex(parts[3], 2) ||
		strings.Trim(parts[1], "0") == "" || strings.Trim(parts[2], "0") == "" {
		return traceContext{}
	}
	return traceContext{id: parts[1], parent: parts[2], span: randomHex(8), flags: parts[3]}
}

// newTrace starts a trace.
func newTrace() traceContext {
	return traceContext{id: randomHex(16), span: randomHex(8), flags: "01"}
}

// beside returns the place of another submission in the same request.
func (t traceContext) beside() traceContext {
	if t.id != "" {
		t.span = randomHex(8)
	}
	return t
}

// String returns a traceparent header for calls made on behalf of the submission; empty if there is no trace.
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
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}
