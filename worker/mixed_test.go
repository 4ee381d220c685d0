package worker_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/crm/simulator"
	"github.com/leadgate/leadgate/worker/crm/simulator/dynamics"
	api "github.com/leadgate/leadgate/worker/crm/simulator/http"
	"github.com/leadgate/leadgate/worker/crm/simulator/hubspot"
	"github.com/leadgate/leadgate/worker/crm/simulator/pipedrive"
	"github.com/leadgate/leadgate/worker/crm/simulator/salesforce"
	"github.com/leadgate/leadgate/worker/crm/simulator/zoho"
)

const (
	fewLeads  = 300
	soakLeads = 10_000
	// mixedRate is the pace of the mixed tests, in requests per second.
	mixedRate = 20
	// crmAddress is the simulated CRM's address on the wire.
	crmAddress = "http://crm.example"
)

// simulated is a simulated CRM.
type simulated interface {
	http.Handler
	SetFaults(simulator.Faults)
	Contacts() any
	Requests() []simulator.Request
}

// mixedKind is a kind of CRM in the mixed tests.
type mixedKind struct {
	crm         func() simulated
	destination *configv1.Destination // without limits
	email, name string                // a record's properties with these meanings
	// records means that each lead becomes a record; otherwise each person does.
	records bool
	// undecided means that a lead may end up HELD, because it is unknown whether the CRM has it.
	undecided bool
	// midnight means that after the last call of a day the next one waits for midnight. It is tested only once, in the long form.
	midnight bool
}

func mixedKinds() map[string]mixedKind {
	http := func(cfg *configv1.HTTP) *configv1.Destination {
		cfg.Url, cfg.PingUrl, cfg.RecordId = crmAddress+"/leads", crmAddress+"/health", "/id"
		return &configv1.Destination{
			Kind:       &configv1.Destination_Http{Http: cfg},
			Properties: map[string]string{"mail": "email", "first": "first_name"},
		}
	}
	webAPI := func() simulated { return api.New(api.Options{Seed: 7, Token: "t"}) }
	bearer := &configv1.HTTPAuth{Kind: &configv1.HTTPAuth_Bearer{Bearer: "t"}}
	dynamicsKind := func(key string) *configv1.Destination {
		return &configv1.Destination{Kind: &configv1.Destination_Dynamics{Dynamics: &configv1.Dynamics{
			Url: crmAddress, LoginUrl: crmAddress, Tenant: "t", ClientId: "c", ClientSecret: "s", Key: key,
		}}}
	}
	return map[string]mixedKind{
		"hubspot": {
			crm: func() simulated { return hubspot.New(hubspot.Options{Seed: 7, TenSecondly: -1, Daily: -1}) },
			destination: &configv1.Destination{
				Kind: &configv1.Destination_Hubspot{Hubspot: &configv1.HubSpot{Token: "t", BaseUrl: crmAddress}},
			},
			email: "email", name: "firstname", midnight: true,
		},
		"hubspot one by one": {
			crm: func() simulated { return hubspot.New(hubspot.Options{Seed: 8, TenSecondly: -1, Daily: -1}) },
			destination: &configv1.Destination{
				Kind: &configv1.Destination_Hubspot{Hubspot: &configv1.HubSpot{Token: "t", BaseUrl: crmAddress, Mode: "patch"}},
			},
			email: "email", name: "firstname", midnight: true,
		},
		"salesforce": {
			crm: func() simulated {
				return salesforce.New(salesforce.Options{Seed: 7, Daily: -1, SessionLife: time.Hour})
			},
			destination: &configv1.Destination{
				Kind: &configv1.Destination_Salesforce{Salesforce: &configv1.Salesforce{
					Url: crmAddress, Auth: &configv1.Salesforce_ClientCredentials{
						ClientCredentials: &configv1.SalesforceClientCredentials{ClientId: "c", ClientSecret: "s"},
					},
				}},
			},
			email: "Email", name: "FirstName",
		},
		"pipedrive": {
			crm: func() simulated {
				return pipedrive.New(pipedrive.Options{Seed: 7, Daily: -1, Burst: -1, Searches: -1, SearchLag: 30 * time.Second})
			},
			destination: &configv1.Destination{
				Kind: &configv1.Destination_Pipedrive{Pipedrive: &configv1.Pipedrive{
					BaseUrl: crmAddress, Auth: &configv1.Pipedrive_ApiToken{ApiToken: "t"},
				}},
				Properties: map[string]string{"person.email": "email", "person.first_name": "first_name", "lead.title": "first_name"},
			},
			name: "title", records: true, undecided: true,
		},
		"zoho": {
			crm: func() simulated { return zoho.New(zoho.Options{Seed: 7, Credits: -1}) },
			destination: &configv1.Destination{
				Kind: &configv1.Destination_Zoho{Zoho: &configv1.Zoho{AccountsUrl: crmAddress, ClientId: "c", ClientSecret: "s", RefreshToken: "r"}},
			},
			email: "Email", name: "First_Name",
		},
		"dynamics": {
			crm:         func() simulated { return dynamics.New(dynamics.Options{Seed: 7, Requests: -1}) },
			destination: dynamicsKind(""), email: "emailaddress1", name: "firstname",
		},
		"dynamics by key": {
			crm:         func() simulated { return dynamics.New(dynamics.Options{Seed: 8, Requests: -1}) },
			destination: dynamicsKind("new_gatewaykey"), email: "emailaddress1", name: "firstname",
		},
		"http": {crm: webAPI, destination: http(&configv1.HTTP{Auth: bearer}), email: "mail", name: "first", records: true},
		"http in batches": {
			crm: webAPI,
			destination: http(&configv1.HTTP{
				Auth: bearer, Batch: &configv1.HTTPBatch{MaxLeads: 20, Results: "/results"}, IdempotencyField: "request_id",
				SuccessWhen: "item.ok == true", Rules: []*configv1.HTTPRule{{When: `item.error == "invalid_lead"`, Is: "refused"}},
			}),
			email: "mail", name: "first", records: true,
		},
	}
}

// TestSoakLeadsEndExactlyOnceWhateverBreaks sends leads, several of most persons, through the whole worker to a simulated CRM of
// each kind, which fails at random in every way that the simulators support, with a restart in the middle. It runs on a bubble's
// clock, so that days of waiting cost nothing. Whatever happens:
//
//   - each lead is in the CRM exactly once, or is DEAD because the CRM refused it, in the CRM's own words;
//   - what the CRM gets for a person is never older than what it got before, and ends with what was accepted last;
//   - the CRM never gets more requests in a second than are allowed.
func TestSoakLeadsEndExactlyOnceWhateverBreaks(t *testing.T) {
	t.Parallel()
	n := fewLeads
	if soaking() {
		n = soakLeads
	}
	for name, kind := range mixedKinds() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m := newMixed(t, kind)
				m.deliver(n)
				m.check()
			})
		})
	}
}

// soaking reports whether the long form was asked for.
func soaking() bool { return os.Getenv("LEADGATE_SOAK") != "" }

// mixed is a walk to a failing CRM.
type mixed struct {
	*walk
	kind   mixedKind
	crm    simulated
	door   *door
	leads  []lead // in the order of acceptance; their names count from 0
	ids    []string
	befell map[string]bool // faults seen
}

func newMixed(t *testing.T, kind mixedKind) *mixed {
	t.Helper()
	m := &mixed{kind: kind, crm: kind.crm(), befell: map[string]bool{}}
	m.door = &door{t: t, crm: m.crm, newest: map[string]int{}}
	destination := kind.destination
	destination.Limits = &configv1.Limits{Concurrency: 4, RequestsPerSecond: mixedRate, BatchSize: 5}
	m.walk = newWalk(t, destination)
	wire := newWire()
	transport := &http.Transport{DialContext: wire.dial, DisableCompression: true}
	m.transport = transport
	server := &http.Server{Handler: m.door}
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_ = server.Serve(wire) // returns when closed
	}()
	t.Cleanup(func() {
		m.stop()
		transport.CloseIdleConnections()
		server.Close()
		<-gone
	})
	return m
}

// deliver accepts n leads, a few at a time, and returns when nothing is left to do.
func (m *mixed) deliver(n int) {
	m.t.Helper()
	random := rand.New(rand.NewPCG(7, 11))
	// After the last call of a day hours pass, which keep a store busy. So this fault is rarer than the others.
	others := slices.DeleteFunc(simulator.Kinds(), func(kind simulator.Kind) bool { return kind == simulator.KindDaily })
	mix := simulator.Faults{FailRate: 0.25, Kinds: slices.Repeat(others, max(5, n/1000))}
	if !m.kind.midnight {
		mix.Kinds = append(mix.Kinds, simulator.KindDaily)
	}
	m.crm.SetFaults(mix)
	m.start()
	for len(m.leads) < n {
		var leads []lead
		for range min(1+random.IntN(40), n-len(m.leads)) {
			leads = append(leads, lead{
				email: fmt.Sprintf("p%d@example.com", random.IntN(n/3)),
				name:  fmt.Sprintf("Ada%06d", len(m.leads)+len(leads)),
			})
		}
		m.leads = append(m.leads, leads...)
		m.door.expect(m.leads)
		m.ids = append(m.ids, m.accept(leads...)...)
		time.Sleep(time.Duration(random.Int64N(int64(2 * time.Second)))) // on the bubble's clock, as below
		if len(m.leads) > n/2 && m.restarts == 0 {
			m.restart()
			if soaking() && m.kind.midnight {
				m.crm.SetFaults(simulator.Faults{Kind: simulator.KindDaily, Times: 1})
				time.Sleep(time.Minute)
				m.note()
				m.crm.SetFaults(mix)
			}
		}
	}
	const patience = 400 * 24 * time.Hour
	for began := time.Now(); ; time.Sleep(time.Minute) {
		by := m.counts()
		if by[pending]+by[inFlight]+by[retryWait] == 0 {
			break
		}
		if time.Since(began) > patience {
			m.t.Fatalf("not all ended: %v", by)
		}
		m.note()
	}
	m.note()
}

func (m *mixed) counts() map[leadgatev1.DeliveryState]int64 {
	m.t.Helper()
	counts, err := m.store.Counts(m.t.Context())
	if err != nil {
		m.t.Fatal(err)
	}
	return counts["crm"].ByState
}

// note records the faults of the requests that the CRM remembers.
func (m *mixed) note() {
	for _, r := range m.crm.Requests() {
		m.befell[r.Fault] = true
	}
}

// ended says how a lead ended.
type ended struct {
	state leadgatev1.DeliveryState
	// unknown means that the CRM may have the lead anyway, because an answer was lost.
	unknown bool
}

func (m *mixed) check() {
	m.t.Helper()
	var ends []ended
	by := map[leadgatev1.DeliveryState]int{}
	for i, id := range m.ids {
		e := m.ended(id)
		by[e.state]++
		if e.state != done && e.state != dead && (e.state != leadgatev1.DeliveryState_DELIVERY_STATE_HELD || !m.kind.undecided) {
			m.t.Errorf("%s ended %v", m.leads[i].name, e.state)
		}
		ends = append(ends, e)
	}
	m.t.Logf("%d leads ended %v; %d requests, %d kinds of faults", len(ends), by, len(m.door.came), len(m.befell)-1)
	if by[dead] > len(ends)/10 {
		m.t.Errorf("%d of %d leads are dead", by[dead], len(ends))
	}
	if m.kind.records {
		m.checkRecords(ends)
	} else {
		m.checkPersons(ends)
	}
	m.door.checkPace()
	if soaking() {
		for _, kind := range simulator.Kinds() {
			if !m.befell[string(kind)] {
				m.t.Errorf("%s befell no call", kind)
			}
		}
	}
}

func (m *mixed) ended(leadID string) ended {
	m.t.Helper()
	d, err := m.store.Delivery(m.t.Context(), leadID+".crm")
	if err != nil {
		m.t.Fatal(err)
	}
	attempts := d.GetAttempts()
	if d.GetState() == dead {
		if last := attempts[len(attempts)-1]; last.GetOutcome() != leadgatev1.AttemptOutcome_ATTEMPT_OUTCOME_REFUSED || d.GetReason() == "" {
			m.t.Errorf("a lead is dead because %q, after an attempt that ended %v", d.GetReason(), last.GetOutcome())
		}
	}
	return ended{d.GetState(), slices.ContainsFunc(attempts, func(a *leadgatev1.Attempt) bool {
		return a.GetOutcome() == leadgatev1.AttemptOutcome_ATTEMPT_OUTCOME_UNKNOWN
	})}
}

// properties returns the properties of the CRM's records.
func (m *mixed) properties() []map[string]any {
	m.t.Helper()
	var records []struct{ Properties map[string]any }
	encoded, err := json.Marshal(m.crm.Contacts())
	if err == nil {
		err = json.Unmarshal(encoded, &records)
	}
	if err != nil {
		m.t.Fatal(err)
	}
	var all []map[string]any
	for _, r := range records {
		all = append(all, r.Properties)
	}
	return all
}

// checkRecords checks that every lead is one record.
func (m *mixed) checkRecords(ends []ended) {
	m.t.Helper()
	times := map[string]int{}
	for _, r := range m.properties() {
		times[fmt.Sprint(r[m.kind.name])]++
	}
	for i, e := range ends {
		name := m.leads[i].name
		if n := times[name]; e.state == done && n != 1 || n > 1 || n == 1 && e.state != done && !e.unknown {
			m.t.Errorf("%s ended %v and is %d records", name, e.state, n)
		}
		delete(times, name)
	}
	for name := range times {
		m.t.Errorf("a record %s is nobody's", name)
	}
}

// checkPersons checks that every person is one record, with what was accepted last.
func (m *mixed) checkPersons(ends []ended) {
	m.t.Helper()
	// What a person's record may contain: what was delivered last, or what the CRM may have accepted after that.
	possible := map[string][]string{}
	delivered := map[string]bool{}
	for i, e := range ends {
		l := m.leads[i]
		switch {
		case e.state == done:
			possible[l.email], delivered[l.email] = []string{l.name}, true
		case e.unknown:
			possible[l.email] = append(possible[l.email], l.name)
		}
	}
	seen := map[string]bool{}
	for _, r := range m.properties() {
		email, name := fmt.Sprint(r[m.kind.email]), fmt.Sprint(r[m.kind.name])
		if seen[email] {
			m.t.Errorf("%s has two records", email)
		}
		if !slices.Contains(possible[email], name) {
			m.t.Errorf("%s ended with %s, want one of %v", email, name, possible[email])
		}
		seen[email] = true
	}
	for email := range delivered {
		if !seen[email] {
			m.t.Errorf("%s has no record", email)
		}
	}
}

// door is a proxy in front of a CRM that checks the order of what passes through.
type door struct {
	t   *testing.T
	crm http.Handler

	mu     sync.Mutex
	leads  []lead
	came   []time.Time
	newest map[string]int // number of the newest lead received, by person
}

var namePattern = regexp.MustCompile(`Ada(\d{6})`)

func (d *door) expect(leads []lead) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.leads = leads
}

// ServeHTTP implements http.Handler.
func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	d.see(body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	d.crm.ServeHTTP(w, r)
}

func (d *door) see(body []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.came = append(d.came, time.Now())
	inBody := map[string]string{}
	for _, match := range namePattern.FindAllSubmatch(body, -1) {
		number, _ := strconv.Atoi(string(match[1]))
		l := d.leads[number]
		if other, ok := inBody[l.email]; ok && other != l.name {
			d.t.Errorf("%s and %s of one person came together", other, l.name)
		}
		inBody[l.email] = l.name
		if newest := d.newest[l.email]; number < newest {
			d.t.Errorf("%s of %s came after %s", l.name, l.email, d.leads[newest].name)
		}
		d.newest[l.email] = max(d.newest[l.email], number)
	}
}

func (d *door) requests() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.came)
}

// checkPace checks that no second had more requests than allowed.
func (d *door) checkPace() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range len(d.came) - mixedRate {
		if gap := d.came[i+mixedRate].Sub(d.came[i]); gap < time.Second {
			d.t.Errorf("%d requests came within %v", mixedRate+1, gap)
		}
	}
}

// wire is an in-memory network with one server, on which a bubble's clock stands still while anything is in progress.
type wire struct {
	dialled chan net.Conn
	cut     chan struct{}
	once    sync.Once
}

func newWire() *wire { return &wire{dialled: make(chan net.Conn), cut: make(chan struct{})} }

func (w *wire) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case w.dialled <- there:
		return here, nil
	case <-w.cut:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept implements net.Listener.
func (w *wire) Accept() (net.Conn, error) {
	select {
	case conn := <-w.dialled:
		return conn, nil
	case <-w.cut:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (w *wire) Close() error {
	w.once.Do(func() { close(w.cut) })
	return nil
}

// Addr implements net.Listener.
func (w *wire) Addr() net.Addr { return &net.TCPAddr{} }
