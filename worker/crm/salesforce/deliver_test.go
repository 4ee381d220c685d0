package salesforce_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/crm/crmtest"
	"github.com/leadgate/leadgate/worker/crm/salesforce"
	"github.com/leadgate/leadgate/worker/crm/simulator"
	simulated "github.com/leadgate/leadgate/worker/crm/simulator/salesforce"
	"github.com/leadgate/leadgate/worker/mapping"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

const (
	upsert = leadgatev1.DeliveryMode_DELIVERY_MODE_UPSERT
	blanks = leadgatev1.DeliveryMode_DELIVERY_MODE_FILL_BLANKS
)

// rig is a destination in front of a simulated organisation.
type rig struct {
	*crmtest.Rig
	org organisation
}

func newRig(t *testing.T, cfg *configv1.Salesforce, options simulated.Options) *rig {
	t.Helper()
	clock := crmtest.NewClock(noon)
	options.Now = clock.Now
	return newRigAt(t, cfg, clock, organisation{simulated.New(options)})
}

// newRigAt returns a rig with the given organisation.
func newRigAt(t *testing.T, cfg *configv1.Salesforce, clock *crmtest.Clock, org organisation) *rig {
	t.Helper()
	r := &rig{org: org}
	r.Rig = crmtest.NewRig(t, clock, r.org, func(req *http.Request, body string) string {
		return req.Method + " " + strings.TrimPrefix(req.URL.EscapedPath(), "/services/data/v62.0/") + " " + body
	})
	cfg.Url = r.URL
	if cfg.GetAuth() == nil {
		cfg.Auth = &configv1.Salesforce_ClientCredentials{ClientCredentials: &configv1.SalesforceClientCredentials{ClientId: "c", ClientSecret: "s"}}
	}
	r.Open(salesforce.New(cfg, r.Env))
	return r
}

func item(payload string, i int) crm.Item {
	var values struct{ Email string }
	_ = json.Unmarshal([]byte(payload), &values)
	return crm.Item{IdempotencyValue: fmt.Sprintf("01a2-%d.crm-1", i), Email: strings.ToLower(values.Email), Payload: []byte(payload)}
}

func (r *rig) deliver(mode leadgatev1.DeliveryMode, payloads ...string) []crm.Outcome {
	r.T.Helper()
	items := make([]crm.Item, len(payloads))
	for i, payload := range payloads {
		items[i] = item(payload, i)
	}
	return r.Destination.Deliver(r.T.Context(), items, mode)
}

const (
	ada   = `{"Email":"ada@example.com","FirstName":"Ada","LastName":"Lovelace","Company":"Engines"}`
	grace = `{"Email":"grace@example.com","FirstName":"Grace","LastName":"Hopper","Company":"Navy"}`
)

func TestOneLeadGoesByItsAddressAndSeveralGoTogether(t *testing.T) {
	t.Parallel()
	r := newRig(t, &configv1.Salesforce{}, simulated.Options{})
	r.Expect(r.deliver(upsert, strings.ReplaceAll(ada, "ada@", "ada+x/y@"))[0], crm.Delivered, "")
	for _, outcome := range r.deliver(upsert, ada, grace) {
		r.Expect(outcome, crm.Delivered, "")
		if !strings.HasPrefix(outcome.RecordID, "00Q") || len(outcome.RecordID) != 18 || !strings.HasSuffix(outcome.RecordURL, "/"+outcome.RecordID) {
			t.Errorf("record %s at %s", outcome.RecordID, outcome.RecordURL)
		}
	}
	want := []string{
		`PATCH sobjects/Lead/Email/ada+x%2Fy@example.com {"Company":"Engines","FirstName":"Ada","LastName":"Lovelace"}`,
		`PATCH composite/sobjects/Lead/Email {"allOrNone":false,"records":[{"Company":"Engines","Email":"ada@example.com","FirstName":"Ada","LastName":"Lovelace","attributes":{"type":"Lead"}},` +
			`{"Company":"Navy","Email":"grace@example.com","FirstName":"Grace","LastName":"Hopper","attributes":{"type":"Lead"}}]}`,
	}
	if !slices.Equal(r.Calls, want) {
		t.Errorf("called\n%s\nwant\n%s", strings.Join(r.Calls, "\n"), strings.Join(want, "\n"))
	}
	if len(r.Quotas) != 2 || r.Quotas[1] != (crm.Quota{Window: 24 * time.Hour, Limit: 15000, Remaining: 14998}) {
		t.Errorf("reported %+v", r.Quotas)
	}
}

func TestWhatTheObjectRequiresIsFilledInForNewRecordsOnly(t *testing.T) {
	t.Parallel()
	r := newRig(t, &configv1.Salesforce{}, simulated.Options{})
	nameless := `{"Email":"ada@example.com","FirstName":"Ada"}`
	r.Expect(r.deliver(upsert, nameless)[0], crm.Delivered, "")
	if got := r.org.records()[0].Properties; got["LastName"] != "[not provided]" || got["Company"] != "[not provided]" {
		t.Errorf("record is %v", got)
	}
	r.Expect(r.deliver(upsert, ada)[0], crm.Delivered, "")
	r.Expect(r.deliver(upsert, nameless, grace)[0], crm.Delivered, "")
	if got := r.org.records()[0].Properties; got["LastName"] != "Lovelace" || got["Company"] != "Engines" {
		t.Errorf("record is %v", got)
	}
	r = newRig(t, &configv1.Salesforce{Placeholders: map[string]string{"Company": ""}}, simulated.Options{})
	r.Expect(r.deliver(upsert, nameless)[0], crm.Refused, "creates no record without LastName, Company")
}

func TestALeadIsDeliveredWithoutAValueOfAnotherTypeThoughSalesforceDoesNotSayWhichItIs(t *testing.T) {
	t.Parallel()
	r := newRig(t, &configv1.Salesforce{}, simulated.Options{})
	bad := `{"Email":"ada@example.com","LastName":"Lovelace","Company":"E","AnnualRevenue":"about 4000","NumberOfEmployees":"a few"}`
	r.Expect(r.deliver(upsert, bad)[0], crm.Refused, "Salesforce does not say which") // until the schema has been read
	_, outcome := r.Destination.Schema(t.Context())
	r.Expect(outcome, crm.Delivered, "")
	for _, payloads := range [][]string{{bad}, {grace, bad}} {
		outcomes := r.deliver(upsert, payloads...)
		if outcomes[0].Kind == crm.Split {
			continue // it is also sent alone
		}
		outcome = outcomes[len(outcomes)-1]
		r.Expect(outcome, crm.Delivered, "another type")
		if strings.Join(outcome.Dropped, " ") != "AnnualRevenue NumberOfEmployees" {
			t.Errorf("left out %v", outcome.Dropped)
		}
	}
}

func TestALeadIsDeliveredWithoutAFieldThatSalesforceRefuses(t *testing.T) {
	t.Parallel()
	for _, together := range []bool{false, true} {
		r := newRig(t, &configv1.Salesforce{}, simulated.Options{})
		bad := `{"Email":"ada@example.com","LastName":"Lovelace","Company":"E","Budget__c":"9","LeadSource":"Fax","PostalCode":"` + strings.Repeat("9", 30) + `"}`
		payloads := []string{bad}
		if together {
			payloads = []string{grace, bad, strings.ReplaceAll(ada, "ada@", "mary@")}
		}
		outcomes := r.deliver(upsert, payloads...)
		outcome := outcomes[len(outcomes)/2]
		r.Expect(outcome, crm.Delivered, "Budget__c")
		slices.Sort(outcome.Dropped)
		if strings.Join(outcome.Dropped, " ") != "Budget__c LeadSource PostalCode" || outcome.RecordID != r.org.RecordID("ada@example.com") || outcome.RecordID == "" {
			t.Errorf("ended as %+v", outcome)
		}
		if n := r.org.Records(); n != len(payloads) {
			t.Errorf("%d records", n)
		}
	}
}

func TestWhatSalesforceSaysDecides(t *testing.T) {
	t.Parallel()
	r := newRig(t, &configv1.Salesforce{}, simulated.Options{})
	for _, test := range []struct {
		status int
		body   string
		want   crm.OutcomeKind
		after  time.Duration
	}{
		{403, `[{"message":"TotalRequests Limit exceeded.","errorCode":"REQUEST_LIMIT_EXCEEDED"}]`, crm.RateLimited, 15 * time.Minute},
		{403, `[{"message":"ConcurrentRequests (Concurrent API Requests) Limit exceeded.","errorCode":"REQUEST_LIMIT_EXCEEDED"}]`, crm.RateLimited, 20 * time.Second},
		{403, `<html>blocked</html>`, crm.Retry, time.Minute},
		{403, `[{"message":"no","errorCode":"INSUFFICIENT_ACCESS_OR_READONLY"}]`, crm.Retry, 0},
		{403, `[{"message":"no","errorCode":"NO_ACCESS_TO_THIS"}]`, crm.CredentialsRefused, 0},
		{400, `[{"message":"no","errorCode":"UNABLE_TO_LOCK_ROW"}]`, crm.Retry, 0},
		{400, `[{"message":"no","errorCode":"API_CURRENTLY_DISABLED"}]`, crm.CredentialsRefused, 0},
		{400, `[{"message":"full","errorCode":"STORAGE_LIMIT_EXCEEDED"}]`, crm.RateLimited, time.Hour},
		{400, `[{"message":"rule","errorCode":"FIELD_CUSTOM_VALIDATION_EXCEPTION","fields":[]}]`, crm.Refused, 0},
		{400, `[{"message":"duplicate value found: Email duplicates value on record with id: 00Q","errorCode":"DUPLICATE_VALUE"}]`, crm.Retry, 0},
		{400, `[{"message":"duplicate value found: Company duplicates value on record with id: 00Q","errorCode":"DUPLICATE_VALUE"}]`, crm.Refused, 0},
		{400, `[{"message":"?","errorCode":"SOMETHING_NEW"}]`, crm.Refused, 0},
		{400, `{"message":"?","errorCode":"JSON_PARSER_ERROR"}`, crm.Refused, 0},
		{404, `[{"message":"?","errorCode":"NOT_FOUND"}]`, crm.Retry, 0},
		{410, `[{"message":"?","errorCode":"UNSUPPORTED_API_VERSION"}]`, crm.Retry, 0},
		{500, `[{"message":"?","errorCode":"UNKNOWN_EXCEPTION"}]`, crm.Unknown, 0},
		{503, `[{"message":"?","errorCode":"SERVER_UNAVAILABLE"}]`, crm.Unknown, 0},
		{420, ``, crm.RateLimited, 0},
		{200, `{"id":"00Q1","success":false,"errors":[]}`, crm.Unknown, 0},
		{200, `{"success":true}`, crm.Unknown, 0},
	} {
		r.Answer(test.status, test.body)
		outcome := r.deliver(upsert, ada)[0]
		if outcome.Kind != test.want || outcome.After != test.after || outcome.Reason == "" {
			t.Errorf("%d %s ended as %+v, want %d after %v", test.status, test.body, outcome, test.want, test.after)
		}
	}
	for body, want := range map[string]string{
		`[]`: "0 0", `{}`: "0 0", `[{"success":true,"id":"1"}]`: "0 0",
		`[{"success":true,"id":"1"},{"success":false,"errors":[]}]`:                                                                               "1 0",
		`[{"success":false,"errors":[{"statusCode":"UNABLE_TO_LOCK_ROW","message":"x"}]},{"success":true,"id":"1"}]`:                              "2 1",
		`[{"success":false,"errors":[{"statusCode":"ALL_OR_NONE_OPERATION_ROLLED_BACK"}]},{"success":false,"errors":[{"statusCode":"NEW_ONE"}]}]`: "2 4",
	} {
		r.Answer(200, body)
		outcomes := r.deliver(upsert, ada, grace)
		if got := fmt.Sprint(int(outcomes[0].Kind), int(outcomes[1].Kind)); got != want {
			t.Errorf("%s ended as %s, want %s", body, got, want)
		}
	}
	r.Answer(400, `[{"message":"At least 1 record is required","errorCode":"JSON_PARSER_ERROR"}]`)
	r.Expect(r.deliver(upsert, ada, grace)[1], crm.Split, "JSON_PARSER_ERROR")
}

func TestDuplicatesAreTreatedAsConfigured(t *testing.T) {
	t.Parallel()
	second := `{"Email":"ada@example.com","LastName":"Byron","Gateway_Key__c":"other"}`
	complete := `{"Email":"ada@example.com","LastName":"Byron","Company":"Engines","Gateway_Key__c":"other"}` // in a batch too, it needs no second round
	for _, test := range []struct {
		duplicates string
		options    simulated.Options
		want       crm.OutcomeKind
		records    int
	}{
		{"park", simulated.Options{Rule: simulated.Alert}, crm.Refused, 1},
		{"save", simulated.Options{Rule: simulated.Alert}, crm.Delivered, 2},
		{"save", simulated.Options{Rule: simulated.Block}, crm.Refused, 1},
		{"update", simulated.Options{Rule: simulated.Block}, crm.Delivered, 1},
		{"update", simulated.Options{Rule: simulated.Block, BareDuplicates: true}, crm.Refused, 1},
	} {
		for _, payloads := range [][]string{{second}, {complete, grace}} {
			r := newRig(t, &configv1.Salesforce{ExternalId: "Gateway_Key__c", Duplicates: test.duplicates}, test.options)
			r.Expect(r.deliver(upsert, ada)[0], crm.Delivered, "")
			outcome := r.deliver(upsert, payloads...)[0]
			if outcome.Kind != test.want || r.org.Records() != test.records+len(payloads)-1 {
				t.Errorf("%s, %+v, one of %d: ended as %+v with %d records", test.duplicates, test.options, len(payloads), outcome, r.org.Records())
			}
			if has := r.org.records()[0].Properties; has["Company"] != "Engines" || has["Gateway_Key__c"] == "other" {
				t.Errorf("%s, %+v, one of %d: the record that was there is %v", test.duplicates, test.options, len(payloads), has)
			}
		}
	}
}

// at returns a rig with the same organisation but a different configuration.
func (r *rig) at(cfg *configv1.Salesforce) *rig {
	r.T.Helper()
	return newRigAt(r.T, cfg, r.Clock, r.org)
}

func TestTwoRecordsThatAreDuplicatesOfEachOtherEndTheSearch(t *testing.T) {
	t.Parallel()
	first := newRig(t, &configv1.Salesforce{ExternalId: "Gateway_Key__c", Duplicates: "save"}, simulated.Options{Rule: simulated.Alert})
	for _, key := range []string{"1", "2"} {
		first.Expect(first.deliver(upsert, `{"Email":"ada@example.com","LastName":"L","Company":"E","Gateway_Key__c":"`+key+`"}`)[0], crm.Delivered, "")
	}
	first.Expect(first.deliver(upsert, grace)[0], crm.Delivered, "")
	one, keyed := `{"Email":"ada@example.com","LastName":"N"}`, `{"Email":"ada@example.com","LastName":"N","Gateway_Key__c":"1"}`
	for name, test := range map[string]struct {
		key      string
		payloads []string
	}{
		"by a key, alone": {"Gateway_Key__c", []string{keyed}}, "by a key, together": {"Gateway_Key__c", []string{keyed, grace}},
		"by address, alone": {"", []string{one}}, "by address, together": {"", []string{one, grace}},
	} {
		r := first.at(&configv1.Salesforce{ExternalId: test.key, Duplicates: "update"})
		outcome := r.deliver(upsert, test.payloads...)[0]
		if r.Expect(outcome, crm.Refused, "duplicate rule"); len(r.Calls) > 3 {
			t.Errorf("%s: called %v", name, r.Calls)
		}
	}
}

func TestADuplicateOfAnotherKindIsNotWrittenTo(t *testing.T) {
	t.Parallel()
	contacts := newRig(t, &configv1.Salesforce{Object: "Contact"}, simulated.Options{Rule: simulated.Block})
	contacts.Expect(contacts.deliver(upsert, `{"Email":"ada@example.com","LastName":"L"}`)[0], crm.Delivered, "")
	leads := contacts.at(&configv1.Salesforce{Duplicates: "update"})
	leads.Expect(leads.deliver(upsert, ada)[0], crm.Refused, "names no Lead")
	if len(leads.Calls) != 1 || strings.Contains(strings.Join(leads.Calls, " "), "003") {
		t.Errorf("called %v", leads.Calls)
	}
}

func TestALateLeadOverwritesNothingInWhatItIsADuplicateOf(t *testing.T) {
	t.Parallel()
	late := `{"Email":"ada@example.com","LastName":"Old","City":"London"}`
	for name, test := range map[string]struct {
		cfg     *configv1.Salesforce
		rule    simulated.DuplicateRule
		records []string
	}{
		"a rule finds it":      {&configv1.Salesforce{ExternalId: "Gateway_Key__c", Duplicates: "update"}, simulated.Block, []string{ada}},
		"several have it":      {&configv1.Salesforce{Duplicates: "update"}, simulated.NoRule, []string{`{"Email":"ada@example.com","LastName":"Lovelace","Company":"E"}`, ada}},
		"it looks like a file": {&configv1.Salesforce{}, simulated.NoRule, []string{ada}},
	} {
		address := "ada@example.com"
		if strings.Contains(name, "file") {
			address = "ada@example.inc"
		}
		with := func(payload string) string { return strings.ReplaceAll(payload, "ada@example.com", address) }
		first := newRig(t, &configv1.Salesforce{ExternalId: "Gateway_Key__c"}, simulated.Options{Rule: test.rule})
		for i, record := range test.records {
			first.deliver(upsert, strings.Replace(with(record), "{", fmt.Sprintf(`{"Gateway_Key__c":"k%d",`, i), 1))
		}
		r := first.at(test.cfg)
		r.Expect(r.deliver(blanks, strings.Replace(with(late), "{", `{"Gateway_Key__c":"late",`, 1))[0], crm.Delivered, "")
		filled := 0
		for _, record := range r.org.records() {
			if record.Properties["LastName"] == "Old" {
				t.Errorf("%s: newer data was overwritten: %v", name, record.Properties)
			}
			if record.Properties["City"] == "London" {
				filled++
			}
		}
		if filled != 1 {
			t.Errorf("%s: %d records were filled in after %v", name, filled, r.Calls)
		}
	}
}

func TestNothingMoreIsSentForACollectionOnceSalesforceWantsAPause(t *testing.T) {
	t.Parallel()
	r := newRig(t, &configv1.Salesforce{Duplicates: "update"}, simulated.Options{})
	r.AnswerBy(func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if strings.Contains(req.URL.Path, "composite") {
			match := `{"duplicateResut":{"matchResults":[{"entityType":"Lead","matchRecords":[{"record":{"Id":"00Q1"}}]}]},"statusCode":"DUPLICATES_DETECTED"}`
			_, _ = io.WriteString(w, `[{"success":false,"errors":[`+match+`]},{"success":false,"errors":[`+match+`]},{"id":"00Q3","success":true,"errors":[]}]`)
			return
		}
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, `[{"message":"TotalRequests Limit exceeded.","errorCode":"REQUEST_LIMIT_EXCEEDED"}]`)
	})
	outcomes := r.deliver(upsert, `{"Email":"a@example.com"}`, `{"Email":"b@example.com"}`, `{"Email":"c@example.com"}`)
	for i, want := range []crm.OutcomeKind{crm.RateLimited, crm.RateLimited, crm.Delivered} {
		r.Expect(outcomes[i], want, "")
	}
	if len(r.Calls) != 2 {
		t.Errorf("called %v", r.Calls)
	}
}

func TestSeveralRecordsOfOneAddressAreTreatedAsConfigured(t *testing.T) {
	t.Parallel()
	for duplicates, want := range map[string]struct {
		kind    crm.OutcomeKind
		records int
	}{"park": {crm.Refused, 2}, "save": {crm.Delivered, 3}, "update": {crm.Delivered, 2}} {
		for _, together := range []bool{false, true} {
			r := newRig(t, &configv1.Salesforce{ExternalId: "Gateway_Key__c"}, simulated.Options{})
			for _, key := range []string{"1", "2"} {
				r.deliver(upsert, `{"Email":"ada@example.com","LastName":"L","Company":"E","Gateway_Key__c":"`+key+`"}`)
			}
			r = r.at(&configv1.Salesforce{Duplicates: duplicates})
			payloads := []string{ada}
			if together {
				payloads = append(payloads, grace)
			}
			outcome := r.deliver(upsert, payloads...)[0]
			if n := r.org.Records() - len(payloads) + 1; outcome.Kind != want.kind || n != want.records {
				t.Errorf("%s, together %t: %+v with %d records", duplicates, together, outcome, n)
			}
		}
	}
}

func TestAConvertedLeadIsLeftAlone(t *testing.T) {
	t.Parallel()
	r := newRig(t, &configv1.Salesforce{}, simulated.Options{})
	r.deliver(upsert, ada)
	if !r.org.Convert("ada@example.com") {
		t.Fatal("nothing was converted")
	}
	r.Expect(r.deliver(upsert, ada)[0], crm.Refused, "converted")
	saving := r.at(&configv1.Salesforce{Duplicates: "save"})
	saving.Expect(saving.deliver(upsert, ada)[0], crm.Delivered, "")
	// A unique key stays with the converted lead.
	keyed := newRig(t, &configv1.Salesforce{ExternalId: "Gateway_Key__c", Duplicates: "save"}, simulated.Options{})
	keyed.deliver(upsert, ada)
	keyed.org.Convert("ada@example.com")
	keyed.Expect(keyed.deliver(upsert, ada)[0], crm.Refused, "external_id")
}

func TestBlanksAreFilledAndNothingElse(t *testing.T) {
	t.Parallel()
	r := newRig(t, &configv1.Salesforce{}, simulated.Options{})
	r.deliver(upsert, ada)
	outcome := r.deliver(blanks, `{"Email":"ada@example.com","LastName":"Byron","City":"London"}`)[0]
	r.Expect(outcome, crm.Delivered, "")
	if got := r.org.records()[0].Properties; got["LastName"] != "Lovelace" || got["City"] != "London" || outcome.RecordID != r.org.records()[0].ID {
		t.Errorf("record is %v", got)
	}
	calls := len(r.Calls)
	r.Expect(r.deliver(blanks, `{"Email":"ada@example.com","LastName":"Byron"}`)[0], crm.Delivered, "")
	if len(r.Calls) != calls+1 {
		t.Errorf("called %v", r.Calls[calls:])
	}
	r.Expect(r.deliver(blanks, grace)[0], crm.Delivered, "")
	if n := r.org.Records(); n != 2 {
		t.Errorf("%d records", n)
	}
}

func TestALeadWithoutAnAddressIsNotDoubledByALostAnswer(t *testing.T) {
	t.Parallel()
	r := newRig(t, &configv1.Salesforce{}, simulated.Options{})
	phone := item(`{"Phone":"+14155550132","LastName":"Lovelace","Company":"E"}`, 1)
	r.org.SetFaults(simulator.Faults{Kind: simulator.KindLost, Path: "sobjects", Times: 1})
	r.Expect(r.Destination.Deliver(t.Context(), []crm.Item{phone}, upsert)[0], crm.Unknown, "lost")
	phone.Unanswered = noon
	r.Expect(r.Destination.Deliver(t.Context(), []crm.Item{phone}, upsert)[0], crm.Delivered, "")
	if n := r.org.Records(); n != 1 {
		t.Errorf("%d records", n)
	}
	r.org.SetFaults(simulator.Faults{Kind: simulator.KindStatus, Status: 503, Path: "query", Times: 1})
	r.Expect(r.Destination.Deliver(t.Context(), []crm.Item{phone}, upsert)[0], crm.Retry, "") // the lost answer is still the one from noon
	nothing := item(`{"LastName":"Lovelace","Company":"E"}`, 2)
	nothing.Unanswered = noon
	r.Expect(r.Destination.Deliver(t.Context(), []crm.Item{nothing}, upsert)[0], crm.Undecided, "external_id")

	r = newRig(t, &configv1.Salesforce{ExternalId: "Gateway_Key__c"}, simulated.Options{})
	for range 2 {
		r.Expect(r.Destination.Deliver(t.Context(), []crm.Item{nothing}, upsert)[0], crm.Delivered, "")
	}
	if got := r.org.records(); len(got) != 1 || got[0].Properties["Gateway_Key__c"] != "01a2-2" {
		t.Errorf("records are %+v", got)
	}
}

func TestAnAddressThatLooksLikeAFileIsFound(t *testing.T) {
	t.Parallel()
	r := newRig(t, &configv1.Salesforce{}, simulated.Options{})
	odd := strings.ReplaceAll(ada, "example.com", "example.inc")
	for range 2 {
		r.Expect(r.deliver(upsert, odd)[0], crm.Delivered, "")
	}
	if n := r.org.Records(); n != 1 {
		t.Errorf("%d records", n)
	}
}

func TestASessionThatEndedIsRenewedOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, &configv1.Salesforce{}, simulated.Options{SessionLife: time.Hour})
	r.Expect(r.deliver(upsert, ada)[0], crm.Delivered, "")
	r.Clock.Pass(2 * time.Hour)
	r.Expect(r.deliver(upsert, ada)[0], crm.Delivered, "")
	r.Answer(401, `[{"message":"This session is not valid for use with the REST API","errorCode":"INVALID_SESSION_ID"}]`)
	before := len(r.Calls)
	r.Expect(r.deliver(upsert, ada)[0], crm.CredentialsRefused, "access token")
	if n := len(r.Calls) - before; n > 2 {
		t.Errorf("%d calls", n)
	}
}

func TestATokenIsHadByJWT(t *testing.T) {
	t.Parallel()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	text := string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		jwt    *configv1.SalesforceJWT
		public *rsa.PublicKey
		want   crm.OutcomeKind
		reason string
	}{
		"good":          {&configv1.SalesforceJWT{PrivateKey: text}, &key.PublicKey, crm.Delivered, ""},
		"PKCS 8":        {&configv1.SalesforceJWT{PrivateKey: string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))}, &key.PublicKey, crm.Delivered, ""},
		"one line":      {&configv1.SalesforceJWT{PrivateKey: strings.ReplaceAll(text, "\n", `\n`)}, &key.PublicKey, crm.Delivered, ""},
		"sandbox":       {&configv1.SalesforceJWT{PrivateKey: text, Audience: "https://test.salesforce.com"}, &key.PublicKey, crm.Delivered, ""},
		"another key":   {&configv1.SalesforceJWT{PrivateKey: text}, &other.PublicKey, crm.CredentialsRefused, "invalid assertion"},
		"no key":        {&configv1.SalesforceJWT{PrivateKey: "x"}, nil, crm.CredentialsRefused, "not PEM"},
		"wrong user":    {&configv1.SalesforceJWT{PrivateKey: text, Username: "x"}, nil, crm.CredentialsRefused, "approved this consumer"},
		"wrong address": {&configv1.SalesforceJWT{PrivateKey: text, Audience: "https://x.example"}, nil, crm.CredentialsRefused, "audience is invalid"},
	} {
		test.jwt.ClientId = "client"
		if test.jwt.Username == "" {
			test.jwt.Username = "integration@example.com"
		}
		r := newRig(t, &configv1.Salesforce{Auth: &configv1.Salesforce_Jwt{Jwt: test.jwt}}, simulated.Options{PublicKey: test.public})
		outcome := r.Destination.Ping(t.Context())
		if outcome.Kind != test.want || !strings.Contains(outcome.Reason, test.reason) {
			t.Errorf("%s: ended as %+v", name, outcome)
		}
		if test.want == crm.Delivered && outcome.Account != "00D5g000004XyZ1EAK" {
			t.Errorf("%s: the account is %q", name, outcome.Account)
		}
	}
}

func TestRulesOfTheOrganisationAreAskedFor(t *testing.T) {
	t.Parallel()
	r := newRig(t, &configv1.Salesforce{Assignment: "skip", Duplicates: "save"}, simulated.Options{})
	r.deliver(upsert, ada)
	if got := r.Header.Get("Sforce-Auto-Assign"); got != "FALSE" {
		t.Errorf("Sforce-Auto-Assign: %s", got)
	}
	if got := r.Header.Get("Sforce-Duplicate-Rule-Header"); !strings.HasPrefix(got, "allowSave=true") {
		t.Errorf("Sforce-Duplicate-Rule-Header: %s", got)
	}
	for assignment, want := range map[string]string{"": "", "run": "TRUE"} {
		r := newRig(t, &configv1.Salesforce{Assignment: assignment}, simulated.Options{})
		r.Expect(r.deliver(upsert, ada)[0], crm.Delivered, "")
		if got := r.Header.Get("Sforce-Auto-Assign"); got != want {
			t.Errorf("%q: Sforce-Auto-Assign: %s", assignment, got)
		}
		r.Expect(r.deliver(blanks, `{"Email":"ada@example.com","City":"London"}`)[0], crm.Delivered, "")
		if got := r.Header.Get("Sforce-Auto-Assign"); got != "FALSE" {
			t.Errorf("%q: who had the record that was filled in may not have it any more: Sforce-Auto-Assign: %s", assignment, got)
		}
	}
}

func TestTheSchemaSaysWhatIsRequiredAndWhatFits(t *testing.T) {
	t.Parallel()
	r := newRig(t, &configv1.Salesforce{Placeholders: map[string]string{"Company": ""}}, simulated.Options{})
	schema, outcome := r.Destination.Schema(t.Context())
	r.Expect(outcome, crm.Delivered, "")
	for name, want := range map[string]crm.Property{
		"Company":    {Label: "Company", Type: crm.Text, Native: "string", MaxLength: 255, Required: true},
		"LastName":   {Label: "Last Name", Type: crm.Text, Native: "string", MaxLength: 80},
		"Name":       {Label: "Full Name", Type: crm.Text, Native: "string", ReadOnly: true},
		"Email":      {Label: "Email", Type: crm.Text, Native: "email", MaxLength: 80, Unique: true},
		"LeadSource": {Label: "Lead Source", Type: crm.Enumeration, Native: "picklist"},
	} {
		got := *schema.Property(name)
		if name == "LeadSource" && len(got.Options) != 5 {
			t.Errorf("options are %v", got.Options)
		}
		got.Name, got.Options = "", nil
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s is %+v, want %+v", name, got, want)
		}
	}
}

func TestAWrongConfigurationIsRefused(t *testing.T) {
	t.Parallel()
	client := &configv1.Salesforce_ClientCredentials{ClientCredentials: &configv1.SalesforceClientCredentials{ClientId: "c", ClientSecret: "s"}}
	for want, cfg := range map[string]*configv1.Salesforce{
		"salesforce.url: ":         {Url: "example", Auth: client},
		"salesforce.api_version: ": {Url: "https://x.my.salesforce.com", ApiVersion: "v62", Auth: client},
		"own address only":         {Url: "https://login.salesforce.com", Auth: client},
	} {
		if _, err := salesforce.New(cfg, crm.Environment{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want one about %s", err, want)
		}
	}
}

func TestWhatIsDeliveredStaysSoWhereALaterCallIsRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t, &configv1.Salesforce{}, simulated.Options{})
	r.AnswerBy(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if len(r.Calls) > 1 {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, `[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]`)
			return
		}
		_, _ = io.WriteString(w, `[{"id":"00Q1","success":true,"errors":[]},`+
			`{"success":false,"errors":[{"statusCode":"INVALID_FIELD","message":"No such column","fields":["Shoe__c"]}]},`+
			`{"id":"00Q3","success":true,"errors":[]}]`)
	})
	outcomes := r.deliver(upsert, `{"Email":"a@example.com"}`, `{"Email":"b@example.com","Shoe__c":"42"}`, `{"Email":"c@example.com"}`)
	for i, want := range []crm.OutcomeKind{crm.Delivered, crm.CredentialsRefused, crm.Delivered} {
		r.Expect(outcomes[i], want, "")
	}
}

func TestALeadThatWasNotSentIsNeitherDeliveredNorDeadNorUnknown(t *testing.T) {
	t.Parallel()
	for status, body := range map[int]string{201: `{"id":"00Q000000000001AAA","success":true,"errors":[]}`, 400: `[{"errorCode":"FIELD_CUSTOM_VALIDATION_EXCEPTION","message":"no"}]`, 503: ``} {
		r := newRig(t, &configv1.Salesforce{}, simulated.Options{NoEmailKey: true})
		r.deliver(upsert, `{"Email":"one@example.com"}`, `{"Email":"two@example.com"}`) // from now on one by one
		r.Answer(status, body, "Retry-After", "30")
		before := len(r.Calls)
		outcomes := r.deliver(upsert, `{"Email":"ada@example.com"}`, `{"Email":"grace@example.com"}`, `{"LastName":"Nameless"}`)
		for i, outcome := range outcomes[1:] {
			if outcome.Kind != crm.RateLimited || outcome.After != 30*time.Second || outcome.RecordID != "" {
				t.Errorf("after %d with Retry-After lead %d behind, not sent, ended as %+v", status, i, outcome)
			}
		}
		if n := len(r.Calls) - before; n != 1 {
			t.Errorf("after %d with Retry-After %d calls", status, n)
		}
	}
}

func TestStatesAndCountriesGoByTheirCodesWhereThereArePicklistsOfThem(t *testing.T) {
	t.Parallel()
	r := newRig(t, &configv1.Salesforce{}, simulated.Options{})
	lead := []mapping.Property{{Name: "Email", Value: "ada@example.com"}, {Name: "LastName", Value: "Lovelace"}, {Name: "Country", Value: "US"}, {Name: "State", Value: "CA"}}
	encode := func(want string) {
		t.Helper()
		if _, outcome := r.Destination.Schema(t.Context()); outcome.Kind != crm.Delivered {
			t.Fatal(outcome)
		}
		payload, err := r.Destination.Encode(slices.Clone(lead))
		if err != nil || string(payload) != want {
			t.Errorf("sent as %s (%v), want %s", payload, err, want)
		}
	}
	encode(`{"Country":"US","Email":"ada@example.com","LastName":"Lovelace","State":"CA"}`)
	changed := httptest.NewRecorder()
	r.org.ServeHTTP(changed, httptest.NewRequest(http.MethodPost, "/_sim/fields", strings.NewReader(`{"add":[{"name":"CountryCode","label":"Country Code","type":"text"},{"name":"StateCode","label":"State Code","type":"text"}]}`)))
	if changed.Code != http.StatusNoContent {
		t.Fatal(changed.Body)
	}
	encode(`{"CountryCode":"US","Email":"ada@example.com","LastName":"Lovelace","StateCode":"CA"}`)
	lead[2].Value, lead[3].Value = "United Kingdom", "Kent"
	encode(`{"Country":"United Kingdom","Email":"ada@example.com","LastName":"Lovelace","State":"Kent"}`)
}
