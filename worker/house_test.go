package worker_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker"
	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/journal"
	"github.com/leadgate/leadgate/worker/mapping"
	"github.com/leadgate/leadgate/worker/store"
	"github.com/leadgate/leadgate/worker/store/badger"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeCRM is a destination that answers according to its script, and records what it was asked.
type fakeCRM struct {
	traits crm.Traits

	mu         sync.Mutex
	answer     func(ctx context.Context, batch []crm.Item) []crm.Outcome // delivers everything if nil
	pong       crm.Outcome
	encode     func([]mapping.Property) ([]byte, error)
	calls      []fakeCall
	pings      []time.Time
	schema     *crm.Schema   // nil if it cannot be asked
	unreadable crm.Outcome   // the outcome of asking, unless it is zero
	schemas    int           // how often it was asked
	slow       time.Duration // how long an answer takes
	opened     int           // sessions that were opened
	onOpen     func(crm.Environment)
	usesSecret bool // resolve a secret at each call
	active     int
	most       int // most calls in progress at the same time
}

// fakeConnection is a fakeCRM under one configuration.
type fakeConnection struct {
	*fakeCRM
	client *http.Client
	env    crm.Environment
}

type fakeCall struct {
	at    time.Time
	items []crm.Item
	mode  leadgatev1.DeliveryMode
}

func (f *fakeCRM) Traits() crm.Traits { return f.traits }

func (f *fakeCRM) Encode(properties []mapping.Property) ([]byte, error) {
	f.mu.Lock()
	encode := f.encode
	f.mu.Unlock()
	if encode != nil {
		return encode(properties)
	}
	values := map[string]any{}
	for _, p := range properties {
		values[p.Name] = p.Value
	}
	return json.Marshal(values)
}

func (f *fakeConnection) Deliver(ctx context.Context, batch []crm.Item, mode leadgatev1.DeliveryMode) []crm.Outcome {
	if err := f.request(ctx); err != nil {
		return each(batch, crm.Outcome{Kind: crm.Retry, Reason: "not sent: " + err.Error()})
	}
	f.mu.Lock()
	f.calls = append(f.calls, fakeCall{time.Now(), slices.Clone(batch), mode})
	f.active++
	f.most = max(f.most, f.active)
	answer := f.answer
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		f.active--
		f.mu.Unlock()
	}()
	if answer == nil {
		return each(batch, delivered)
	}
	return answer(ctx, batch)
}

func (f *fakeConnection) Ping(ctx context.Context) crm.Outcome {
	if err := f.request(ctx); err != nil {
		return crm.Outcome{Reason: err.Error()}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pings = append(f.pings, time.Now())
	return f.pong
}

func (f *fakeConnection) Schema(context.Context) (*crm.Schema, crm.Outcome) {
	f.mu.Lock()
	slow := f.slow
	f.mu.Unlock()
	time.Sleep(slow) // on the bubble's clock
	f.mu.Lock()
	defer f.mu.Unlock()
	f.schemas++
	if f.unreadable.Kind != 0 {
		return nil, f.unreadable
	}
	return f.schema, crm.Outcome{Kind: crm.Delivered}
}

// request makes one request, so that pacing and timeouts apply.
func (f *fakeConnection) request(ctx context.Context) error {
	if f.usesSecret {
		if _, err := f.env.Secret("${env:TOKEN}"); err != nil {
			return err
		}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://crm.example", nil)
	if err != nil {
		return err
	}
	res, err := f.client.Do(req)
	if err != nil {
		return err
	}
	return res.Body.Close()
}

func (f *fakeCRM) script(answer func(ctx context.Context, batch []crm.Item) []crm.Outcome) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answer = answer
}

// always gives every lead the same outcome.
func (f *fakeCRM) always(outcome crm.Outcome) {
	f.script(func(_ context.Context, batch []crm.Item) []crm.Outcome { return each(batch, outcome) })
}

func (f *fakeCRM) seen() []fakeCall {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.calls)
}

var delivered = crm.Outcome{Kind: crm.Delivered, RecordID: "501", RecordURL: "https://crm.example/501", Status: 200}

func each(batch []crm.Item, outcome crm.Outcome) []crm.Outcome {
	return slices.Repeat([]crm.Outcome{outcome}, len(batch))
}

type emptyAnswers struct{}

func (emptyAnswers) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
}

// house is a worker between a store and fake CRMs. Its destinations are of kind http; the URL's host names the fake.
type house struct {
	t       *testing.T
	dir     string
	crm     *fakeCRM // of destination "crm"
	crms    map[string]*fakeCRM
	wrap    func(store.Store) store.Store
	log     strings.Builder
	store   store.Store
	journal *journal.Journal
	worker  *worker.Worker
	service leadgatev1.WorkerServiceServer

	mu     sync.Mutex
	events []*leadgatev1.Event
	stop   []func()

	resubmit func(*leadgatev1.LeadRecord) (*worker.Resubmission, error) // for the next open
}

// bubble runs a test with a house in a synctest bubble, whose clock stands still while there is anything to do.
func bubble(t *testing.T, test func(t *testing.T, h *house)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.open()
		defer h.close()
		test(t, h)
	})
}

func newHouse(t *testing.T) *house {
	h := &house{t: t, dir: t.TempDir(), crms: map[string]*fakeCRM{}}
	h.crm = h.addCRM("crm", crm.Traits{Kind: "fake", MaxBatch: 10, Account: "fake"})
	return h
}

func (h *house) addCRM(name string, traits crm.Traits) *fakeCRM {
	f := &fakeCRM{traits: traits, pong: crm.Outcome{Kind: crm.Delivered}}
	h.crms[name] = f
	return f
}

// open starts what a process starts; apply adds destinations.
func (h *house) open() {
	h.t.Helper()
	h.journal = journal.New(journal.Options{Now: time.Now})
	s, err := badger.Open(badger.Options{Dir: h.dir, Now: time.Now, Publish: h.journal.Committed, SweepInterval: time.Hour})
	if err != nil {
		h.t.Fatal(err)
	}
	h.journal.Load(s.ID(), nil)
	stopTap := h.journal.Tap(func(events []*leadgatev1.Event) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.events = append(h.events, events...)
	})
	h.store = s
	if h.wrap != nil {
		h.store = h.wrap(s)
	}
	h.worker, err = worker.New(worker.Options{
		Store: h.store, Journal: h.journal, Now: time.Now, Transport: emptyAnswers{}, Resubmit: h.resubmit,
		Logger: slog.New(slog.NewTextHandler(&h.log, nil)),
		Open: func(cfg *configv1.Destination, env crm.Environment) (crm.Destination, error) {
			f := h.crms[strings.TrimPrefix(cfg.GetHttp().GetUrl(), "http://")]
			if f == nil {
				return nil, fmt.Errorf("no fake serves %s", cfg.GetHttp().GetUrl())
			}
			f.mu.Lock()
			defer f.mu.Unlock()
			if f.opened++; f.onOpen != nil {
				f.onOpen(env)
			}
			return &fakeConnection{f, env.Client, env}, nil
		},
	})
	if err != nil {
		h.t.Fatal(err)
	}
	h.service = worker.NewService(h.worker, "v1.2.3")
	h.worker.Start()
	h.stop = []func(){
		func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			_ = h.worker.Stop(ctx) // tests that care stop it themselves
		},
		func() {
			if err := h.store.Close(); err != nil {
				h.t.Error(err)
			}
		},
		stopTap, h.journal.Close,
	}
}

// close stops everything, as when the process ends.
func (h *house) close() {
	for _, stop := range h.stop {
		stop()
	}
	h.stop = nil
}

func (h *house) restart() {
	h.t.Helper()
	h.close()
	h.open()
}

// fakeDestination returns the configuration of a destination served by a fake.
func fakeDestination(name string, change func(*configv1.Destination)) *configv1.Destination {
	cfg := &configv1.Destination{
		Kind:       &configv1.Destination_Http{Http: &configv1.HTTP{Url: "http://" + name}},
		Properties: map[string]string{"email": "email", "name": "first_name"},
		Limits:     &configv1.Limits{Concurrency: 1},
		Retry: &configv1.Retry{
			InitialDelay: durationpb.New(time.Second), MaxDelay: durationpb.New(8 * time.Second), GiveUpAfter: durationpb.New(time.Minute),
		},
	}
	if change != nil {
		change(cfg)
	}
	return cfg
}

// apply configures destination "crm" and no other.
func (h *house) apply(change func(*configv1.Destination)) {
	h.t.Helper()
	h.applyAll("r1", map[string]*configv1.Destination{"crm": fakeDestination("crm", change)})
}

func (h *house) applyAll(revision string, destinations map[string]*configv1.Destination) {
	h.t.Helper()
	if err := h.worker.Apply(worker.Config{Revision: revision, Destinations: destinations}); err != nil {
		h.t.Fatal(err)
	}
}

// accept stores leads for destination "crm" in one step and returns the IDs of their deliveries. Each lead is given as EMAIL or
// EMAIL NAME.
func (h *house) accept(leads ...string) []string {
	h.t.Helper()
	return h.acceptFor("crm", leads...)
}

func (h *house) acceptFor(destination string, leads ...string) []string {
	h.t.Helper()
	var (
		acceptances []*store.Acceptance
		deliveries  []string
	)
	for _, lead := range leads {
		email, name, _ := strings.Cut(lead, " ")
		id := newLeadID()
		acceptances = append(acceptances, &store.Acceptance{
			Record: &leadgatev1.LeadRecord{
				LeadId: id, State: leadgatev1.LeadState_LEAD_STATE_OPEN, CreateTime: timestamppb.Now(),
				Lead:           &leadgatev1.Lead{Email: email, FirstName: name, Source: &leadgatev1.Source{Form: "contact"}},
				IdempotencyKey: "key of " + email, RequestId: "request 7",
			},
			Destinations: []string{destination},
		})
		deliveries = append(deliveries, id+"."+destination)
	}
	results, err := h.store.Accept(h.t.Context(), acceptances...)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, result := range results {
		if result.Err != nil {
			h.t.Fatal(result.Err)
		}
	}
	return deliveries
}

var leadsMade atomic.Uint64

// newLeadID returns a UUIDv7 with the bubble's time. Package uuid itself never goes back in time, even in a new bubble.
func newLeadID() string {
	id := uuid.New()
	binary.BigEndian.PutUint64(id[:8], uint64(time.Now().UnixMilli())<<16|7<<12|leadsMade.Add(1)&0xfff)
	return id.String()
}

// people returns n leads, each of a different person.
func people(n int) []string {
	var leads []string
	for i := range n {
		leads = append(leads, fmt.Sprintf("p%d@example.com", i))
	}
	return leads
}

// rest advances the clock, then waits until nothing is left to do at that time.
func (h *house) rest(d time.Duration) {
	time.Sleep(d) // on the bubble's clock
	synctest.Wait()
}

func (h *house) delivery(id string) *leadgatev1.Delivery {
	h.t.Helper()
	d, err := h.store.Delivery(h.t.Context(), id)
	if err != nil {
		h.t.Fatal(err)
	}
	return d
}

func (h *house) expectState(id string, want leadgatev1.DeliveryState) *leadgatev1.Delivery {
	h.t.Helper()
	d := h.delivery(id)
	if d.GetState() != want {
		h.t.Fatalf("the delivery is %v, want %v: %v", d.GetState(), want, d)
	}
	return d
}

// stages returns what happened to a delivery; destinationEvents returns what happened to destinations.
func (h *house) stages(deliveryID string) []*leadgatev1.LeadEvent {
	synctest.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	var stages []*leadgatev1.LeadEvent
	for _, event := range h.events {
		if lead := event.GetLead(); lead.GetDeliveryId() == deliveryID {
			stages = append(stages, lead)
		}
	}
	return stages
}

func (h *house) expectStages(deliveryID string, want ...leadgatev1.Stage) []*leadgatev1.LeadEvent {
	h.t.Helper()
	events := h.stages(deliveryID)
	var got []leadgatev1.Stage
	for _, event := range events {
		got = append(got, event.GetStage())
	}
	if !slices.Equal(got, want) {
		h.t.Fatalf("stages are %v, want %v", got, want)
	}
	return events
}

func (h *house) destinationEvents() []*leadgatev1.DestinationEvent {
	synctest.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	var all []*leadgatev1.DestinationEvent
	for _, event := range h.events {
		if destination := event.GetDestination(); destination != nil {
			all = append(all, destination)
		}
	}
	return all
}

// Short names, because the tests use them often.
const (
	pending    = leadgatev1.DeliveryState_DELIVERY_STATE_PENDING
	inFlight   = leadgatev1.DeliveryState_DELIVERY_STATE_IN_FLIGHT
	retryWait  = leadgatev1.DeliveryState_DELIVERY_STATE_RETRY_WAIT
	done       = leadgatev1.DeliveryState_DELIVERY_STATE_DELIVERED
	dead       = leadgatev1.DeliveryState_DELIVERY_STATE_DEAD
	superseded = leadgatev1.DeliveryState_DELIVERY_STATE_SUPERSEDED

	stageCall    = leadgatev1.Stage_STAGE_CRM_API_CALL
	stageRetry   = leadgatev1.Stage_STAGE_RETRY
	stageSuccess = leadgatev1.Stage_STAGE_SUCCESS
	stageFailure = leadgatev1.Stage_STAGE_FAILURE
	stageDead    = leadgatev1.Stage_STAGE_DEAD
	stageQueued  = leadgatev1.Stage_STAGE_QUEUED
)
