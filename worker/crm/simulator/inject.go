package simulator

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// hugeBody is the length of the answer of KindHuge, in bytes.
const hugeBody = 10_000_000

// slowBody is how long the answer of KindSlow takes.
const slowBody = time.Second

// mishap is what happens to one call.
type mishap struct {
	kind       Kind // empty if the call does not fail
	status     int
	retryAfter string
	containing string
	latency    time.Duration
	skew       time.Duration // of the CRM's clock
}

// befall answers a call that fails.
func (s *Simulator) befall(w http.ResponseWriter, r *http.Request, m mishap, entry *Request) {
	entry.Fault = string(m.kind)
	if m.retryAfter != "" {
		w.Header().Set("Retry-After", m.retryAfter)
	}
	seen := &recorder{ResponseWriter: w, status: http.StatusOK}
	defer func() { entry.Status = seen.status }()
	switch m.kind {
	case KindStatus:
		s.crm.Fail(seen, m.status)
	case KindBurst, KindDaily:
		if limited, ok := s.crm.(Limited); ok {
			limited.Limit(seen, m.kind == KindDaily)
		} else {
			s.crm.Fail(seen, http.StatusTooManyRequests)
		}
	case KindHTML:
		page(seen, m.status)
	case KindPage:
		page(seen, http.StatusOK)
	case KindEmpty:
		seen.WriteHeader(http.StatusOK)
	case KindHuge:
		seen.Header().Set("Content-Type", "application/json")
		seen.WriteHeader(http.StatusOK)
		_, _ = seen.Write([]byte(`{"padding":"` + strings.Repeat("x", hugeBody)))
	case KindRedirect:
		http.Redirect(seen, r, "http://elsewhere.invalid/", http.StatusFound)
	case KindReset:
		seen.status = 0
		panic(http.ErrAbortHandler) // closes the connection
	case KindHang:
		seen.status = 0
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	case KindLost:
		s.crm.ServeHTTP(newBuffer(), r)
		seen.status = 0
		panic(http.ErrAbortHandler)
	case KindLost502:
		s.crm.ServeHTTP(newBuffer(), r)
		page(seen, http.StatusBadGateway)
	case KindExpire:
		if tokens, ok := s.crm.(Tokened); ok {
			tokens.ExpireTokens()
		}
		s.crm.ServeHTTP(seen, r)
	case KindPartial, KindOmit:
		s.crm.ServeHTTP(seen, r.WithContext(context.WithValue(r.Context(), mishapKey{}, m)))
	default:
		answer := newBuffer()
		s.crm.ServeHTTP(answer, r)
		s.spoil(seen, r, m.kind, answer)
	}
}

// spoil sends an answer in a way that is hard to read.
func (s *Simulator) spoil(w http.ResponseWriter, r *http.Request, kind Kind, answer *buffer) {
	header, body := w.Header(), answer.body.Bytes()
	maps.Copy(header, answer.header)
	half := body[:len(body)/2]
	switch kind {
	case KindGarbled:
		body = half
	case KindGzip:
		header.Set("Content-Encoding", "gzip")
	case KindBOM:
		body = append([]byte("\xef\xbb\xbf"), body...)
	case KindUntyped:
		header["Content-Type"] = nil
	}
	header.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(answer.status)
	switch kind {
	case KindCut:
		_, _ = w.Write(half)
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	case KindSlow:
		pause := slowBody / time.Duration(max(1, len(body)))
		for i := range body {
			if !sleep(r.Context(), pause) {
				panic(http.ErrAbortHandler)
			}
			_, _ = w.Write(body[i : i+1])
			_ = http.NewResponseController(w).Flush()
		}
	default:
		_, _ = w.Write(body)
	}
}

// page answers with a page that is not the CRM's.
func page(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "text/html")
	w.WriteHeader(status)
	fmt.Fprintf(w, "<html><body><h1>%d %s</h1></body></html>\n", status, http.StatusText(status))
}

type mishapKey struct{}

// Refuse reports whether the CRM must refuse the i-th of a call's n records, because of KindPartial. record is its content.
func Refuse(ctx context.Context, i, n int, record []byte) bool {
	m, ok := ctx.Value(mishapKey{}).(mishap)
	return ok && m.kind == KindPartial && (n == 1 || m.hits(i, record)) && (m.containing == "" || m.hits(i, record))
}

// Omit reports whether the CRM must leave the i-th record of a batch out of its answer, because of KindOmit.
func Omit(ctx context.Context, i int, record []byte) bool {
	m, ok := ctx.Value(mishapKey{}).(mishap)
	return ok && m.kind == KindOmit && m.hits(i, record)
}

func (m mishap) hits(i int, record []byte) bool {
	if m.containing == "" {
		return i%2 == 1
	}
	return bytes.Contains(record, []byte(m.containing))
}
