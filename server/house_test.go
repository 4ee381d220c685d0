package server_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/gen/openapi"
	"github.com/leadgate/leadgate/server"
	"github.com/leadgate/leadgate/server/config"
	"github.com/leadgate/leadgate/worker"
	"github.com/leadgate/leadgate/worker/journal"
	"github.com/leadgate/leadgate/worker/store"
	"github.com/leadgate/leadgate/worker/store/badger"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// contactForm is a configuration whose destination is never called: the worker is not started in these tests.
const contactForm = `
forms:
  contact:
    fields: { email: email, firstname: first_name, phone: phone, country: country, message: message, budget: custom.budget }
    required: [email]
    ignore: [csrf]
    default_region: US
    allowed_origins: ["https://www.example.com"]
    destinations: [crm]
  strict:
    fields: { email: email }
    destinations: [crm]
    on_key_reuse: reject
destinations:
  crm:
    http: { url: "http://127.0.0.1:9/leads" }
`

// house is a complete server, but without deliveries.
type house struct {
	t       testing.TB
	address string
	store   store.Store
	journal *journal.Journal
	server  *server.Server
	client  *http.Client

	mu     sync.Mutex
	events []*leadgatev1.Event
}

// options configure open.
type options struct {
	config      string                        // contactForm if empty
	env         map[string]string             // for ${env:…}
	store       func(store.Store) store.Store // wraps the store
	worker      leadgatev1.WorkerServiceServer
	body        time.Duration          // time allowed for a request's body
	change      func(*configv1.Config) // for what a file cannot express
	traces      bool
	connections int // open at a time; 0 for the default

	listen func(net.Listener) net.Listener // wraps the listener
	logs   io.Writer                       // receives log lines; nil drops them
}

func open(t testing.TB, o options) *house {
	t.Helper()
	if o.config == "" {
		o.config = contactForm
	}
	snapshot := parse(t, o)
	if o.change != nil {
		o.change(snapshot.Config)
	}
	h := &house{t: t, client: &http.Client{Transport: &http.Transport{}}}
	events := journal.New(journal.Options{Now: time.Now})
	h.journal = events
	badgerStore, err := badger.Open(badger.Options{Dir: t.TempDir(), Now: time.Now, Publish: events.Committed, SweepInterval: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	h.store = badgerStore
	if o.store != nil {
		h.store = o.store(badgerStore)
	}
	events.Load(badgerStore.ID(), nil)
	stopTap := events.Tap(func(batch []*leadgatev1.Event) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.events = append(h.events, batch...)
	})
	w, err := worker.New(worker.Options{Store: h.store, Journal: events})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Apply(worker.Config{Revision: snapshot.Revision, Destinations: snapshot.Config.GetDestinations(), Secret: snapshot.Secret}); err != nil {
		t.Fatal(err)
	}
	if o.worker == nil {
		o.worker = worker.NewService(w, "v1.2.3")
	}
	var logger *slog.Logger
	if o.logs != nil {
		logger = slog.New(slog.NewTextHandler(o.logs, nil))
	}
	h.server, err = server.New(server.Options{
		Logger:   logger,
		Snapshot: snapshot, Store: h.store, Journal: events, Worker: o.worker, Back: w, OpenAPI: openapi.JSON, BodyTimeout: o.body, Connections: o.connections, Tracing: o.traces,
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "leadgate_up 1") }),
	})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h.address = listener.Addr().String()
	if o.listen != nil {
		listener = o.listen(listener)
	}
	served := make(chan error, 1)
	go func() { served <- h.server.Serve(listener) }()
	t.Cleanup(func() {
		h.client.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		for _, err := range []error{h.server.Shutdown(ctx), <-served, w.Stop(ctx), h.store.Close()} {
			if err != nil {
				t.Error(err)
			}
		}
		stopTap()
		events.Close()
	})
	return h
}

func parse(t testing.TB, o options) config.Snapshot {
	t.Helper()
	snapshot, err := config.Parse("leadgate.yaml", []byte(o.config), config.Environment{
		LookupEnv: func(name string) (string, bool) { value, ok := o.env[name]; return value, ok },
		ReadFile:  os.ReadFile,
	})
	if err != nil {
		t.Fatal(err)
	}
	return snapshot
}

// reload applies another configuration of forms.
func (h *house) reload(text string) {
	h.t.Helper()
	use, err := h.server.Prepare(parse(h.t, options{config: text}))
	if err != nil {
		h.t.Fatal(err)
	}
	use()
}

func (h *house) url(path string) string { return "http://" + h.address + path }

// answer is the answer to a request.
type answer struct {
	status int
	header http.Header
	text   string
	body   map[string]any // nil if it is not a JSON object
}

// send makes a request. headers alternate between names and values.
func (h *house) send(method, path, contentType, body string, headers ...string) answer {
	h.t.Helper()
	r, err := http.NewRequestWithContext(h.t.Context(), method, h.url(path), strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
			continue
		}
		r.Header.Add(headers[i], headers[i+1])
	}
	response, err := h.client.Do(r)
	if err != nil {
		h.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	a := answer{status: response.StatusCode, header: response.Header, text: string(text)}
	_ = json.Unmarshal(text, &a.body) // not all answers are objects
	return a
}

const (
	asJSON = "application/json"
	asForm = "application/x-www-form-urlencoded"
)

func (h *house) post(path, contentType, body string, headers ...string) answer {
	h.t.Helper()
	return h.send(http.MethodPost, path, contentType, body, headers...)
}

// expect fails the test unless the answer has the status and contains all words.
func (a answer) expect(t *testing.T, status int, words ...string) answer {
	t.Helper()
	if a.status != status {
		t.Fatalf("status %d, want %d: %s", a.status, status, a.text)
	}
	for _, word := range words {
		if !strings.Contains(a.text, word) {
			t.Errorf("the answer lacks %q: %s", word, a.text)
		}
	}
	if status >= 400 {
		if got := a.header.Get("Content-Type"); got != "application/problem+json" {
			t.Errorf("content type %q, want a problem", got)
		}
		if a.body["title"] == nil || a.body["detail"] == nil || a.body["requestId"] == nil || a.body["status"] != float64(status) {
			t.Errorf("the problem lacks title, status, detail or requestId: %s", a.text)
		}
	}
	return a
}

// dial connects over gRPC.
func (h *house) dial() *grpc.ClientConn {
	h.t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+h.address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// awaitEvent returns the first event about a lead that matches.
func (h *house) awaitEvent(match func(*leadgatev1.LeadEvent) bool) *leadgatev1.LeadEvent {
	h.t.Helper()
	return h.await(func(event *leadgatev1.Event) bool { return event.GetLead() != nil && match(event.GetLead()) }).GetLead()
}

// await returns the first event that matches.
func (h *house) await(match func(*leadgatev1.Event) bool) *leadgatev1.Event {
	h.t.Helper()
	deadline := time.After(5 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		if found := h.matching(match); len(found) > 0 {
			return found[0]
		}
		select {
		case <-tick.C:
		case <-deadline:
			h.t.Fatal("the event did not come")
		}
	}
}

// matching returns the events so far that match.
func (h *house) matching(match func(*leadgatev1.Event) bool) []*leadgatev1.Event {
	h.mu.Lock()
	defer h.mu.Unlock()
	var found []*leadgatev1.Event
	for _, event := range h.events {
		if match(event) {
			found = append(found, event)
		}
	}
	return found
}

// lines requests a stream and returns a scanner of its lines.
func (h *house) lines(path string, headers ...string) (*http.Response, *bufio.Scanner) {
	h.t.Helper()
	ctx, cancel := context.WithCancel(h.t.Context())
	h.t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, h.url(path), nil)
	if err != nil {
		h.t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	response, err := h.client.Do(r)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = response.Body.Close() })
	return response, bufio.NewScanner(response.Body)
}
