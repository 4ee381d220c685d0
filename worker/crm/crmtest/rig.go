package crmtest

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/leadgate/leadgate/worker/crm"
)

// Rig is a destination in front of a simulated CRM, for tests of one kind.
type Rig struct {
	T           *testing.T
	URL         string // base URL of the CRM
	Clock       *Clock
	Env         crm.Environment // for the destination
	Destination crm.Destination

	mu     sync.Mutex
	Calls  []string    // one line per call, except to token endpoints
	Header http.Header // of the last call
	Tokens int         // how many calls to token endpoints
	Quotas []crm.Quota // quotas that were reported
	answer http.HandlerFunc
}

// NewRig returns a rig without a destination; see [Rig.Open]. line formats a call for Calls.
func NewRig(t *testing.T, clock *Clock, simulated http.Handler, line func(r *http.Request, body string) string) *Rig {
	t.Helper()
	r := &Rig{T: t, Clock: clock}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		req.Body = io.NopCloser(bytes.NewReader(body))
		var instead http.HandlerFunc
		r.mu.Lock()
		if strings.HasSuffix(req.URL.Path, "/token") {
			r.Tokens++
		} else {
			r.Calls = append(r.Calls, line(req, string(body)))
			r.Header, instead = req.Header, r.answer
		}
		r.mu.Unlock()
		if instead != nil {
			instead(w, req)
			return
		}
		simulated.ServeHTTP(w, req)
	}))
	t.Cleanup(server.Close)
	client := server.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	r.URL, r.Env = server.URL, crm.Environment{
		Client: client, Secret: func(value string) (string, error) { return value, nil }, Now: clock.Now,
		Report: func(q crm.Quota) { r.Quotas = append(r.Quotas, q) },
	}
	return r
}

// Open sets the destination.
func (r *Rig) Open(destination crm.Destination, err error) {
	r.T.Helper()
	if err != nil {
		r.T.Fatal(err)
	}
	r.Destination = destination
}

// AnswerBy makes handler answer every call, except to token endpoints.
func (r *Rig) AnswerBy(handler http.HandlerFunc) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = handler
}

// Answer sets the CRM's answer to every call, except to token endpoints.
func (r *Rig) Answer(code int, body string, header ...string) {
	r.AnswerBy(status(code, body, header...))
}

// Expect checks the outcome of a lead.
func (r *Rig) Expect(outcome crm.Outcome, want crm.OutcomeKind, reason string) {
	r.T.Helper()
	if outcome.Kind != want || !strings.Contains(outcome.Reason, reason) {
		r.T.Errorf("ended as %+v, want %s: %s", outcome, kindName(want), reason)
	}
}
