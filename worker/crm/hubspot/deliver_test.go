package hubspot_test

import (
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/crm/crmtest"
	"github.com/leadgate/leadgate/worker/crm/hubspot"
	"github.com/leadgate/leadgate/worker/crm/simulator"
	simulated "github.com/leadgate/leadgate/worker/crm/simulator/hubspot"
	"github.com/leadgate/leadgate/worker/mapping"
)

func TestABatchIsOneUpsertByAddress(t *testing.T) {
	t.Parallel()
	r, account := simulating(t)
	for i, outcome := range r.deliver(ada, grace, mary) {
		want := account.RecordID([]string{"ada@example.com", "grace@example.com", "mary@example.com"}[i])
		if outcome.Kind != crm.Delivered || outcome.RecordID != want || !strings.HasSuffix(outcome.RecordURL, "/record/0-1/"+want) {
			t.Errorf("lead %d ended as %+v, want record %s", i, outcome, want)
		}
		if strings.Count(outcome.Body, "example.com") != 1 {
			t.Errorf("the body of lead %d is not about this lead alone: %s", i, outcome.Body)
		}
	}
	calls := r.sent()
	if len(calls) != 1 || calls[0].path != "POST /crm/v3/objects/contacts/batch/upsert" || calls[0].header.Get("Authorization") != "Bearer pat-na1-token" {
		t.Fatalf("sent %v", calls)
	}
	traces := map[string]bool{}
	for _, in := range calls[0].body.Inputs {
		traces[in.Trace] = true
		if in.IDProperty != "email" || in.ID != in.Properties["email"] {
			t.Errorf("input %+v", in)
		}
	}
	if len(traces) != 3 || traces[""] {
		t.Errorf("traces are %v, want one for each", traces)
	}
}

func TestTheAddressGoesWithTheLeadWhateverTheMappingSays(t *testing.T) {
	t.Parallel()
	r, account := simulating(t)
	r.destination.Deliver(t.Context(), []crm.Item{{Email: "ada@example.com", Payload: []byte(`{"firstname":"Ada"}`)}}, leadgatev1.DeliveryMode_DELIVERY_MODE_UPSERT)
	if got := account.contacts(); len(got) != 1 || got[0].Properties["email"] != "ada@example.com" || got[0].Properties["firstname"] != "Ada" {
		t.Errorf("contacts are %v", got)
	}
}

func TestALeadWithoutAddressIsCreated(t *testing.T) {
	t.Parallel()
	r, account := simulating(t)
	outcomes := r.deliver(`{"firstname":"Ada","phone":"+14155550132"}`, grace, `{"phone":"+14155550133"}`)
	if outcomes[0].Kind != crm.Delivered || outcomes[0].RecordID == "" || outcomes[1].Kind != crm.Delivered {
		t.Errorf("outcomes are %+v", outcomes)
	}
	if outcomes[2].Kind != crm.Refused || strings.Contains(outcomes[2].Reason, "415") {
		t.Errorf("HubSpot takes no contact with a phone number alone, but: %+v", outcomes[2])
	}
	if n := account.Records(); n != 2 {
		t.Errorf("%d contacts", n)
	}
	for _, c := range r.sent() {
		if c.path == "POST /crm/v3/objects/contacts" && c.body.Associations == nil {
			t.Error("created without associations, which HubSpot wants even if there are none")
		}
	}
}

func TestALeadWithoutAnAddressIsNotDoubledByALostAnswer(t *testing.T) {
	t.Parallel()
	clock := crmtest.NewClock(noon)
	account := account{simulated.New(simulated.Options{Now: clock.Now, TenSecondly: -1, SearchLag: 20 * time.Second})}
	r := newRig(t, account)
	r.now = clock.Now
	lead := func(n int, values string) crm.Item {
		return crm.Item{IdempotencyValue: fmt.Sprintf("l%d.crm-1", n), Payload: []byte(values)}
	}
	expect := func(item crm.Item, want crm.OutcomeKind, reason string) {
		t.Helper()
		outcome := r.destination.Deliver(t.Context(), []crm.Item{item}, leadgatev1.DeliveryMode_DELIVERY_MODE_UPSERT)[0]
		if outcome.Kind != want || !strings.Contains(outcome.Reason, reason) || want == crm.Delivered && outcome.RecordID == "" {
			t.Errorf("%s ended as %+v, want %d: %s", item.Payload, outcome, want, reason)
		}
	}
	ada := lead(1, `{"firstname":"Ada","phone":"+14155550132"}`)
	account.SetFaults(simulator.Faults{Kind: simulator.KindLost, Path: "contacts", Times: 1})
	expect(ada, crm.Unknown, "lost")
	ada.Unanswered = clock.Now()
	expect(ada, crm.Retry, "looked for again")
	account.SetFaults(simulator.Faults{Kind: simulator.KindReset, Path: "search", Times: 1})
	expect(ada, crm.Retry, "lost")
	clock.Pass(2 * time.Minute)
	expect(ada, crm.Delivered, "")
	grace := lead(2, `{"firstname":"Grace","phone":"+14155550133"}`)
	grace.Unanswered = clock.Now().Add(-2 * time.Minute)
	expect(grace, crm.Delivered, "")
	if n := account.Records(); n != 2 {
		t.Errorf("%d contacts of two leads", n)
	}
	nobody := lead(3, `{"firstname":"Mary"}`)
	nobody.Unanswered = clock.Now()
	expect(nobody, crm.Undecided, "hubspot.id_property")
	r = answering(t, 403, `{"category":"MISSING_SCOPES"}`)
	expect(ada, crm.Undecided, "crm.objects.contacts.read")
}

func TestNothingMoreIsSentOnceHubSpotWantsAPause(t *testing.T) {
	t.Parallel()
	r := answering(t, 429, `{"policyName":"SECONDLY"}`)
	for i, outcome := range r.deliver(ada, `{"firstname":"Grace"}`, `{"firstname":"Mary"}`) {
		if outcome.Kind != crm.RateLimited || outcome.After == 0 {
			t.Errorf("lead %d ended as %+v", i, outcome)
		}
	}
	if n := len(r.sent()); n != 1 {
		t.Errorf("%d calls", n)
	}
}

func TestALeadThatWasNotSentIsNeitherDeliveredNorDeadNorUnknown(t *testing.T) {
	t.Parallel()
	for status, body := range map[int]string{200: `{"results":[{"id":"7","objectWriteTraceId":"l0"}]}`, 400: `{"category":"VALIDATION_ERROR"}`, 503: ``} {
		r := answering(t, status, body, "Retry-After", "30")
		for i, outcome := range r.deliver(ada, `{"firstname":"Grace"}`, `{"firstname":"Mary"}`)[1:] {
			if outcome.Kind != crm.RateLimited || outcome.After != 30*time.Second {
				t.Errorf("after %d with Retry-After lead %d behind, not sent, ended as %+v", status, i, outcome)
			}
		}
		if n := len(r.sent()); n != 1 {
			t.Errorf("after %d with Retry-After %d calls", status, n)
		}
	}
}

func TestARemovedPropertyCostsNoLead(t *testing.T) {
	t.Parallel()
	r, account := simulating(t)
	outcomes := r.deliver(
		`{"email":"ada@example.com","firstname":"Ada","utm_src":"x","utm_med":"y","hs_object_id":"1"}`, grace,
		`{"email":"mary@example.com","lifecyclestage":"friend"}`)
	if got := outcomes[0]; got.Kind != crm.Delivered || got.RecordID == "" || got.Property == "" || got.Reason == "" ||
		!slices.Equal(slices.Sorted(slices.Values(got.Dropped)), []string{"hs_object_id", "utm_med", "utm_src"}) {
		t.Errorf("ended as %+v", got)
	}
	if got := outcomes[1]; got.Kind != crm.Delivered || len(got.Dropped) > 0 || got.Reason != "" {
		t.Errorf("the other lead ended as %+v", got)
	}
	if got := outcomes[2]; got.Kind != crm.Delivered || !slices.Equal(got.Dropped, []string{"lifecyclestage"}) || strings.Contains(got.Reason, "friend") {
		t.Errorf("the lead with a wrong option ended as %+v", got)
	}
	if n := account.Records(); n != 3 {
		t.Errorf("%d contacts", n)
	}
	if calls := r.sent(); len(calls) != 2 || len(calls[1].body.Inputs) != 2 {
		t.Errorf("%d calls, want a second one for the two that were refused", len(calls))
	}
}

func TestAPropertyThatFailsAWholeBatchIsLeftOutOfAll(t *testing.T) {
	t.Parallel()
	body := `{"category":"VALIDATION_ERROR","message":"Property values were not valid: [{\"isValid\":false,\"error\":\"PROPERTY_DOESNT_EXIST\",\"name\":\"utm_src\"}]"}`
	_, account := simulating(t)
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		sent, _ := io.ReadAll(req.Body)
		if strings.Contains(string(sent), "utm_src") {
			w.WriteHeader(400)
			_, _ = io.WriteString(w, body)
			return
		}
		req.Body = io.NopCloser(strings.NewReader(string(sent)))
		account.ServeHTTP(w, req)
	}))
	outcomes := r.deliver(`{"email":"ada@example.com","utm_src":"x"}`, `{"email":"grace@example.com","utm_src":"y"}`, mary)
	for _, got := range outcomes[:2] {
		if got.Kind != crm.Delivered || !slices.Equal(got.Dropped, []string{"utm_src"}) {
			t.Errorf("ended as %+v", got)
		}
	}
	if outcomes[2].Kind != crm.Split { // it is valid: the worker sends it again
		t.Errorf("the lead without the property ended as %+v", outcomes[2])
	}
}

func TestAnAddressThatHubSpotDoesNotTakeIsRefusedByName(t *testing.T) {
	t.Parallel()
	r, _ := simulating(t)
	outcomes := r.deliver(`{"email":"ada@localhost","firstname":"Ada"}`, grace)
	if got := outcomes[0]; got.Kind != crm.Refused || got.Property != "email" || !strings.Contains(got.Reason, "INVALID_EMAIL") || strings.Contains(got.Reason, "localhost") {
		t.Errorf("ended as %+v", got)
	}
	if outcomes[1].Kind != crm.Delivered {
		t.Errorf("the other ended as %+v", outcomes[1])
	}
}

func TestSheddingEnds(t *testing.T) {
	t.Parallel()
	n := 0
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { // a different property each time
		w.WriteHeader(400)
		fmt.Fprintf(w, `{"category":"VALIDATION_ERROR","errors":[{"code":"INVALID_LONG","context":{"propertyName":["p%d"]}}]}`, n)
		n++
	}))
	got := r.deliver(`{"email":"ada@example.com","p0":"x","p1":"x","p2":"x","p3":"x","p4":"x","p5":"x","p6":"x"}`)[0]
	if got.Kind != crm.Refused || len(r.sent()) != 8 || got.Reason == "" { // once without each of them, until nothing is left to drop
		t.Errorf("ended as %+v after %d calls", got, len(r.sent()))
	}
}

func TestAPayloadOfAnotherKindIsRefused(t *testing.T) {
	t.Parallel()
	r, _ := simulating(t)
	for _, payload := range []string{``, `null`, `[]`, `{"email":7}`, `<lead/>`} {
		got := r.destination.Deliver(t.Context(), []crm.Item{{Email: "a@example.com", Payload: []byte(payload)}}, leadgatev1.DeliveryMode_DELIVERY_MODE_UPSERT)[0]
		if got.Kind != crm.Refused {
			t.Errorf("%s ended as %+v", payload, got)
		}
	}
	if len(r.sent()) > 0 {
		t.Error("sent something")
	}
}

func TestTwoLeadsOfOneAddressAreSplitUp(t *testing.T) {
	t.Parallel()
	r, account := simulating(t)
	for i, outcome := range r.deliver(ada, `{"email":"ADA@example.com"}`, grace) {
		if outcome.Kind != crm.Split || outcome.Body != "" {
			t.Errorf("lead %d ended as %+v", i, outcome)
		}
	}
	if n := account.Records(); n != 0 {
		t.Errorf("%d contacts", n)
	}
}

func TestAnOutageIsNoVerdictOnALead(t *testing.T) {
	t.Parallel()
	r, account := simulating(t)
	account.SetFaults(simulator.Faults{Status: 503, RetryAfter: "3"})
	for _, outcome := range r.deliver(ada, grace) {
		if outcome.Kind != crm.Unknown || outcome.Status != 503 || outcome.After.Seconds() != 3 {
			t.Errorf("ended as %+v", outcome)
		}
	}
}

func TestValuesAreSentAsStrings(t *testing.T) {
	t.Parallel()
	r, _ := simulating(t)
	got, err := r.destination.Encode([]mapping.Property{
		{Name: "newsletter", Value: true}, {Name: "budget", Value: 4000.0}, {Name: "rate", Value: 0.125}, {Name: "big", Value: 1e21},
		{Name: "topics", Value: []any{"a & b", 2.0, false}}, {Name: "email", Value: "ada@example.com"},
	})
	want := `{"big":"1000000000000000000000","budget":"4000","email":"ada@example.com","newsletter":"true","rate":"0.125","topics":"a & b;2;false"}`
	if err != nil || string(got) != want {
		t.Errorf("encoded as %s (%v), want %s", got, err, want)
	}
	for _, value := range []any{math.NaN(), math.Inf(1), []any{math.NaN()}, struct{}{}} {
		if _, err := r.destination.Encode([]mapping.Property{{Name: "budget", Value: value}}); err == nil || !strings.Contains(err.Error(), "budget") {
			t.Errorf("%v: error is %v", value, err)
		}
	}
}

func TestDefaultsAreLeadFieldsAndPropertiesOfEveryAccount(t *testing.T) {
	t.Parallel()
	r, _ := simulating(t)
	defaults := r.destination.Traits().Defaults
	compiled, err := mapping.Compile(defaults)
	if err != nil {
		t.Fatal(err)
	}
	properties, _ := compiled.Map(&leadgatev1.LeadRecord{Lead: &leadgatev1.Lead{
		Email: "ada@example.com", FirstName: "a", LastName: "a", Phone: "+14155550132", Company: "a", Website: "a", JobTitle: "a",
		Street: "a", City: "a", Region: "a", PostalCode: "a", Country: "GB", Message: "a",
	}})
	payload, err := r.destination.Encode(properties)
	if err != nil {
		t.Fatal(err)
	}
	if got := r.deliver(string(payload))[0]; got.Kind != crm.Delivered || len(got.Dropped) > 0 || len(defaults) != 13 {
		t.Errorf("%d defaults, delivered as %+v", len(defaults), got)
	}
}

func TestAWrongConfigurationIsRefused(t *testing.T) {
	t.Parallel()
	for want, cfg := range map[string]*configv1.HubSpot{
		"hubspot.token":    {},
		"hubspot.base_url": {Token: "t", BaseUrl: "api.hubapi.com"},
		"api?x=1":          {Token: "t", BaseUrl: "https://api?x=1"},
	} {
		if _, err := hubspot.New(cfg, crm.Environment{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: error is %v, want one about %s", cfg, err, want)
		}
	}
}
