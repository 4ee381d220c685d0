package hubspot_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/crm/hubspot"
	"github.com/leadgate/leadgate/worker/crm/simulator"
	simulated "github.com/leadgate/leadgate/worker/crm/simulator/hubspot"
)

func (r *rig) fillBlanks(payloads ...string) []crm.Outcome {
	r.t.Helper()
	var items []crm.Item
	for i, payload := range payloads {
		items = append(items, crm.Item{IdempotencyValue: fmt.Sprintf("b%d.crm-1", i), Payload: []byte(payload)})
	}
	return r.destination.Deliver(r.t.Context(), items, leadgatev1.DeliveryMode_DELIVERY_MODE_FILL_BLANKS)
}

func (a account) of(email string) map[string]string {
	for _, c := range a.contacts() {
		if c.Properties["email"] == email {
			return c.Properties
		}
	}
	return nil
}

func TestFillingInBlanksOverwritesNothing(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"", "patch"} {
		sim := account{simulated.New(simulated.Options{Now: func() time.Time { return noon }, TenSecondly: -1})}
		r := newRigWith(t, sim, &configv1.HubSpot{Token: "pat-na1-token", Mode: mode})
		r.deliver(`{"email":"ada@example.com","firstname":"New","company":"Engines"}`)
		outcomes := r.fillBlanks(`{"email":"Ada@Example.com","firstname":"Old","company":"Old","phone":"+14155550132"}`)
		if mode == "" {
			outcomes = append(outcomes, r.fillBlanks(`{"email":"eve@example.com","firstname":"Eve"}`, `{"email":"ada@example.com","firstname":"Older"}`)...)
		}
		for i, outcome := range outcomes {
			if outcome.Kind != crm.Delivered || outcome.RecordID == "" {
				t.Errorf("mode %q: lead %d ended as %+v", mode, i, outcome)
			}
		}
		if got := sim.of("ada@example.com"); got["firstname"] != "New" || got["company"] != "Engines" || got["phone"] != "+14155550132" {
			t.Errorf("mode %q: the contact is %v", mode, got)
		}
		if mode == "" && sim.of("eve@example.com")["firstname"] != "Eve" {
			t.Errorf("a contact that was not there is %v", sim.of("eve@example.com"))
		}
	}
}

func TestWhereBlanksCannotBeReadNothingIsWritten(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]crm.OutcomeKind{500: crm.Retry, 401: crm.CredentialsRefused, 429: crm.RateLimited, 400: crm.Retry} {
		r := answering(t, status, `{"category":"VALIDATION_ERROR"}`)
		for i, outcome := range r.fillBlanks(ada, grace) {
			if outcome.Kind != want {
				t.Errorf("after %d lead %d ended as %+v", status, i, outcome)
			}
		}
		if n := len(r.sent()); n != 1 {
			t.Errorf("after %d: %d calls", status, n)
		}
	}
}

func TestPatchUpdatesAndCreatesWithoutARace(t *testing.T) {
	t.Parallel()
	sim := account{simulated.New(simulated.Options{Now: func() time.Time { return noon }, TenSecondly: -1})}
	var race atomic.Bool
	r := newRigWith(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.Method == http.MethodPost && race.CompareAndSwap(true, false) { // somebody else is faster
			create := strings.NewReader(`{"properties":{"email":"ada@example.com","city":"London"},"associations":[]}`)
			other := httptest.NewRequest(http.MethodPost, req.URL.Path, create)
			other.Header = req.Header.Clone()
			other.Header.Del("Content-Length")
			sim.ServeHTTP(httptest.NewRecorder(), other)
		}
		sim.ServeHTTP(w, req)
	}), &configv1.HubSpot{Token: "pat-na1-token", Mode: "patch"})
	race.Store(true)
	for range 2 {
		if outcome := r.deliver(ada)[0]; outcome.Kind != crm.Delivered || outcome.RecordID == "" {
			t.Errorf("ended as %+v", outcome)
		}
	}
	if got := sim.of("ada@example.com"); sim.Records() != 1 || got["firstname"] != "Ada" || got["city"] != "London" {
		t.Errorf("%d contacts, %v", sim.Records(), got)
	}
	if traits := r.destination.Traits(); traits.MaxBatch != 1 {
		t.Errorf("traits are %+v", traits)
	}
}

func TestContactsAreToldApartByTheConfiguredProperty(t *testing.T) {
	t.Parallel()
	sim := account{simulated.New(simulated.Options{Now: func() time.Time { return noon }, TenSecondly: -1})}
	r := newRigWith(t, sim, &configv1.HubSpot{Token: "pat-na1-token", IdProperty: "visitor_id"})
	post(t, r.base+"/crm/v3/properties/contacts", `{"name":"visitor_id","label":"Visitor","type":"string","fieldType":"text","groupName":"contactinformation","hasUniqueValue":true}`, http.StatusCreated)
	for range 2 {
		for i, outcome := range r.deliver(`{"visitor_id":"v1","firstname":"Ada","phone":"+14155550132"}`, grace) {
			if outcome.Kind != crm.Delivered || outcome.RecordID == "" {
				t.Errorf("lead %d ended as %+v", i, outcome)
			}
		}
	}
	if n := sim.Records(); n != 2 {
		t.Errorf("%d contacts, want one by visitor and one by address", n)
	}
}

func TestWithoutThePropertyThatContactsAreToldApartByLeadsWait(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"", "patch"} {
		sim := account{simulated.New(simulated.Options{Now: func() time.Time { return noon }, TenSecondly: -1})}
		r := newRigWith(t, sim, &configv1.HubSpot{Token: "pat-na1-token", IdProperty: "visitor_id", Mode: mode})
		payloads := []string{`{"visitor_id":"v1","email":"ada@example.com"}`, `{"visitor_id":"v2","email":"grace@example.com"}`}
		for n := 1; n <= r.destination.Traits().MaxBatch && n <= len(payloads); n++ {
			for i, outcome := range append(r.deliver(payloads[:n]...), r.fillBlanks(payloads[:n]...)...) {
				if outcome.Kind != crm.Retry {
					t.Errorf("mode %q: lead %d of %d ended as %+v", mode, i, n, outcome)
				}
				if outcome.Kind == crm.Retry && i < n && !strings.Contains(outcome.Reason, "hubspot.id_property") {
					t.Errorf("mode %q: the reason is %q", mode, outcome.Reason)
				}
			}
		}
		if n := sim.Records(); n != 0 {
			t.Errorf("mode %q: %d contacts", mode, n)
		}
	}
}

func post(t *testing.T, address, body string, want int) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer pat-na1-token")
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != want {
		t.Fatalf("%s: %s", address, res.Status)
	}
}

func TestTokensOfAPublicAppAreRenewedByTheClockAndOnceWhenRefused(t *testing.T) {
	t.Parallel()
	now := atomic.Pointer[time.Time]{}
	now.Store(&noon)
	clock := func() time.Time { return *now.Load() }
	pass := func(d time.Duration) { later := clock().Add(d); now.Store(&later) }
	sim := simulated.New(simulated.Options{Now: clock, TenSecondly: -1, RefreshToken: "r-1", ClientSecret: "s-1"})
	server := httptest.NewServer(sim)
	defer server.Close()
	d, err := hubspot.New(&configv1.HubSpot{
		BaseUrl: server.URL, Oauth: &configv1.HubSpotOAuth{ClientId: "app", ClientSecret: "s-1", RefreshToken: "r-1"},
	}, crm.Environment{
		Client: server.Client(), Now: clock, Secret: func(value string) (string, error) { return value, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	expect := func(want crm.OutcomeKind) {
		t.Helper()
		outcome := d.Deliver(t.Context(), []crm.Item{{Email: "ada@example.com", Payload: []byte(ada)}}, leadgatev1.DeliveryMode_DELIVERY_MODE_UPSERT)[0]
		if outcome.Kind != want || strings.Contains(outcome.Reason+outcome.Body, "s-1") {
			t.Errorf("ended as %+v", outcome)
		}
	}
	expect(crm.Delivered)
	pass(time.Hour) // the token has expired, by the clock
	expect(crm.Delivered)
	pass(2 * time.Minute)
	post(t, server.URL+"/_sim/tokens", `{"expire":true}`, http.StatusNoContent)
	expect(crm.Delivered)
	post(t, server.URL+"/_sim/tokens", `{"revoke":true}`, http.StatusNoContent)
	pass(2 * time.Minute)
	expect(crm.CredentialsRefused)
}

// mergeAda merges Ada into Grace.
func mergeAda(t *testing.T, sim account) {
	t.Helper()
	merged := httptest.NewRecorder()
	sim.ServeHTTP(merged, httptest.NewRequest(http.MethodPost, "/_sim/merge", strings.NewReader(`{"from":"ada@example.com","into":"grace@example.com"}`)))
	if merged.Code != http.StatusNoContent {
		t.Fatal(merged.Body)
	}
}

func TestAnAddressOfAMergedContactReachesIt(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		mode    string
		options simulated.Options
		read    bool // read the schema first, which discovers such contacts
	}{
		"upsert":            {},
		"moves":             {options: simulated.Options{MergedMoves: true}, read: true},
		"moves, untraced":   {options: simulated.Options{MergedMoves: true, Untraced: true}, read: true},
		"conflict, read":    {options: simulated.Options{MergedConflicts: true}, read: true},
		"upsert, no traces": {options: simulated.Options{Untraced: true}},
		"conflict":          {options: simulated.Options{MergedConflicts: true}},
		"patch":             {mode: "patch"},
	} {
		test.options.Now, test.options.TenSecondly = func() time.Time { return noon }, -1
		sim := account{simulated.New(test.options)}
		r := newRigWith(t, sim, &configv1.HubSpot{Token: "pat-na1-token", Mode: test.mode})
		r.deliver(ada)
		into := r.deliver(grace)[0].RecordID
		mergeAda(t, sim)
		if test.read {
			if _, outcome := r.destination.Schema(t.Context()); outcome.Kind != crm.Delivered {
				t.Fatalf("%s: the properties ended as %+v", name, outcome)
			}
		}
		var outcomes []crm.Outcome
		if test.mode == "" && !test.options.Untraced { // in a batch, then alone
			outcomes = r.deliver(mary, `{"email":"ada@example.com","company":"Engines"}`)[1:]
		}
		outcomes = append(outcomes, r.deliver(`{"email":"ada@example.com","company":"Engines"}`)...)
		for _, outcome := range outcomes {
			if outcome.Kind != crm.Delivered || outcome.RecordID != into {
				t.Errorf("%s: ended as %+v, want it delivered to %s", name, outcome, into)
			}
		}
		if outcomes := r.fillBlanks(`{"email":"ada@example.com","company":"Old"}`, mary); outcomes[0].Kind != crm.Split {
			t.Errorf("%s: filling in blanks in a batch ended as %+v", name, outcomes)
		}
		if outcome := r.fillBlanks(`{"email":"ada@example.com","company":"Old"}`)[0]; outcome.Kind != crm.Delivered || outcome.RecordID != into {
			t.Errorf("%s: filling in blanks ended as %+v", name, outcome)
		}
		if has := sim.of("grace@example.com"); has["company"] != "Engines" || has["hs_additional_emails"] != "ada@example.com" {
			t.Errorf("%s: contacts are %v", name, sim.contacts())
		}
	}
	other := answering(t, 200, `{"id":"9","results":[{"id":"7","properties":{"email":"eve@example.com"}}]}`).deliver(ada)[0]
	if other.Kind != crm.Unknown {
		t.Errorf("an answer about somebody else ended as %+v", other)
	}
}

func TestBatchesAreReadFirstWhereContactsHaveSeveralAddresses(t *testing.T) {
	t.Parallel()
	r, sim := simulating(t)
	expectCalls := func(before int, want ...string) {
		t.Helper()
		var got []string
		for _, c := range r.sent()[before:] {
			got = append(got, strings.TrimPrefix(strings.TrimPrefix(c.path, "POST "), "/crm/v3/objects/contacts"))
		}
		if !slices.Equal(got, want) {
			t.Errorf("called %q, want %q", got, want)
		}
	}
	readProperties := func() {
		t.Helper()
		if _, outcome := r.destination.Schema(t.Context()); outcome.Kind != crm.Delivered {
			t.Fatalf("ended as %+v", outcome)
		}
	}
	readProperties()
	r.deliver(ada, grace)
	expectCalls(2, "/batch/upsert")
	mergeAda(t, sim)
	readProperties()
	before := len(r.sent())
	for i, outcome := range r.deliver(mary, ada) {
		if outcome.Kind != crm.Delivered || outcome.RecordID != []string{sim.RecordID("mary@example.com"), sim.RecordID("grace@example.com")}[i] {
			t.Errorf("lead %d ended as %+v", i, outcome)
		}
	}
	expectCalls(before, "/batch/read", "/batch/upsert", "PATCH /crm/v3/objects/contacts/"+sim.RecordID("grace@example.com"))

	before = len(r.sent())
	sim.SetFaults(simulator.Faults{Kind: simulator.KindBurst, Path: "upsert", Times: 1})
	for i, outcome := range r.deliver(mary, ada) { // nothing more is sent after HubSpot asks for a pause
		if outcome.Kind != crm.RateLimited {
			t.Errorf("lead %d ended as %+v", i, outcome)
		}
	}
	expectCalls(before, "/batch/read", "/batch/upsert")

	before = len(r.sent())
	sim.SetFaults(simulator.Faults{Kind: simulator.KindBurst, Path: "batch/read", Times: 1})
	for i, outcome := range r.deliver(mary, ada) {
		if outcome.Kind != crm.RateLimited || outcome.After == 0 {
			t.Errorf("lead %d ended as %+v", i, outcome)
		}
	}
	expectCalls(before, "/batch/read")

	before = len(r.sent())
	sim.SetFaults(simulator.Faults{Status: http.StatusForbidden, Path: "batch/read"})
	for i, outcome := range r.deliver(mary, ada) { // the token lacks the permission
		if outcome.Kind != crm.Delivered {
			t.Errorf("lead %d ended as %+v", i, outcome)
		}
	}
	expectCalls(before, "/batch/read", "/batch/upsert")
}

func TestTheVersionOfTheAPIIsASetting(t *testing.T) {
	t.Parallel()
	for version, path := range map[string]string{
		"": "/crm/v3/objects/contacts", "v3": "/crm/v3/objects/contacts", "2026-03": "/crm/objects/2026-03/contacts", "2026-09": "/crm/objects/2026-09/contacts",
	} {
		for _, mode := range []string{"", "patch"} {
			sim := simulated.New(simulated.Options{Now: func() time.Time { return noon }, TenSecondly: -1})
			r := newRigWith(t, sim, &configv1.HubSpot{Token: "pat-na1-token", Mode: mode, ApiVersion: version})
			outcomes := append(r.deliver(ada), r.fillBlanks(ada)...)
			outcomes = append(outcomes, r.deliver(`{"phone":"+14155550132","firstname":"Eve"}`)...)
			for _, outcome := range outcomes {
				if outcome.Kind != crm.Delivered {
					t.Errorf("version %q, mode %q: ended as %+v", version, mode, outcome)
				}
			}
			for _, c := range r.sent() {
				if !strings.Contains(c.path, " "+path) {
					t.Errorf("version %q, mode %q: called %s", version, mode, c.path)
				}
			}
		}
	}
	sim := simulated.New(simulated.Options{TenSecondly: -1})
	outcome := newRigWith(t, sim, &configv1.HubSpot{Token: "pat-na1-token", ApiVersion: "2031-01"}).deliver(ada)[0]
	if outcome.Kind != crm.Retry || !strings.Contains(outcome.Reason, "hubspot.api_version") {
		t.Errorf("a version that is not there ended as %+v", outcome)
	}
}

func TestABatchThatIsToldApartByAPropertyWhichIsNotUniqueIsNotSearched(t *testing.T) {
	t.Parallel()
	r := newRigWith(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"category":"VALIDATION_ERROR","message":"Unable to perform update/upsert by non-unique 0-1 property: visitor_id"}`))
	}), &configv1.HubSpot{Token: "pat-na1-token", IdProperty: "visitor_id"})
	for _, outcome := range r.deliver(`{"visitor_id":"v1"}`, `{"visitor_id":"v2"}`) {
		if outcome.Kind != crm.Retry || !strings.Contains(outcome.Reason, "hubspot.id_property") || outcome.Body != "" {
			t.Errorf("ended as %+v", outcome)
		}
	}
}
