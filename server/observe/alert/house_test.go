package alert_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/server/observe/alert"
	"github.com/leadgate/leadgate/server/observe/notify"
	"github.com/leadgate/leadgate/worker/journal"
	"github.com/leadgate/leadgate/worker/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// memory is a fake store, which outlives an engine.
type memory struct {
	mu      sync.Mutex
	values  map[string][]byte
	waiting time.Time // when the oldest waiting lead of crm was accepted
	dead    int64     // deliveries to crm
	free    uint64
	refused error
}

// set changes the state of the store.
func (m *memory) set(change func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change()
}

func (m *memory) Counts(context.Context) (map[string]store.Counts, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return map[string]store.Counts{"crm": {
		OldestWaiting: m.waiting, ByState: map[leadgatev1.DeliveryState]int64{leadgatev1.DeliveryState_DELIVERY_STATE_DEAD: m.dead},
	}}, nil
}

func (m *memory) Free() (free, needed uint64, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.free, 256 << 20, nil
}

func (m *memory) Writable() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.refused
}

func (*memory) Size() int64 { return 700 << 20 }

func (m *memory) State(namespace string) store.State { return state{m, namespace + "/"} }

type state struct {
	*memory
	prefix string
}

func (s state) Get(_ context.Context, key string) ([]byte, uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	value, ok := s.values[s.prefix+key]
	if !ok {
		return nil, 0, store.ErrNotFound
	}
	return value, 1, nil
}

func (s state) Put(_ context.Context, key string, value []byte, _ time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.values[s.prefix+key] = value
	return nil
}

func (s state) CompareAndSet(context.Context, string, uint64, []byte, time.Time) error {
	return errors.ErrUnsupported
}
func (s state) Delete(context.Context, string) error { return errors.ErrUnsupported }

func (s state) Keys(context.Context) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var keys []string
	for key := range maps.Keys(s.values) {
		if rest, ok := strings.CutPrefix(key, s.prefix); ok {
			keys = append(keys, rest)
		}
	}
	return slices.Sorted(slices.Values(keys)), nil
}

// pager is a notifier that records what it is sent.
type pager struct {
	mu      sync.Mutex
	told    []string // "firing error_rate/crm"
	all     []*notify.Message
	failing error
	hang    bool
	// incidents is what KeepsIncidents returns.
	incidents bool
}

func (*pager) Kind() string { return "pager" }

func (p *pager) KeepsIncidents() bool { return p.incidents }

func (p *pager) Notify(ctx context.Context, m *notify.Message) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.hang {
		p.mu.Unlock()
		<-ctx.Done()
		p.mu.Lock()
		return errors.New("it did not answer in time")
	}
	if p.failing != nil {
		return p.failing
	}
	p.told = append(p.told, strings.ToLower(strings.TrimPrefix(m.Type.String(), "NOTIFICATION_TYPE_"))+" "+m.Alert.GetAlertId())
	p.all = append(p.all, m)
	return nil
}

func (p *pager) set(failing error, hang bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failing, p.hang = failing, hang
}

// house is an engine with its surroundings, in a synctest bubble.
type house struct {
	t       *testing.T
	memory  *memory
	journal *journal.Journal
	pager   *pager
	second  *pager
	engine  *alert.Engine
	config  *configv1.Alerts
	forms   map[string]*configv1.Form

	mu     sync.Mutex
	status leadgatev1.DestinationStatus
	drifts []*leadgatev1.Drift
	unseen error // why drift cannot be read
	lost   int64 // log lines
	events []*leadgatev1.Event
	untap  func()

	interval time.Duration
}

// enter runs a test in a bubble.
func enter(t *testing.T, config *configv1.Alerts, test func(h *house), options ...func(*house)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := &house{
			t: t, memory: &memory{values: map[string][]byte{}, free: 50 << 30}, pager: &pager{}, second: &pager{}, config: config,
			status: leadgatev1.DestinationStatus_DESTINATION_STATUS_FLOWING,
			forms:  map[string]*configv1.Form{"contact": {Fields: map[string]string{"email": "email"}}},
		}
		if h.config == nil {
			h.config = &configv1.Alerts{}
		}
		if h.config.Notifiers == nil {
			h.config.Notifiers = map[string]*configv1.Notifier{"pager": {}}
		}
		for _, option := range options {
			option(h)
		}
		h.start()
		defer h.stop()
		test(h)
	})
}

// seldom evaluates the rules every few minutes, for tests that cover days.
func seldom(h *house) {
	h.interval = 5 * time.Minute
	if h.config.Rules == nil {
		h.config.Rules = &configv1.AlertRules{}
	}
	hourly := &configv1.ConditionRule{After: durationpb.New(time.Hour)}
	h.config.Rules.Paused, h.config.Rules.Breaker, h.config.Rules.Notifier = hourly, hourly, hourly
	h.config.Rules.ErrorRate = &configv1.ErrorRateRule{Window: durationpb.New(time.Hour)}
	h.config.Rules.RateLimited = &configv1.CountRule{Window: durationpb.New(time.Hour)}
	h.config.Rules.OldestWaiting = &configv1.WaitingRule{Above: durationpb.New(time.Hour)}
}

func (h *house) start() {
	h.t.Helper()
	h.journal = journal.New(journal.Options{Now: time.Now})
	h.untap = h.journal.Tap(func(events []*leadgatev1.Event) {
		h.mu.Lock()
		defer h.mu.Unlock()
		for _, e := range events {
			if e.GetSystem() != nil || e.GetForm() != nil {
				h.events = append(h.events, e)
			}
		}
	})
	var err error
	h.engine, err = alert.New(h.t.Context(), alert.Options{
		DataDir: "/var/lib/leadgate",
		Journal: h.journal, Store: h.memory, Config: h.configured(), Now: time.Now, Interval: h.interval,
		Destinations: func(context.Context) ([]*leadgatev1.Destination, error) {
			h.mu.Lock()
			defer h.mu.Unlock()
			return []*leadgatev1.Destination{{Name: "crm", Status: h.status}}, nil
		},
		Drift: func(context.Context) ([]*leadgatev1.Drift, error) {
			h.mu.Lock()
			defer h.mu.Unlock()
			return h.drifts, h.unseen
		},
		Lost: func() (int64, string) {
			h.mu.Lock()
			defer h.mu.Unlock()
			return h.lost, "they cannot be written: no space left on device"
		},
		Open: func(cfg *configv1.Notifier, _ notify.Environment) (notify.Notifier, error) {
			if cfg == h.config.GetNotifiers()["second"] {
				return h.second, nil
			}
			return h.pager, nil
		},
	})
	if err != nil {
		h.t.Fatal(err)
	}
	h.engine.Start()
}

func (h *house) configured() alert.Config {
	return alert.Config{Alerts: h.config, Forms: h.forms, Destinations: []string{"crm"}, Gateway: "https://leads.example.com"}
}

func (h *house) stop() {
	h.untap()
	if err := h.engine.Close(); err != nil {
		h.t.Error(err)
	}
	h.journal.Close()
}

// reload applies the configuration.
func (h *house) reload() {
	h.t.Helper()
	use, err := h.engine.Prepare(h.configured())
	if err != nil {
		h.t.Fatal(err)
	}
	use()
}

func (h *house) restart() {
	h.stop()
	h.lost = 0
	h.start()
}

func (h *house) is(status leadgatev1.DestinationStatus) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.status = status
}

// drifted sets what Drift returns.
func (h *house) drifted(drifts ...*leadgatev1.Drift) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.drifts = drifts
}

// unsee makes Drift fail.
func (h *house) unsee(why error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.unseen = why
}

// lose adds lost log lines.
func (h *house) lose(lines int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lost += lines
}

// lead publishes stages of leads from contact to crm.
func (h *house) lead(stages ...leadgatev1.Stage) {
	for _, stage := range stages {
		e := &leadgatev1.LeadEvent{
			Stage: stage, LeadId: "0193-a-lead", Form: "contact", Destination: "crm", Duration: durationpb.New(time.Second), SpeedToLead: durationpb.New(time.Second),
		}
		switch stage {
		case leadgatev1.Stage_STAGE_RETRY, leadgatev1.Stage_STAGE_FAILURE, leadgatev1.Stage_STAGE_DEAD:
			if stage == leadgatev1.Stage_STAGE_DEAD {
				h.memory.set(func() { h.memory.dead++ })
			}
			e.CrmStatus, e.Error, e.NextAttemptTime = 503, "Service Unavailable: maintenance", timestamppb.Now()
		case leadgatev1.Stage_STAGE_RECEIVED, leadgatev1.Stage_STAGE_REJECTED, leadgatev1.Stage_STAGE_HELD:
			e.Destination = ""
		}
		h.journal.Publish(&leadgatev1.Event{Kind: &leadgatev1.Event_Lead{Lead: e}})
	}
}

func (h *house) destination(kind leadgatev1.DestinationEventType, detail string) {
	h.journal.Publish(&leadgatev1.Event{Kind: &leadgatev1.Event_Destination{Destination: &leadgatev1.DestinationEvent{
		Destination: "crm", Type: kind, Detail: detail, CrmStatus: 401,
	}}})
}

// pass lets time pass and waits for everything that becomes due.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// expect checks everything that the pager was sent so far.
func (h *house) expect(want ...string) {
	h.t.Helper()
	h.pager.mu.Lock()
	defer h.pager.mu.Unlock()
	if !slices.Equal(h.pager.told, want) {
		h.t.Fatalf("told %q, want %q", h.pager.told, want)
	}
}

// last returns the newest message to the pager.
func (h *house) last() *notify.Message {
	h.t.Helper()
	h.pager.mu.Lock()
	defer h.pager.mu.Unlock()
	if len(h.pager.all) == 0 {
		h.t.Fatal("nothing was told")
	}
	return h.pager.all[len(h.pager.all)-1]
}

func repeat(stage leadgatev1.Stage, n int) []leadgatev1.Stage {
	return slices.Repeat([]leadgatev1.Stage{stage}, n)
}

// kinds returns the types of the events about alerts and forms so far.
func (h *house) kinds() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var kinds []string
	for _, e := range h.events {
		if s := e.GetSystem(); s != nil {
			kinds = append(kinds, fmt.Sprint(s.GetType(), " ", s.GetAlert().GetAlertId()))
		} else {
			kinds = append(kinds, fmt.Sprint(e.GetForm().GetType(), " ", e.GetForm().GetForm()))
		}
	}
	return kinds
}
