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

// Rig is a destination in front of a simulated CRM, for tests of what only its kind does.
type Rig struct {
	T           *testing.T
	URL         string // of the CRM
	Clock       *Clock
	Env         crm.Environment // for the destination
	Destination crm.Destination

	mu     sync.Mutex
	Calls  []string    // in a line each, but for those about tokens
	Header http.Header // of the last of them
	Tokens int         // how many calls were about tokens
	Quotas []crm.Quota // that were reported
	answer http.HandlerFunc
}

// NewRig returns a rig without its destination, which [Rig.Open] takes. line is what is to be seen of a call.
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

// Open takes the destination.
func (r *Rig) Open(destination crm.Destination, err error) {
	r.T.Helper()
	if err != nil {
		r.T.Fatal(err)
	}
	r.Destination = destination
}

// AnswerBy makes a handler answer every call but those about tokens.
func (r *Rig) AnswerBy(handler http.HandlerFunc) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = handler
}

// Answer makes the CRM answer every call but those about tokens that way.
func (r *Rig) Answer(code int, body string, header ...string) {
	r.AnswerBy(status(code, body, header...))
}

// Expect checks how a lead ended.
func (r *Rig) Expect(outcome crm.Outcome, want crm.OutcomeKind, reason string) {
	r.T.Helper()
	if outcome.Kind != want || !strings.Contains(outcome.Reason, reason) {
		r.T.Errorf("ended as %+v, want %s: %s", outcome, kindName(want), reason)
	}
}
