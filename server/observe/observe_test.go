package observe_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/server/observe"
	"github.com/leadgate/leadgate/worker/journal"
	"github.com/leadgate/leadgate/worker/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// noon returns the time of all events.
func noon() time.Time { return time.Date(2026, 11, 24, 12, 4, 31, 220_900_000, time.UTC) }

// figures is a store with nothing but figures.
type figures struct {
	counts           map[string]store.Counts
	failing, refused error
	recent           []*leadgatev1.Event
	state            *memory // nil if nothing is to be remembered
}

func (f figures) Recent(_ context.Context, limit int) ([]*leadgatev1.Event, error) {
	return f.recent[max(0, len(f.recent)-limit):], nil
}

func (f figures) State(string) store.State {
	if f.state == nil {
		return &memory{}
	}
	return f.state
}

// memory is the part of a store that survives an observer.
type memory struct {
	store.State
	mu     sync.Mutex
	values map[string][]byte
}

func (m *memory) Get(_ context.Context, key string) ([]byte, uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.values[key], 1, nil
}

func (m *memory) Put(_ context.Context, key string, value []byte, _ time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.values == nil {
		m.values = map[string][]byte{}
	}
	m.values[key] = value
	return nil
}

func (m *memory) Keys(context.Context) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(maps.Keys(m.values)), nil
}

func (f figures) Counts(context.Context) (map[string]store.Counts, error) { return f.counts, f.failing }
func (f figures) Writable() error                                         { return f.refused }
func (f figures) Size() int64                                             { return 1 << 30 }
func (f figures) Free() (free, needed uint64, err error)                  { return 5 << 30, 256 << 20, nil }

// destinations returns destinations with every status that matters.
func destinations(context.Context) ([]*leadgatev1.Destination, error) {
	return []*leadgatev1.Destination{
		{Name: "crm", Status: leadgatev1.DestinationStatus_DESTINATION_STATUS_PAUSED, RequestsPerSecond: 2.5, RequestsPerSecondLimit: 10, RequestsPerDayLimit: 500, RequestsLeftToday: 120},
		{Name: "erp", Status: leadgatev1.DestinationStatus_DESTINATION_STATUS_FLOWING, RequestsPerSecond: 7},
	}, nil
}

// watched is an observer of a journal, with its log.
type watched struct {
	*observe.Observer
	t       testing.TB
	journal *journal.Journal
	commits *observe.Commits
	alerts  []*leadgatev1.Alert
	out     *bytes.Buffer // read it only after Close
}

func watch(t testing.TB, s figures, level string) *watched {
	t.Helper()
	w := &watched{t: t, journal: journal.New(journal.Options{Now: noon}), out: &bytes.Buffer{}, commits: observe.NewCommits()}
	output := observe.NewOutput(w.out)
	var err error
	w.Observer, err = observe.New(observe.Options{
		Journal: w.journal, Store: s, Logger: observe.NewLogger(output, "json", level), Output: output, Version: "v1.2.3", Now: noon,
		Commits: w.commits, Destinations: destinations, Alerts: func() []*leadgatev1.Alert { return w.alerts },
		Drift: func(context.Context) ([]*leadgatev1.Drift, error) {
			return []*leadgatev1.Drift{{Destination: "crm", Field: "a"}, {Destination: "crm", Field: "b"}, {Form: "contact", Field: "c"}}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		w.Close()
		w.journal.Close()
	})
	return w
}

// lines closes the observer and returns what it logged.
func (w *watched) lines() []string {
	w.t.Helper()
	if err := w.Close(); err != nil {
		w.t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(w.out.String(), "\n"), "\n")
}

// metrics closes the observer and returns its metrics.
func (w *watched) metrics() string {
	w.t.Helper()
	w.Close()
	recorder := httptest.NewRecorder()
	w.Metrics().ServeHTTP(recorder, httptest.NewRequestWithContext(w.t.Context(), "GET", "/metrics", nil))
	if recorder.Code != 200 {
		w.t.Fatalf("status %d: %s", recorder.Code, recorder.Body)
	}
	return recorder.Body.String()
}

func (w *watched) expectMetrics(want ...string) {
	w.t.Helper()
	text := w.metrics()
	for _, line := range want {
		if !strings.Contains(text, "\n"+line+"\n") {
			w.t.Errorf("%s is missing in:\n%s", line, text)
		}
	}
}

func lead(e *leadgatev1.LeadEvent) *leadgatev1.Event {
	return &leadgatev1.Event{Kind: &leadgatev1.Event_Lead{Lead: e}}
}

func failedCall() *leadgatev1.LeadEvent {
	return &leadgatev1.LeadEvent{
		Stage: leadgatev1.Stage_STAGE_RETRY, LeadId: "0193", Form: "contact", Destination: "crm", DeliveryId: "0193.crm", Attempt: 2,
		IdempotencyKey: "k1", Person: "a***@example.com", Duration: durationpb.New(214 * time.Millisecond), Error: "the CRM is down",
		CrmStatus: 503, CrmBody: `{"message":"down"}`, RequestId: "r1", NextAttemptTime: timestamppb.New(noon().Add(4 * time.Second)),
	}
}

func TestEveryEventIsOneLineWithWhatIsKnown(t *testing.T) {
	t.Parallel()
	w := watch(t, figures{}, "")
	w.journal.Publish(
		lead(&leadgatev1.LeadEvent{Stage: leadgatev1.Stage_STAGE_RECEIVED, LeadId: "0193", Form: "contact", IdempotencyKey: "k1", RequestId: "r1"}),
		lead(failedCall()),
		lead(&leadgatev1.LeadEvent{Stage: leadgatev1.Stage_STAGE_SUCCESS, LeadId: "0193", Destination: "crm", Attempt: 3, RecordId: "77", Duration: durationpb.New(0)}),
		lead(&leadgatev1.LeadEvent{Stage: leadgatev1.Stage_STAGE_DEAD, LeadId: "0194", Detail: "given up"}),
		&leadgatev1.Event{Kind: &leadgatev1.Event_Destination{Destination: &leadgatev1.DestinationEvent{
			Destination: "crm", Type: leadgatev1.DestinationEventType_DESTINATION_EVENT_TYPE_CREDENTIALS_REFUSED, Detail: "the token expired", CrmStatus: 401,
		}}},
		&leadgatev1.Event{Kind: &leadgatev1.Event_Form{Form: &leadgatev1.FormEvent{
			Type: leadgatev1.FormEventType_FORM_EVENT_TYPE_DRIFT, Form: "contact", Field: "firma", LeadField: "company", Suggestion: "firma: company",
			Detail: "firma looks like company", LeadId: "0195",
		}}},
		&leadgatev1.Event{Kind: &leadgatev1.Event_System{System: &leadgatev1.SystemEvent{
			Type: leadgatev1.SystemEventType_SYSTEM_EVENT_TYPE_STARTED, Detail: "leadgate dev listens on 127.0.0.1:8080",
		}}},
	)
	const at = `{"time":"2026-11-24T12:04:31.220Z",`
	want := []string{
		at + `"level":"INFO","stage":"received","idempotency_key":"k1","lead_id":"0193","form":"contact","request_id":"r1"}`,
		at + `"level":"WARN","stage":"retry","idempotency_key":"k1","lead_id":"0193","form":"contact","destination":"crm","attempt":2,` +
			`"duration_ms":214,"error":"the CRM is down","crm_status":503,"crm_body":"{\"message\":\"down\"}",` +
			`"next_attempt":"2026-11-24T12:04:35.220Z","person":"a***@example.com","request_id":"r1"}`,
		at + `"level":"INFO","stage":"success","lead_id":"0193","destination":"crm","attempt":3,"duration_ms":0,"record_id":"77"}`,
		at + `"level":"ERROR","stage":"dead","lead_id":"0194","detail":"given up"}`,
		at + `"level":"ERROR","msg":"the token expired","event":"credentials_refused","destination":"crm","crm_status":401}`,
		at + `"level":"WARN","msg":"firma looks like company","event":"drift","form":"contact","field":"firma","lead_field":"company",` +
			`"suggestion":"firma: company","lead_id":"0195"}`,
		at + `"level":"INFO","msg":"leadgate dev listens on 127.0.0.1:8080","event":"started"}`,
	}
	got := w.lines()
	if len(got) != len(want) {
		t.Fatalf("%d lines for %d events:\n%s", len(got), len(want), strings.Join(got, "\n"))
	}
	for i, line := range got {
		if line != want[i] {
			t.Errorf("line %d is\n%s\nwant\n%s", i, line, want[i])
		}
	}
}

func TestAddressesAreMaskedWhereverTheyStand(t *testing.T) {
	t.Parallel()
	const ada, grace = "ada.lovelace+x@example.com", "grace@mail.example.org"
	w := watch(t, figures{}, "")
	w.journal.Publish(
		lead(&leadgatev1.LeadEvent{
			Stage: leadgatev1.Stage_STAGE_RETRY, IdempotencyKey: ada, Error: "no such contact: <" + ada + ">, " + grace + ".", Person: "***@example.com",
			CrmBody: `{"email":"` + ada + `","also":["` + grace + `"]}`, Detail: "@ home, a@", LeadId: "0193", Form: "contact", Destination: "crm",
		}),
		&leadgatev1.Event{Kind: &leadgatev1.Event_System{System: &leadgatev1.SystemEvent{Detail: "while storing " + grace}}},
	)
	lines := w.lines()
	text := strings.Join(lines, "\n")
	if strings.Contains(text, "lovelace") || strings.Contains(text, "grace") || strings.Contains(w.metrics(), "@") {
		t.Errorf("an address shows:\n%s", text)
	}
	var line map[string]any
	if err := json.Unmarshal([]byte(lines[0]), &line); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"idempotency_key": "a***@example.com", "error": "no such contact: <a***@example.com>, g***@mail.example.org.",
		"crm_body": `{"email":"a***@example.com","also":["g***@mail.example.org"]}`, "person": "***@example.com", "detail": "@ home, a@",
	} {
		if line[key] != want {
			t.Errorf("%s is %q, want %q", key, line[key], want)
		}
	}
}

func TestLinesBelowTheLevelAreCountedAllTheSame(t *testing.T) {
	t.Parallel()
	w := watch(t, figures{}, "warn")
	w.journal.Publish(lead(&leadgatev1.LeadEvent{Stage: leadgatev1.Stage_STAGE_QUEUED, Form: "contact", Destination: "crm"}), lead(failedCall()))
	if got := w.lines(); len(got) != 1 || !strings.Contains(got[0], `"stage":"retry"`) {
		t.Errorf("lines %q", got)
	}
	w.expectMetrics(`leadgate_events_total{destination="crm",form="contact",reason="",stage="queued"} 1`)
}

// blocked is an output that blocks until it is released.
type blocked struct {
	release chan struct{}
	mu      sync.Mutex
	lines   int
}

func (b *blocked) Write(line []byte) (int, error) {
	<-b.release
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lines += bytes.Count(line, []byte("\n"))
	return len(line), nil
}

func TestAStuckOutputHoldsUpPublishersInsteadOfLosingLines(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const events = 10_000 // more than fit the queue before publishers have to wait
		j, out := journal.New(journal.Options{Now: time.Now}), &blocked{release: make(chan struct{})}
		output := observe.NewOutput(out)
		observer, err := observe.New(observe.Options{Journal: j, Store: figures{}, Logger: observe.NewLogger(output, "json", ""), Output: output})
		if err != nil {
			t.Fatal(err)
		}
		published := 0
		go func() {
			for ; published < events; published++ {
				j.Publish(lead(failedCall()))
			}
		}()
		synctest.Wait()
		if published == events {
			t.Error("nobody waited for the output")
		}
		close(out.release)
		synctest.Wait()
		j.Close() // like the gateway: the journal is closed first
		if err := errors.Join(observer.Close(), observer.Close()); err != nil {
			t.Error(err)
		}
		w := watched{Observer: observer, t: t}
		w.expectMetrics(fmt.Sprintf(`leadgate_events_total{destination="crm",form="contact",reason="unavailable",stage="retry"} %d`, events))
		if out.lines != events {
			t.Errorf("%d lines of %d", out.lines, events)
		}
	})
}

func TestCallsAreTimedOnceByWhatCameOfThem(t *testing.T) {
	t.Parallel()
	w := watch(t, figures{}, "")
	success, failure, dead := failedCall(), failedCall(), failedCall()
	success.Stage, success.CrmStatus = leadgatev1.Stage_STAGE_SUCCESS, 200
	failure.Stage, failure.CrmStatus = leadgatev1.Stage_STAGE_FAILURE, 400
	dead.Stage, dead.CrmStatus = leadgatev1.Stage_STAGE_DEAD, 400
	w.journal.Publish(lead(failedCall()), lead(success), lead(failure), lead(dead))
	w.expectMetrics(
		`leadgate_delivery_attempt_duration_seconds_count{destination="crm",outcome="retry"} 1`,
		`leadgate_delivery_attempt_duration_seconds_count{destination="crm",outcome="success"} 1`,
		`leadgate_delivery_attempt_duration_seconds_count{destination="crm",outcome="dead"} 1`,
		`leadgate_delivery_attempt_duration_seconds_sum{destination="crm",outcome="retry"} 0.214`,
	)
	if strings.Contains(w.metrics(), `outcome="failure"`) {
		t.Error("the call that ended with DEAD is timed twice")
	}
}

func TestTheReasonOfAFailureIsOneOfAFew(t *testing.T) {
	t.Parallel()
	w := watch(t, figures{}, "error")
	var want []string
	for status, reason := range map[int32]string{
		0: "no_answer", 207: "in_part", 400: "refused", 401: "credentials", 403: "credentials", 429: "rate_limited", 500: "unavailable", 503: "unavailable",
	} {
		event := failedCall()
		event.CrmStatus, event.Form, event.Error = status, fmt.Sprint("f", status), "never a label"
		w.journal.Publish(lead(event))
		want = append(want, fmt.Sprintf(`leadgate_events_total{destination="crm",form="f%d",reason=%q,stage="retry"} 1`, status, reason))
	}
	w.expectMetrics(want...)
}

func TestNamesThatAnybodyMayInventDoNotGrowTheMetrics(t *testing.T) {
	t.Parallel()
	w := watch(t, figures{}, "error")
	for i := range 5000 {
		w.journal.Publish(lead(&leadgatev1.LeadEvent{Stage: leadgatev1.Stage_STAGE_REJECTED, Form: fmt.Sprint("form-", i)}))
	}
	if n := strings.Count(w.metrics(), "\nleadgate_events_total{"); n != 201 {
		t.Errorf("%d series for 5000 names, want 200 and the others together", n)
	}
	w.expectMetrics(`leadgate_events_total{destination="",form="other",reason="",stage="rejected"} 4800`)
}

func TestFiguresOfTheStoreAreReadWhenAskedFor(t *testing.T) {
	t.Parallel()
	w := watch(t, figures{counts: map[string]store.Counts{
		"crm": {
			ByState: map[leadgatev1.DeliveryState]int64{
				leadgatev1.DeliveryState_DELIVERY_STATE_PENDING: 3, leadgatev1.DeliveryState_DELIVERY_STATE_RETRY_WAIT: 2, leadgatev1.DeliveryState_DELIVERY_STATE_DEAD: 1,
			},
			OldestWaiting: noon().Add(-90 * time.Second),
		},
	}}, "")
	w.expectMetrics(
		`leadgate_deliveries{destination="crm",state="pending"} 3`,
		`leadgate_deliveries{destination="crm",state="retry_wait"} 2`,
		`leadgate_deliveries{destination="crm",state="dead"} 1`,
		`leadgate_deliveries{destination="crm",state="held"} 0`,
		`leadgate_deliveries{destination="erp",state="pending"} 0`,
		`leadgate_oldest_waiting_seconds{destination="crm"} 90`,
		`leadgate_oldest_waiting_seconds{destination="erp"} 0`,
		`leadgate_store_writable 1`,
		`leadgate_store_free_bytes 5.36870912e+09`,
	)
}

func TestAFailingStoreDoesNotHideTheOtherMetrics(t *testing.T) {
	t.Parallel()
	w := watch(t, figures{failing: errors.New("the disk is gone"), refused: store.ErrUnavailable}, "")
	w.journal.Publish(lead(failedCall()))
	w.expectMetrics(`leadgate_store_writable 0`, `leadgate_events_total{destination="crm",form="contact",reason="unavailable",stage="retry"} 1`)
	if text := w.out.String(); !strings.Contains(text, "the disk is gone") {
		t.Errorf("nothing tells why figures are missing: %s", text)
	}
}

func TestDestinationsShowAsListDestinationsTellsThem(t *testing.T) {
	t.Parallel()
	w := watch(t, figures{}, "")
	w.expectMetrics(
		`leadgate_destination_status{destination="crm",status="paused"} 1`,
		`leadgate_destination_status{destination="crm",status="flowing"} 0`,
		`leadgate_destination_status{destination="erp",status="flowing"} 1`,
		`leadgate_destination_requests_per_second{destination="erp"} 7`,
		`leadgate_destination_requests_per_second_limit{destination="crm"} 10`,
		`leadgate_destination_rate_headroom_ratio{destination="crm"} 0.75`,
		`leadgate_destination_requests_left_today{destination="crm"} 120`,
		`leadgate_destination_requests_per_day_limit{destination="crm"} 500`,
	)
	if strings.Contains(w.metrics(), `headroom_ratio{destination="erp"}`) {
		t.Error("a destination without a limit has headroom")
	}
}

func TestDriftIsCountedByWhatItIsAbout(t *testing.T) {
	t.Parallel()
	w := watch(t, figures{}, "")
	w.expectMetrics(`leadgate_drifts{destination="crm",form=""} 2`, `leadgate_drifts{destination="",form="contact"} 1`)
}

func TestCommitsAndSpeedToLeadAreMeasured(t *testing.T) {
	t.Parallel()
	w := watch(t, figures{}, "")
	w.commits.Observe(3, 2*time.Millisecond)
	w.journal.Publish(lead(&leadgatev1.LeadEvent{Stage: leadgatev1.Stage_STAGE_SUCCESS, Form: "contact", Destination: "crm", SpeedToLead: durationpb.New(400 * time.Millisecond)}))
	w.expectMetrics(
		`leadgate_store_commit_calls_sum 3`, `leadgate_store_commit_duration_seconds_sum 0.002`,
		`leadgate_speed_to_lead_seconds_bucket{form="contact",le="0.25"} 0`, `leadgate_speed_to_lead_seconds_bucket{form="contact",le="0.5"} 1`,
	)
}

func TestFiringAlertsAreShownWithTheirRule(t *testing.T) {
	t.Parallel()
	w := watch(t, figures{}, "")
	w.alerts = []*leadgatev1.Alert{
		{Rule: "error_rate", Destination: "crm", State: leadgatev1.AlertState_ALERT_STATE_FIRING, Severity: leadgatev1.AlertSeverity_ALERT_SEVERITY_CRITICAL},
		{Rule: "dead", Destination: "crm", State: leadgatev1.AlertState_ALERT_STATE_RESOLVED},
	}
	w.expectMetrics(`leadgate_alert_firing{destination="crm",form="",rule="error_rate",severity="critical"} 1`)
	if strings.Contains(w.metrics(), `rule="dead"`) {
		t.Error("an alert that is over is shown")
	}
}

// silent is the stream of a watcher.
type silent struct {
	grpc.ServerStream
	leadgatev1.UnimplementedWorkerServiceServer
	opened, left chan struct{}
}

func (*silent) Send(*leadgatev1.WatchDeliveriesResponse) error { return nil }

func (s *silent) WatchDeliveries(*leadgatev1.WatchDeliveriesRequest, grpc.ServerStreamingServer[leadgatev1.WatchDeliveriesResponse]) error {
	close(s.opened)
	<-s.left
	return nil
}

func TestWatchersAreCountedWhileTheyWatch(t *testing.T) {
	t.Parallel()
	w := watch(t, figures{}, "")
	stream := &silent{opened: make(chan struct{}), left: make(chan struct{})}
	ended := make(chan error)
	go func() { ended <- w.Service(stream).WatchDeliveries(nil, stream) }()
	<-stream.opened
	w.expectMetrics("leadgate_watchers 1")
	close(stream.left)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	w.expectMetrics("leadgate_watchers 0")
}

func TestRejectedAndHeldSayWhyInOneWord(t *testing.T) {
	t.Parallel()
	w := watch(t, figures{}, "")
	w.journal.Publish(
		lead(&leadgatev1.LeadEvent{Stage: leadgatev1.Stage_STAGE_REJECTED, Form: "contact", Reason: "ORIGIN_NOT_ALLOWED", Error: "never a label"}),
		lead(&leadgatev1.LeadEvent{Stage: leadgatev1.Stage_STAGE_HELD, Form: "contact", Reason: "NO_ROUTE"}),
		lead(&leadgatev1.LeadEvent{Stage: leadgatev1.Stage_STAGE_DEAD, Form: "contact", Destination: "crm"}),
	)
	w.expectMetrics(
		`leadgate_events_total{destination="",form="contact",reason="origin_not_allowed",stage="rejected"} 1`,
		`leadgate_events_total{destination="",form="contact",reason="no_route",stage="held"} 1`,
		`leadgate_events_total{destination="crm",form="contact",reason="not_sent",stage="dead"} 1`,
	)
}

func TestMetricsKeepPrometheussCustoms(t *testing.T) {
	t.Parallel()
	w := watch(t, figures{counts: map[string]store.Counts{"crm": {}}}, "")
	w.journal.Publish(
		lead(failedCall()),
		&leadgatev1.Event{Kind: &leadgatev1.Event_Destination{Destination: &leadgatev1.DestinationEvent{Destination: "crm"}}},
		&leadgatev1.Event{Kind: &leadgatev1.Event_System{System: &leadgatev1.SystemEvent{}}},
	)
	text := w.metrics()
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	for _, name := range []string{
		`leadgate_build_info{goversion="go`, "go_goroutines ", "process_cpu_seconds_total ",
		`leadgate_destination_events_total{destination="crm",type="unspecified"} 1`, `leadgate_system_events_total{type="unspecified"} 1`,
		`leadgate_system_events_total{type="config_refused"} 0`,
	} {
		if !strings.Contains(text, "\n"+name) {
			t.Errorf("%s is missing", name)
		}
	}
}

func TestALoggerWritesJSONUnlessToldOtherwise(t *testing.T) {
	t.Parallel()
	year := fmt.Sprint(time.Now().UTC().Year())
	for _, test := range []struct{ format, level, want string }{
		{"", "", `{"time":"` + year + `-`}, {"json", "info", `{"time":"` + year + `-`}, {"text", "", " WRN a warning"}, {"text", "error", ""}, {"", "ERROR", ""},
	} {
		var out bytes.Buffer
		log := observe.NewLogger(&out, test.format, test.level).With("who", "test").WithGroup("g")
		log.Debug("never")
		log.Warn("a warning", "a", 1)
		if got := out.String(); !strings.Contains(got, test.want) || (got == "") != (test.want == "") || strings.Contains(got, "never") || strings.Contains(got, "\x1b") {
			t.Errorf("format %q, level %q: %s", test.format, test.level, got)
		}
	}
}

func TestPersonalDataShowsAsItIsOnlyWhereThatIsWanted(t *testing.T) {
	t.Parallel()
	j, out := journal.New(journal.Options{Now: noon}), &bytes.Buffer{}
	defer j.Close()
	reads, output := 0, observe.NewOutput(out)
	observer, err := observe.New(observe.Options{
		Journal: j, Store: figures{}, Logger: observe.NewLogger(output, "json", ""), Output: output, Now: noon,
		Lead: func(_ context.Context, id string) (*leadgatev1.LeadRecord, error) {
			reads++
			if id != "0193" {
				return nil, store.ErrNotFound
			}
			return &leadgatev1.LeadRecord{Lead: &leadgatev1.Lead{Email: "ada@example.com"}}, nil
		},
		Delivery: func(context.Context, string) (*leadgatev1.Delivery, error) {
			return &leadgatev1.Delivery{Attempts: []*leadgatev1.Attempt{{Number: 1, CrmBody: "no"}, {Number: 2, CrmBody: "ada@example.com is down"}}}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	observer.ShowPersonalData(true)
	event := failedCall()
	event.IdempotencyKey = "grace@example.org"
	unknown := failedCall()
	unknown.LeadId = "0194"
	j.Publish(lead(event), lead(event), lead(unknown))
	observer.Close()
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	for _, want := range []string{`"person":"ada@example.com"`, `"crm_body":"ada@example.com is down"`, `"idempotency_key":"grace@example.org"`} {
		if !strings.Contains(lines[1], want) {
			t.Errorf("%s is missing in %s", want, lines[1])
		}
	}
	if !strings.Contains(lines[2], `"person":"a***@example.com"`) || reads != 2 {
		t.Errorf("a lead that the store does not have: %s; %d reads", lines[2], reads)
	}
}
