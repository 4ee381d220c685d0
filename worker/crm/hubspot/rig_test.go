package hubspot_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/crm/hubspot"
	simulated "github.com/leadgate/leadgate/worker/crm/simulator/hubspot"
)

// noon is the current time in tests.
var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// rig is a destination in front of a handler.
type rig struct {
	t           *testing.T
	destination crm.Destination
	base        string
	now         func() time.Time

	mu    sync.Mutex
	calls []call
}

// call is a request that was sent.
type call struct {
	path   string
	header http.Header
	body   struct {
		Inputs []struct {
			ID         string            `json:"id"`
			IDProperty string            `json:"idProperty"`
			Trace      string            `json:"objectWriteTraceId"`
			Properties map[string]string `json:"properties"`
		} `json:"inputs"`
		Properties   map[string]string `json:"properties"`
		Associations []any             `json:"associations"`
	}
}

func newRig(t *testing.T, handler http.Handler) *rig {
	t.Helper()
	return newRigWith(t, handler, &configv1.HubSpot{Token: "pat-na1-token"})
}

func newRigWith(t *testing.T, handler http.Handler, cfg *configv1.HubSpot) *rig {
	t.Helper()
	r := &rig{t: t, now: func() time.Time { return noon }}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		sent, _ := io.ReadAll(req.Body)
		c := call{path: req.Method + " " + req.URL.Path, header: req.Header}
		if len(sent) > 0 && !strings.HasSuffix(req.URL.Path, "/read") && !strings.HasPrefix(req.URL.Path, "/crm/v3/properties") { // their properties are names
			if err := json.Unmarshal(sent, &c.body); err != nil {
				t.Errorf("sent %s: %v", sent, err)
			}
		}
		r.mu.Lock()
		r.calls = append(r.calls, c)
		r.mu.Unlock()
		req.Body = io.NopCloser(bytes.NewReader(sent))
		handler.ServeHTTP(w, req)
	}))
	t.Cleanup(server.Close)
	client := server.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	var err error
	r.base, cfg.BaseUrl = server.URL, server.URL+"/"
	r.destination, err = hubspot.New(cfg, crm.Environment{
		Client: client,
		Secret: func(value string) (string, error) { return value, nil },
		Now:    func() time.Time { return r.now() },
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// answering returns a rig that answers every call the same, with these header pairs.
func answering(t *testing.T, status int, body string, header ...string) *rig {
	t.Helper()
	return newRig(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
}

// simulating returns a rig with a simulated account.
func simulating(t *testing.T) (*rig, account) {
	t.Helper()
	sim := simulated.New(simulated.Options{Now: func() time.Time { return noon }, TenSecondly: -1})
	return newRig(t, sim), account{sim}
}

func (r *rig) sent() []call {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.calls
}

// deliver delivers leads, each given as JSON properties.
func (r *rig) deliver(payloads ...string) []crm.Outcome {
	r.t.Helper()
	items := make([]crm.Item, len(payloads))
	for i, payload := range payloads {
		var properties struct{ Email string }
		if err := json.Unmarshal([]byte(payload), &properties); err != nil {
			r.t.Fatal(err)
		}
		items[i] = crm.Item{IdempotencyValue: fmt.Sprintf("l%d.crm-1", i), Email: properties.Email, Payload: []byte(payload)}
	}
	outcomes := r.destination.Deliver(r.t.Context(), items, leadgatev1.DeliveryMode_DELIVERY_MODE_UPSERT)
	if len(outcomes) != len(items) {
		r.t.Fatalf("%d outcomes of %d leads", len(outcomes), len(items))
	}
	return outcomes
}

// Three people.
const (
	ada   = `{"email":"ada@example.com","firstname":"Ada"}`
	grace = `{"email":"grace@example.com","firstname":"Grace"}`
	mary  = `{"email":"mary@example.com","firstname":"Mary"}`
)

// statusHandler answers with a status that can be changed between calls.
func statusHandler(status *int, body string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(*status)
		_, _ = io.WriteString(w, body)
	})
}
