package prepare_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/types/known/timestamppb"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/journal"
	"github.com/leadgate/leadgate/worker/prepare"
	"github.com/leadgate/leadgate/worker/store"
	"github.com/leadgate/leadgate/worker/store/badger"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// house is a preparer with a store, and fakes of everything that it asks. It runs in a synctest bubble.
type house struct {
	t        *testing.T
	dir      string
	store    *badger.Store
	journal  *journal.Journal
	preparer *prepare.Preparer
	config   prepare.Config

	mu       sync.Mutex
	answer   func(*http.Request) (status int, body string)
	takes    time.Duration // how long an answer takes
	requests []string
	mx       func(domain string) ([]*net.MX, error)
	hosts    func(domain string) ([]string, error)
	events   []*leadgatev1.Event
	stop     func()
}

func bubble(t *testing.T, config prepare.Config, test func(t *testing.T, h *house)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := &house{t: t, dir: t.TempDir(), config: config}
		h.open()
		defer func() { h.stop() }()
		test(t, h)
	})
}

func (h *house) open() {
	h.t.Helper()
	h.journal = journal.New(journal.Options{Now: time.Now})
	var err error
	h.store, err = badger.Open(badger.Options{Dir: h.dir, Now: time.Now, Publish: h.journal.Committed, SweepInterval: time.Hour})
	if err != nil {
		h.t.Fatal(err)
	}
	h.journal.Load(h.store.ID(), nil)
	untap := h.journal.Tap(func(events []*leadgatev1.Event) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.events = append(h.events, events...)
	})
	h.preparer = prepare.New(prepare.Options{Store: h.store, Journal: h.journal, Now: time.Now, Transport: h, Resolver: resolver{h}})
	h.apply(h.config)
	h.preparer.Start()
	h.stop = func() {
		h.preparer.Stop()
		if err := h.store.Close(); err != nil {
			h.t.Error(err)
		}
		untap()
		h.journal.Close()
	}
}

func (h *house) apply(config prepare.Config) {
	h.t.Helper()
	config.Secret = func(reference string) (string, error) { return "secret of " + reference, nil }
	use, err := h.preparer.Prepare(config)
	if err != nil {
		h.t.Fatal(err)
	}
	use()
}

// RoundTrip implements http.RoundTripper. It stands for every API.
func (h *house) RoundTrip(r *http.Request) (*http.Response, error) {
	body := ""
	if r.Body != nil {
		text, _ := io.ReadAll(r.Body)
		body = string(text)
	}
	h.mu.Lock()
	h.requests = append(h.requests, strings.TrimSpace(r.URL.String()+" "+r.Header.Get("Authorization")+" "+body))
	answer, takes := h.answer, h.takes
	h.mu.Unlock()
	select {
	case <-time.After(takes):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	if answer == nil {
		return nil, fmt.Errorf("nobody listens")
	}
	status, text := answer(r)
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(text)), Request: r}, nil
}

func (h *house) asked() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.requests
}

func (h *house) answers(takes time.Duration, status int, body string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.takes, h.answer = takes, func(*http.Request) (int, string) { return status, body }
}

type resolver struct{ h *house }

func (r resolver) LookupMX(_ context.Context, domain string) ([]*net.MX, error) {
	return r.h.mx(domain)
}
func (r resolver) LookupHost(_ context.Context, domain string) ([]string, error) {
	return r.h.hosts(domain)
}

// accept accepts a lead as the server does, and returns its identifier.
func (h *house) accept(lead *leadgatev1.Lead, fields ...*leadgatev1.Submission_Field) string {
	h.t.Helper()
	if lead.Source == nil {
		lead.Source = &leadgatev1.Source{}
	}
	lead.Source.Form = "contact"
	id := uuid.Must(uuid.NewV7()).String()
	acceptance := &store.Acceptance{
		Record: &leadgatev1.LeadRecord{
			LeadId: id, State: leadgatev1.LeadState_LEAD_STATE_OPEN, CreateTime: timestamppb.Now(), Lead: lead,
			Submission: &leadgatev1.Submission{Fields: fields, Address: lead.GetSource().GetIp()},
		},
		Destinations: []string{"crm"},
	}
	wait := h.preparer.Wants("contact", lead)
	if wait > 0 {
		acceptance.NotBefore = time.Now().Add(wait)
	}
	results, err := h.store.Accept(h.t.Context(), acceptance)
	if err != nil || results[0].Err != nil {
		h.t.Fatal(err, results)
	}
	if wait > 0 {
		h.preparer.Take(id)
	}
	return id
}

func (h *house) record(id string) *leadgatev1.LeadRecord {
	h.t.Helper()
	record, err := h.store.Lead(h.t.Context(), id)
	if err != nil {
		h.t.Fatal(err)
	}
	return record
}

// due claims the deliveries that are due, without settling them, and returns their leads.
func (h *house) due() []string {
	h.t.Helper()
	claims, err := h.store.Claim(h.t.Context(), "crm", 100)
	if err != nil {
		h.t.Fatal(err)
	}
	var ids []string
	for _, claim := range claims.Items {
		ids = append(ids, claim.Delivery.GetLeadId())
	}
	return ids
}

// rest lets time pass, and then waits until all goroutines are idle.
func (h *house) rest(d time.Duration) {
	time.Sleep(d) // on the bubble's clock
	synctest.Wait()
}

// prepared returns the detail of the event that ends the preparation of a lead; empty if there is none yet.
func (h *house) prepared(id string) string {
	synctest.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, event := range h.events {
		if e := event.GetLead(); e.GetLeadId() == id && e.GetStage() == leadgatev1.Stage_STAGE_PREPARED {
			return "prepared: " + e.GetDetail()
		}
	}
	return ""
}

func (h *house) failures() []string {
	synctest.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	var failures []string
	for _, event := range h.events {
		if e := event.GetSystem(); e.GetType() == leadgatev1.SystemEventType_SYSTEM_EVENT_TYPE_PREPARE_FAILED {
			failures = append(failures, e.GetDetail())
		}
	}
	return failures
}

// places writes a MaxMind database that maps a network to a city.
func places(t *testing.T, path, city string) {
	t.Helper()
	tree, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: "GeoLite2-City"})
	if err != nil {
		t.Fatal(err)
	}
	names := func(name string) mmdbtype.Map {
		return mmdbtype.Map{"names": mmdbtype.Map{"en": mmdbtype.String(name), "de": mmdbtype.String("falsch")}}
	}
	_, network, err := net.ParseCIDR("81.2.69.0/24")
	if err != nil {
		t.Fatal(err)
	}
	record := mmdbtype.Map{
		"country": mmdbtype.Map{"iso_code": mmdbtype.String("GB")}, "subdivisions": mmdbtype.Slice{names("England")}, "city": names(city),
	}
	if err := tree.Insert(network, record); err != nil {
		t.Fatal(err)
	}
	file, err := os.CreateTemp(filepath.Dir(path), "places")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tree.WriteTo(file); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file.Name(), path); err != nil {
		t.Fatal(err)
	}
}

func companyConfig(change func(*configv1.Company)) prepare.Config {
	cfg := &configv1.Company{
		Url: "https://company.example/find?domain={domain}", Auth: &configv1.CompanyAuth{Kind: &configv1.CompanyAuth_Bearer{Bearer: "key"}},
		RequestsPerSecond: 1000,
	}
	if change != nil {
		change(cfg)
	}
	return prepare.Config{Enrich: &configv1.Enrich{Company: cfg}}
}
