package crmtest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/leadgate/leadgate/worker/crm"
)

// bench is a destination in front of a CRM that can be made to fail.
type bench struct {
	t           *testing.T
	harness     Harness
	destination crm.Destination
	crm         CRM
	server      *httptest.Server
	transport   *http.Transport
	seen        atomic.Int64 // requests that reached the server

	mu     sync.Mutex
	answer http.Handler // instead of the CRM; nil for the CRM
	secret string
	err    error // from reading the secret
}

// The secret at the start of each test.
const firstSecret = "s3cret-of-the-first-days"

// now is the current time in tests.
var now = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func newBench(t *testing.T, h Harness) *bench {
	t.Helper()
	b := &bench{t: t, harness: h, crm: h.CRM(firstSecret), secret: firstSecret, transport: &http.Transport{}}
	b.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.seen.Add(1)
		b.mu.Lock()
		answer := b.answer
		b.mu.Unlock()
		if answer == nil || h.TokenPath != "" && r.URL.Path == h.TokenPath {
			answer = b.crm
		}
		answer.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		b.transport.CloseIdleConnections()
		b.server.Close()
	})
	var err error
	b.destination, err = h.Open(b.server.URL, crm.Environment{
		Client: &http.Client{
			Transport:     roundTripper(b.roundTrip),
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		Secret: b.resolve,
		Now:    func() time.Time { return now },
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func (b *bench) roundTrip(r *http.Request) (*http.Response, error) {
	if r.GetBody != nil && r.Method != http.MethodGet && r.Method != http.MethodHead {
		b.t.Errorf("%s %s has GetBody: net/http may send it twice", r.Method, r.URL.Path)
	}
	if err := r.Context().Err(); err != nil { // like the pacing client
		if r.Body != nil {
			r.Body.Close()
		}
		return nil, err
	}
	return b.transport.RoundTrip(r)
}

func (b *bench) resolve(value string) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if strings.Contains(value, SecretReference) {
		return strings.ReplaceAll(value, SecretReference, b.secret), b.err
	}
	return value, nil
}

// answers sets the server's handler; nil restores the CRM.
func (b *bench) answers(handler http.HandlerFunc) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.answer = nil
	if handler != nil {
		b.answer = handler
	}
}

func (b *bench) setSecret(secret string, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.secret, b.err = secret, err
}

// status returns a handler that reads the request and answers with a status.
func status(code int, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
		_, _ = io.WriteString(w, body)
	}
}

// expectSane checks what must hold for every outcome.
func (b *bench) expectSane(outcome crm.Outcome) {
	b.t.Helper()
	if outcome.Kind != crm.Delivered && outcome.Reason == "" {
		b.t.Errorf("%s without a reason: %+v", kindName(outcome.Kind), outcome)
	}
	if len(outcome.Body) > crm.MaxBody || !utf8.ValidString(outcome.Body) {
		b.t.Errorf("a body of %d bytes, UTF-8 %t; it is kept with the attempt", len(outcome.Body), utf8.ValidString(outcome.Body))
	}
	if outcome.After < 0 || outcome.After > crm.MaxRetryAfter {
		b.t.Errorf("to wait %v; want up to %v", outcome.After, crm.MaxRetryAfter)
	}
	b.mu.Lock()
	secret := b.secret
	b.mu.Unlock()
	for _, text := range append([]string{outcome.Reason, outcome.Body, outcome.RecordID, outcome.RecordURL, outcome.Property}, outcome.Dropped...) {
		if strings.Contains(text, secret) {
			b.t.Errorf("shows the secret: %q", text)
		}
	}
}

func containsFold(text, part string) bool {
	return strings.Contains(strings.ToLower(text), strings.ToLower(part))
}
