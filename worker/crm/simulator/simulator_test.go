package simulator_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/leadgate/leadgate/worker/crm/simulator"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// notebook is a CRM that stores what it is sent.
type notebook struct {
	mu    sync.Mutex
	notes []string
	each  func(*http.Request) // called with each note, unless nil
}

func (n *notebook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	note, _ := io.ReadAll(r.Body)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.notes = append(n.notes, string(note))
	if n.each != nil {
		n.each(r)
	}
	simulator.Note(r.Context(), 2, 1)
	w.WriteHeader(http.StatusCreated)
	fmt.Fprint(w, "taken")
}

func (n *notebook) Contacts() any {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]string{}, n.notes...)
}

func (n *notebook) Fail(w http.ResponseWriter, status int) { http.Error(w, "sorry", status) }

func (n *notebook) Reset() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.notes = nil
}

// single is a notebook that accepts one note per call.
type single struct{ *notebook }

func (single) OneByOne() {}

// serve handles a call without a network.
func serve(t *testing.T, sim *simulator.Simulator) {
	t.Helper()
	sim.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), "POST", "/notes", nil))
}

// rig is a running simulator with a clock of its own.
type rig struct {
	t       *testing.T
	sim     *simulator.Simulator
	server  *httptest.Server
	crm     *notebook
	elapsed atomic.Int64
}

func newRig(t *testing.T, seed uint64) *rig {
	r := &rig{t: t, crm: &notebook{}}
	start := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	r.sim = simulator.New(r.crm, seed, func() time.Time { return start.Add(time.Duration(r.elapsed.Load())) })
	r.server = httptest.NewServer(r.sim)
	t.Cleanup(r.server.Close)
	return r
}

// call makes a call; the status is 0 if the answer was lost.
func (r *rig) call(method, path, body string) (status int, answer string) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.server.URL+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	res, err := r.server.Client().Do(req)
	if err != nil {
		return 0, ""
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, ""
	}
	return res.StatusCode, string(text)
}

func (r *rig) set(faults string) {
	r.t.Helper()
	if status, answer := r.call("POST", "/_sim/faults", faults); status != http.StatusNoContent {
		r.t.Fatalf("faults %s: %d %s", faults, status, answer)
	}
}

func (r *rig) expect(want int) {
	r.t.Helper()
	if status, answer := r.call("POST", "/notes", "x"); status != want {
		r.t.Errorf("answered %d %s, want %d", status, answer, want)
	}
}

func TestFaultsAreSetAndClearedOverHTTP(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	r.expect(201)
	r.set(`{"status":503}`)
	r.expect(503)
	if status, answer := r.call("GET", "/_sim/faults", ""); status != 200 || strings.TrimSpace(answer) != `{"status":503}` {
		t.Errorf("the faults are %d %s", status, answer)
	}
	r.set(`{"status":429,"retry_after":"soon"}`)
	r.expect(429)
	r.set(`{"html":true}`)
	if status, answer := r.call("POST", "/notes", "x"); status != 503 || !strings.Contains(answer, "<html>") {
		t.Errorf("answered %d %s", status, answer)
	}
	r.set(`{}`)
	r.expect(201)
	answer := httptest.NewRecorder()
	simulator.New(single{r.crm}, 1, nil).ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), "POST", "/_sim/faults", strings.NewReader(`{"kinds":["cut","omit"]}`)))
	if answer.Code != 400 || !strings.Contains(answer.Body.String(), "hubspot") {
		t.Errorf("omit, where there is no batch: %d %s", answer.Code, answer.Body)
	}
	for _, wrong := range []string{`{"fail_rat":1}`, `{"fail_rate":2}`, `{"status":200}`, `{"latency":"long"}`, `{"latency":"-1s"}`, `{"down_for":"-1s"}`, ``} {
		if status, answer := r.call("POST", "/_sim/faults", wrong); status != 400 || answer == "" {
			t.Errorf("faults %s: %d %s", wrong, status, answer)
		}
	}
	r.expect(201)
}

func TestALostAnswerIsCarriedOut(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	r.set(`{"lose_answer":true}`)
	r.expect(0)
	if notes := r.crm.Contacts().([]string); len(notes) != 1 {
		t.Errorf("notes are %v", notes)
	}
	requests := r.sim.Requests()
	if got := requests[len(requests)-1]; got.Fault != "lost" || got.Committed != 1 || got.Status != 0 {
		t.Errorf("journal says %+v", got)
	}
}

func TestAFailingCallIsNotCarriedOut(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	r.set(`{"status":500}`)
	r.expect(500)
	if notes := r.crm.Contacts().([]string); len(notes) != 0 {
		t.Errorf("notes are %v", notes)
	}
}

func TestAnOutageEndsByItself(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	r.set(`{"down_for":"1m"}`)
	r.expect(503)
	r.elapsed.Add(int64(time.Minute))
	r.expect(201)

	r.sim.SetFaults(simulator.Faults{LoseAnswer: true, DownFor: simulator.Duration(time.Second)})
	r.expect(503) // while it is down, it executes nothing
	r.sim.SetFaults(simulator.Faults{})
	r.sim.TakeDown(20 * time.Second)
	r.expect(503)
	r.elapsed.Add(int64(19 * time.Second))
	r.expect(503)
	r.elapsed.Add(int64(time.Second))
	r.expect(201)
	r.sim.TakeDown(time.Hour)
	r.sim.SetFaults(simulator.Faults{})
	r.expect(201)
}

func TestEqualSeedsFailAlike(t *testing.T) {
	t.Parallel()
	pattern := func(r *rig) (answers []int) {
		r.set(`{"fail_rate":0.3,"status":502}`)
		for range 200 {
			status, _ := r.call("POST", "/notes", "x")
			answers = append(answers, status)
		}
		return answers
	}
	one, same := newRig(t, 7), newRig(t, 7)
	first := pattern(one)
	failed := strings.Count(fmt.Sprint(first), "502")
	if failed < 30 || failed > 90 {
		t.Errorf("%d of 200 failed, want about 60", failed)
	}
	if again := pattern(same); fmt.Sprint(again) != fmt.Sprint(first) {
		t.Error("equal seeds failed differently")
	}
	if other := pattern(newRig(t, 8)); fmt.Sprint(other) == fmt.Sprint(first) {
		t.Error("different seeds failed alike")
	}
	one.sim.Reset()
	if again := pattern(one); fmt.Sprint(again) != fmt.Sprint(first) {
		t.Error("after a reset it failed differently")
	}
}

func TestTheJournalTellsWhatCameAndWhatWasDone(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	r.expect(201)
	r.set(`{"status":503}`)
	r.expect(503)
	_, answer := r.call("GET", "/_sim/requests", "")
	var requests []map[string]any
	if err := json.Unmarshal([]byte(answer), &requests); err != nil || len(requests) != 2 {
		t.Fatalf("%v: %s", err, answer)
	}
	for i, want := range []map[string]any{
		{"time": "2026-11-24T12:00:00Z", "method": "POST", "path": "/notes", "items": 2.0, "committed": 1.0, "status": 201.0},
		{"time": "2026-11-24T12:00:00Z", "method": "POST", "path": "/notes", "items": 0.0, "committed": 0.0, "status": 503.0, "fault": "status"},
	} {
		if fmt.Sprint(requests[i]) != fmt.Sprint(want) {
			t.Errorf("request %d is %v, want %v", i, requests[i], want)
		}
	}
}

func TestTheJournalIsBounded(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	for i := range 1005 {
		req := httptest.NewRequestWithContext(t.Context(), "POST", fmt.Sprintf("/notes/%d", i), nil)
		r.sim.ServeHTTP(httptest.NewRecorder(), req)
	}
	requests := r.sim.Requests()
	if len(requests) != 1000 || requests[0].Path != "/notes/5" || requests[999].Path != "/notes/1004" {
		t.Errorf("%d requests from %s", len(requests), requests[0].Path)
	}
}

func TestAResetIsANewBeginning(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	r.expect(201)
	r.set(`{"status":503}`)
	if status, _ := r.call("POST", "/_sim/reset", ""); status != http.StatusNoContent {
		t.Fatalf("answered %d", status)
	}
	if _, contacts := r.call("GET", "/_sim/contacts", ""); strings.TrimSpace(contacts) != "[]" {
		t.Errorf("contacts are %s", contacts)
	}
	if _, requests := r.call("GET", "/_sim/requests", ""); strings.TrimSpace(requests) != "[]" {
		t.Errorf("requests are %s", requests)
	}
	r.expect(201)
}

func TestACallWaitsAsLongAsItsLatency(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		crm := &notebook{}
		sim := simulator.New(crm, 1, nil)
		sim.SetFaults(simulator.Faults{Latency: simulator.Duration(time.Hour)})
		start := time.Now()
		sim.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), "POST", "/notes", nil))
		if took := time.Since(start); took != time.Hour || len(crm.notes) != 1 {
			t.Errorf("took %v, notes are %v", took, crm.notes)
		}
	})
}

func TestWaitingEndsWhenTheCallerGoes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		crm := &notebook{}
		sim := simulator.New(crm, 1, nil)
		sim.SetFaults(simulator.Faults{Latency: simulator.Duration(time.Hour)})
		ctx, leave := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, leave)
		start := time.Now()
		func() {
			defer func() {
				if fault := recover(); fault != http.ErrAbortHandler { //nolint:errorlint // the very value, as net/http compares it
					t.Errorf("ended with %v", fault)
				}
			}()
			sim.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, "POST", "/notes", nil))
		}()
		if took := time.Since(start); took != time.Second || len(crm.notes) != 0 {
			t.Errorf("took %v, carried out: %v", took, crm.notes)
		}
	})
}
