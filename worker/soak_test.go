package worker_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker"
	"github.com/leadgate/leadgate/worker/journal"
	"github.com/leadgate/leadgate/worker/store"
	"github.com/leadgate/leadgate/worker/store/badger"
)

// lead has what these tests need of a lead.
type lead struct{ email, name string }

// walk is a worker with its own store and one destination that is really called.
type walk struct {
	t           testing.TB
	destination *configv1.Destination
	store       store.Store
	journal     *journal.Journal
	worker      *worker.Worker
	transport   http.RoundTripper // nil for the worker's default
	restarts    int
}

// newWalk opens the store; start starts delivering.
func newWalk(t testing.TB, destination *configv1.Destination) *walk {
	t.Helper()
	w := &walk{t: t, destination: destination, journal: journal.New(journal.Options{Now: time.Now})}
	s, err := badger.Open(badger.Options{Dir: t.TempDir(), Publish: w.journal.Committed})
	if err != nil {
		t.Fatal(err)
	}
	w.store = s
	w.journal.Load(s.ID(), nil)
	t.Cleanup(func() {
		w.stop()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		w.journal.Close()
	})
	return w
}

func (w *walk) start() {
	w.t.Helper()
	var err error
	if w.worker, err = worker.New(worker.Options{Store: w.store, Journal: w.journal, Transport: w.transport}); err != nil {
		w.t.Fatal(err)
	}
	if err := w.worker.Apply(worker.Config{
		Revision: "r1", Destinations: map[string]*configv1.Destination{"crm": w.destination},
		Secret: func(value string) (string, error) { return value, nil },
	}); err != nil {
		w.t.Fatal(err)
	}
	w.worker.Start()
}

func (w *walk) stop() {
	if w.worker == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond) // calls are cut short
	defer cancel()
	if err := w.worker.Stop(ctx); err != nil {
		w.t.Error(err)
	}
	w.worker = nil
}

func (w *walk) restart() {
	w.t.Helper()
	w.stop()
	w.start()
	w.restarts++
}

// accept stores leads in one step and returns their IDs.
func (w *walk) accept(leads ...lead) []string {
	w.t.Helper()
	ids := make([]string, len(leads))
	acceptances := make([]*store.Acceptance, len(leads))
	for i, l := range leads {
		ids[i] = newLeadID()
		acceptances[i] = &store.Acceptance{
			Record: &leadgatev1.LeadRecord{
				LeadId: ids[i], State: leadgatev1.LeadState_LEAD_STATE_OPEN, CreateTime: timestamppb.Now(),
				Lead: &leadgatev1.Lead{Email: l.email, FirstName: l.name},
			},
			Destinations: []string{"crm"},
		}
	}
	results, err := w.store.Accept(w.t.Context(), acceptances...)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, result := range results {
		if result.Err != nil {
			w.t.Fatal(result.Err)
		}
	}
	return ids
}

// awaitDelivered waits until n deliveries are delivered, and fails if some end otherwise.
func (w *walk) awaitDelivered(n int64) {
	w.t.Helper()
	settled := make(chan struct{}, 1)
	defer w.journal.Tap(func([]*leadgatev1.Event) {
		select {
		case settled <- struct{}{}:
		default:
		}
	})()
	patience := time.After(5 * time.Minute)
	for {
		counts, err := w.store.Counts(w.t.Context())
		if err != nil {
			w.t.Fatal(err)
		}
		by := counts["crm"].ByState
		if by[leadgatev1.DeliveryState_DELIVERY_STATE_DELIVERED] == n {
			return
		}
		if other := by[dead] + by[superseded] + by[leadgatev1.DeliveryState_DELIVERY_STATE_HELD]; other > 0 {
			w.t.Fatalf("some ended otherwise: %v", by)
		}
		select {
		case <-settled:
		case <-patience:
			w.t.Fatalf("not all were delivered: %v", by)
		}
	}
}

// TestSoakAMinuteAtTenASecond counts the requests that arrive at the CRM in a minute. It is not parallel, because other tests keep
// every processor busy.
func TestSoakAMinuteAtTenASecond(t *testing.T) {
	if os.Getenv("LEADGATE_SOAK") == "" {
		t.Skip("it takes a minute; make soak runs it")
	}
	var (
		mu   sync.Mutex
		came []time.Time
	)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		came = append(came, time.Now())
		mu.Unlock()
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusCreated)
	}))
	defer server.Close()
	w := newWalk(t, &configv1.Destination{
		Kind:   &configv1.Destination_Http{Http: &configv1.HTTP{Url: server.URL}},
		Limits: &configv1.Limits{Concurrency: 8, RequestsPerSecond: 10},
	})
	var leads []lead
	for i := range 620 {
		leads = append(leads, lead{email: fmt.Sprintf("p%d@example.com", i)})
	}
	w.accept(leads...)
	late := lateness()
	w.start()
	w.awaitDelivered(int64(len(leads)))
	worst := late()
	inMinute := 0
	for inMinute < len(came) && came[inMinute].Sub(came[0]) < time.Minute {
		inMinute++
	}
	closest := time.Hour
	for i := range len(came) - 10 {
		closest = min(closest, came[i+10].Sub(came[i]))
	}
	t.Logf("%d requests in a minute, eleven within no less than %v; timers were up to %v late", inMinute, closest, worst)
	if inMinute < 594 || inMinute > 606 {
		t.Errorf("%d requests in a minute, want 600 within a hundredth", inMinute)
	}
	if closest < time.Second {
		t.Errorf("eleven requests came within %v", closest)
	}
}

// lateness measures how late timers are on this machine, until worst is called, which returns the maximum.
func lateness() (worst func() time.Duration) {
	stop, done := make(chan struct{}), make(chan time.Duration, 1)
	go func() {
		most := time.Duration(0)
		for due := time.Now().Add(time.Millisecond); ; due = time.Now().Add(time.Millisecond) {
			select {
			case <-stop:
				done <- most
				return
			case <-time.After(time.Until(due)):
				most = max(most, time.Since(due))
			}
		}
	}()
	return func() time.Duration {
		close(stop)
		return <-done
	}
}
