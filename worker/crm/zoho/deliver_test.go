package zoho_test

import (
	"encoding/json"
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
	"github.com/leadgate/leadgate/worker/crm/simulator"
	simulated "github.com/leadgate/leadgate/worker/crm/simulator/zoho"
	"github.com/leadgate/leadgate/worker/crm/zoho"
	"github.com/leadgate/leadgate/worker/mapping"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

const (
	upsert = leadgatev1.DeliveryMode_DELIVERY_MODE_UPSERT
	blanks = leadgatev1.DeliveryMode_DELIVERY_MODE_FILL_BLANKS
)

// rig is a destination in front of a simulated account.
type rig struct {
	*crmtest.Rig
	account account
}

func newRig(t *testing.T, cfg *configv1.Zoho, options simulated.Options) *rig {
	t.Helper()
	clock := crmtest.NewClock(noon)
	options.Now = clock.Now
	r := &rig{account: account{simulated.New(options)}}
	r.Rig = crmtest.NewRig(t, clock, r.account, func(req *http.Request, body string) string {
		return req.Method + " " + strings.TrimPrefix(req.URL.RequestURI(), "/crm/v8/") + " " + body
	})
	cfg.AccountsUrl, cfg.ClientId, cfg.ClientSecret, cfg.RefreshToken = r.URL, "c", "s", "r"
	r.Open(zoho.New(cfg, r.Env))
	return r
}

func item(payload string, i int) crm.Item {
	var values struct{ Email string }
	_ = json.Unmarshal([]byte(payload), &values)
	return crm.Item{IdempotencyValue: fmt.Sprintf("01a2-%d.crm-1", i), Email: values.Email, Payload: []byte(payload)}
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
	ada   = `{"Email":"ada@example.com","First_Name":"Ada","Last_Name":"Lovelace","Company":"Engines"}`
	grace = `{"Email":"grace@example.com","First_Name":"Grace","Last_Name":"Hopper","Company":"Navy"}`
)

func TestLeadsAreUpsertedByTheConfiguredFields(t *testing.T) {
	t.Parallel()
	r := newRig(t, &configv1.Zoho{DataCenter: "eu", DuplicateCheck: []string{"Gateway_Key", "Email"}, Automations: "none", AssignmentRule: "554001"}, simulated.Options{})
	for _, outcome := range r.deliver(upsert, ada, grace) {
		r.Expect(outcome, crm.Delivered, "")
		if outcome.RecordURL != "https://crm.zoho.eu/crm/tab/Leads/"+outcome.RecordID {
			t.Errorf("record at %s", outcome.RecordURL)
		}
	}
	want := `POST Leads/upsert {"data":[` + sorted(ada) + `,` + sorted(grace) + `],"duplicate_check_fields":["Gateway_Key","Email"],"lar_id":"554001","trigger":[]}`
	if len(r.Calls) != 1 || r.Calls[0] != want {
		t.Errorf("called %v, want %s", r.Calls, want)
	}
	r.Expect(r.deliver(blanks, strings.Replace(ada, "{", `{"City":"London",`, 1))[0], crm.Delivered, "")
	if last := r.Calls[len(r.Calls)-1]; !strings.HasPrefix(last, "PUT ") || strings.Contains(last, "lar_id") {
		t.Errorf("who had the record that was filled in may not have it any more: called %s", last)
	}
}

func TestADataCentreHasItsOwnAddresses(t *testing.T) {
	t.Parallel()
	for centre, domain := range map[string]string{"": "zoho.com", "com.au": "zoho.com.au", "uk": "zoho.uk", "ca": "zohocloud.ca"} {
		asked := ""
		client := &http.Client{Transport: transport(func(req *http.Request) (*http.Response, error) {
			asked = req.URL.Host
			return nil, io.EOF
		})}
		destination, err := zoho.New(&configv1.Zoho{DataCenter: centre, ClientId: "c", ClientSecret: "s", RefreshToken: "r"}, crm.Environment{
			Client: client, Secret: func(value string) (string, error) { return value, nil }, Now: time.Now,
		})
		if err != nil {
			t.Fatal(err)
		}
		if destination.Ping(t.Context()); asked != "accounts."+domain {
			t.Errorf("%q: asked %s for a token", centre, asked)
		}
	}
}

type transport func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func sorted(document string) string {
	var values map[string]any
	_ = json.Unmarshal([]byte(document), &values)
	encoded, _ := json.Marshal(values)
	return string(encoded)
}

func TestWhatZohoRequiresIsFilledInForNewRecordsOnly(t *testing.T) {
	t.Parallel()
	r := newRig(t, &configv1.Zoho{}, simulated.Options{})
	nameless := `{"Email":"ada@example.com","First_Name":"Ada"}`
	for _, payload := range []string{nameless, ada, nameless} {
		r.Expect(r.deliver(upsert, payload)[0], crm.Delivered, "")
	}
	if got := r.account.records()[0].Properties; got["Last_Name"] != "Lovelace" || got["Company"] != "Engines" {
		t.Errorf("record is %v", got)
	}
}

func TestWhatZohoWouldDropOrRefuseIsLeftOutAndTold(t *testing.T) {
	t.Parallel()
	r := newRig(t, &configv1.Zoho{}, simulated.Options{})
	if _, outcome := r.Destination.Schema(t.Context()); outcome.Kind != crm.Delivered {
		t.Fatal(outcome)
	}
	outcomes := r.deliver(upsert, grace, `{"Email":"ada@example.com","Last_Name":"L","Company":"E","Budget":"9","Phone":"`+strings.Repeat("9", 40)+`","Lead_Source":"Fax"}`)
	outcome := outcomes[1]
	r.Expect(outcome, crm.Delivered, "Budget")
	slices.Sort(outcome.Dropped)
	if got := strings.Join(outcome.Dropped, " "); got != "Budget Lead_Source Phone" {
		t.Errorf("left out %s", got)
	}
	if n := r.account.Records(); n != 2 {
		t.Errorf("%d records", n)
	}
}

func TestSeveralValuesOfATextAreOneText(t *testing.T) {
	t.Parallel()
	r := newRig(t, &configv1.Zoho{}, simulated.Options{})
	if _, outcome := r.Destination.Schema(t.Context()); outcome.Kind != crm.Delivered {
		t.Fatal(outcome)
	}
	payload, err := r.Destination.Encode([]mapping.Property{
		{Name: "Email", Value: "ada@example.com"}, {Name: "Last_Name", Value: "Lovelace"}, {Name: "Company", Value: "Engines"},
		{Name: "Description", Value: []any{"Demo", "Prices"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if outcome := r.deliver(upsert, string(payload))[0]; outcome.Kind != crm.Delivered || len(outcome.Dropped) > 0 {
		t.Errorf("ended as %+v", outcome)
	}
	if got := r.account.records()[0].Properties["Description"]; got != "Demo, Prices" {
		t.Errorf("Zoho has %v", got)
	}
}

// change changes the account's fields, like an administrator.
func (r *rig) change(change string) {
	r.T.Helper()
	changed := httptest.NewRecorder()
	r.account.ServeHTTP(changed, httptest.NewRequest(http.MethodPost, "/_sim/fields", strings.NewReader(change)))
	if changed.Code != http.StatusNoContent {
		r.T.Fatal(changed.Body)
	}
}

func TestWithoutTheFieldThatDuplicatesAreCheckedByNothingIsMadeTwice(t *testing.T) {
	t.Parallel()
	for _, change := range []string{`{"rename":{"Gateway_Key":"Key"}}`, `{"remove":["Gateway_Key"]}`, `{"read_only":["Gateway_Key"]}`} {
		for _, known := range []bool{true, false} { // whether the fields were read again
			if !known && strings.Contains(change, "read_only") {
				continue // only the fields show this
			}
			r := newRig(t, &configv1.Zoho{DuplicateCheck: []string{"Gateway_Key"}}, simulated.Options{})
			keyed := `{"Gateway_Key":"k1","Email":"ada@example.com","Last_Name":"Lovelace","Company":"E"}`
			r.Expect(r.deliver(upsert, keyed)[0], crm.Delivered, "")
			r.change(change)
			if known {
				if _, outcome := r.Destination.Schema(t.Context()); outcome.Kind != crm.Delivered {
					t.Fatal(outcome)
				}
			}
			for range 2 {
				for _, mode := range []leadgatev1.DeliveryMode{upsert, blanks} {
					outcome := r.deliver(mode, keyed)[0]
					r.Expect(outcome, crm.Retry, "")
					if mode == upsert && !strings.Contains(outcome.Reason, "zoho.duplicate_check") {
						t.Errorf("the reason is %q", outcome.Reason)
					}
				}
			}
			if n := r.account.Records(); n != 1 {
				t.Errorf("%s, known %t: %d records", change, known, n)
			}
		}
	}
}

func TestALeadWithoutAnAddressGoesToTheRecordOfItsPhone(t *testing.T) {
	t.Parallel()
	for _, mode := range []leadgatev1.DeliveryMode{upsert, blanks} {
		r := newRig(t, &configv1.Zoho{DuplicateCheck: []string{"Gateway_Key", "Email"}}, simulated.Options{})
		r.change(`{"add":[{"name":"Phone","length":30,"unique":true}]}`)
		there := r.deliver(upsert, `{"Email":"ada@example.com","Phone":"+14155550132","Last_Name":"Lovelace","Company":"Engines"}`)[0].RecordID
		for _, payload := range []string{`{"Phone":"+14155550132","Last_Name":"Byron","City":"London"}`, `{"Gateway_Key":"k2","Phone":"+14155550132","Last_Name":"Byron","City":"London"}`} {
			if outcome := r.late(mode, payload); outcome.Kind != crm.Delivered || outcome.RecordID != there || len(outcome.Dropped) > 0 {
				t.Errorf("%v: ended as %+v, want record %s", mode, outcome, there)
			}
		}
		has := r.account.records()[0].Properties
		if n := r.account.Records(); n != 1 || has["City"] != "London" || has["Company"] != "Engines" || has["Email"] != "ada@example.com" || has["Gateway_Key"] != nil ||
			has["Last_Name"] != map[leadgatev1.DeliveryMode]string{upsert: "Byron", blanks: "Lovelace"}[mode] {
			t.Errorf("%v: %d records, %v", mode, n, has)
		}
		outcome := r.late(mode, `{"Email":"grace@example.com","Phone":"+14155550132","Last_Name":"Hopper","Company":"E"}`) // she is not Ada
		if outcome.Kind != crm.Delivered || outcome.RecordID == there || strings.Join(outcome.Dropped, " ") != "Phone" {
			t.Errorf("%v: another person of the number ended as %+v", mode, outcome)
		}
	}
}

func TestALeadWhoseAddressIsTakenGoesToTheRecordThatHasIt(t *testing.T) {
	t.Parallel()
	for _, mode := range []leadgatev1.DeliveryMode{upsert, blanks} {
		r := newRig(t, &configv1.Zoho{DuplicateCheck: []string{"Gateway_Key"}}, simulated.Options{})
		r.change(`{"add":[{"name":"Email","type":"email","unique":true}]}`)
		there := r.deliver(upsert, `{"Gateway_Key":"k1","Email":"ada@example.com","Last_Name":"Lovelace","Company":"Engines"}`)[0].RecordID
		outcome := r.late(mode, `{"Gateway_Key":"k2","Email":"ada@example.com","Last_Name":"Lovelace","City":"London"}`)
		has := r.account.records()[0].Properties
		if outcome.Kind != crm.Delivered || outcome.RecordID != there || len(outcome.Dropped) > 0 || has["City"] != "London" || has["Gateway_Key"] != "k1" || r.account.Records() != 1 {
			t.Errorf("%v: ended as %+v with %d records, %v", mode, outcome, r.account.Records(), has)
		}
	}
}

// late delivers a lead, with as many attempts as the worker would make.
func (r *rig) late(mode leadgatev1.DeliveryMode, payload string) crm.Outcome {
	r.T.Helper()
	lead := item(payload, len(r.Calls))
	var outcome crm.Outcome
	for range 5 {
		if outcome = r.Destination.Deliver(r.T.Context(), []crm.Item{lead}, mode)[0]; outcome.Kind != crm.Retry {
			break
		}
		lead.Progress = outcome.Progress
		r.Clock.Pass(20 * time.Second)
	}
	return outcome
}

func TestALateLeadOverwritesNothingThatSearchDoesNotKnowYet(t *testing.T) {
	t.Parallel()
	for name, checks := range map[string][]string{"by address": nil, "by a key": {"Gateway_Key"}} {
		r := newRig(t, &configv1.Zoho{DuplicateCheck: checks}, simulated.Options{SearchLag: 50 * time.Second})
		r.Expect(r.deliver(upsert, `{"Gateway_Key":"(k, 1)","Email":"ada@example.com","Last_Name":"Lovelace","Company":"Engines"}`)[0], crm.Delivered, "")
		late := `{"Gateway_Key":"(k, 1)","Email":"ada@example.com","Last_Name":"Byron","City":"London"}`
		if checks != nil {
			late = strings.Replace(late, "ada@", "old@", 1)
		}
		r.Expect(r.late(blanks, late), crm.Delivered, "")
		if has := r.account.records()[0].Properties; r.account.Records() != 1 || has["Last_Name"] != "Lovelace" || has["City"] != "London" || has["Email"] != "ada@example.com" {
			t.Errorf("%s: %d records, %v", name, r.account.Records(), has)
		}
	}
}

func TestWhatZohoSaysDecides(t *testing.T) {
	t.Parallel()
	r := newRig(t, &configv1.Zoho{}, simulated.Options{})
	for _, test := range []struct {
		status int
		body   string
		want   crm.OutcomeKind
		after  time.Duration
	}{
		{429, `{"code":"TOO_MANY_REQUESTS","status":"error","details":{}}`, crm.RateLimited, 10 * time.Second},
		{403, `{"code":"LIMIT_EXCEEDED","status":"error","details":{}}`, crm.RateLimited, 15 * time.Minute},
		{401, `{"code":"OAUTH_SCOPE_MISMATCH","status":"error","details":{}}`, crm.CredentialsRefused, 0},
		{400, `{"code":"INVALID_MODULE","status":"error","details":{"resource_path_index":0}}`, crm.Retry, 0},
		{500, `{"code":"INTERNAL_ERROR","status":"error","details":{}}`, crm.Unknown, 0},
		{200, `{"data":[{"status":"success","details":{"id":"1"}}]}`, crm.Delivered, 0},
		{201, `{"data":[{"status":"success","details":{"id":"1"}}]}`, crm.Delivered, 0},
		{200, `{"data":[{"status":"success","details":{}}]}`, crm.Unknown, 0},
		{200, `{"data":[]}`, crm.Unknown, 0},
		{204, ``, crm.Unknown, 0},
		{200, `{"data":[{"status":"error","code":"RECORD_LOCKED","details":{}}]}`, crm.Retry, 0},
		{200, `{"data":[{"status":"error","code":"DUPLICATE_DATA","details":{"api_name":"Email","id":"7"}}]}`, crm.Retry, 0},
		{200, `{"data":[{"status":"error","code":"CONVERTED_RECORD","details":{}}]}`, crm.Refused, 0},
		{200, `{"data":[{"status":"error","code":"STORAGE_SPACE_EXCEEDED","details":{}}]}`, crm.RateLimited, time.Hour},
		{200, `{"data":[{"status":"error","code":"INVALID_DATA","details":{"api_name":"Email","json_path":"$.data[0].Email"}}]}`, crm.Refused, 0},
		{200, `{"data":[{"status":"error","code":"INVALID_DATA","details":{"api_name":"Email","json_path":"$.data[3].Email"}}]}`, crm.Unknown, 0},
		{200, `{"data":[{"status":"error","code":"NEW_ONE","details":{}}]}`, crm.Refused, 0},
		{200, `{"data":[{"status":"error","code":"INVALID_DATA","details":{"api_name":"id"}}]}`, crm.Retry, 0},
	} {
		r.Answer(test.status, test.body)
		outcome := r.deliver(upsert, ada)[0]
		if outcome.Kind != test.want || outcome.After != test.after || outcome.Kind != crm.Delivered && outcome.Reason == "" {
			t.Errorf("%d %s ended as %+v, want %d after %v", test.status, test.body, outcome, test.want, test.after)
		}
	}
	r.Answer(400, `{"code":"INVALID_DATA","status":"error","details":{}}`)
	r.Expect(r.deliver(upsert, ada, grace)[1], crm.Split, "400")
}

func TestTokensAreFewAndTooManyIsNoRefusal(t *testing.T) {
	t.Parallel()
	r := newRig(t, &configv1.Zoho{}, simulated.Options{})
	for range 20 {
		r.Expect(r.deliver(upsert, ada)[0], crm.Delivered, "")
		r.Clock.Pass(time.Minute)
	}
	if r.Tokens != 1 {
		t.Errorf("%d tokens in twenty minutes", r.Tokens)
	}
	for range 9 { // others use the same refresh token
		r.account.SetFaults(simulator.Faults{Kind: simulator.KindExpire, Times: 1})
		r.Clock.Pass(61 * time.Second)
		r.Expect(r.deliver(upsert, ada)[0], crm.Delivered, "")
	}
	r.account.SetFaults(simulator.Faults{Kind: simulator.KindExpire, Times: 1})
	r.Clock.Pass(time.Second)
	outcome := r.deliver(upsert, ada)[0] // the token is too young to be replaced
	r.Expect(outcome, crm.CredentialsRefused, "access token")
}

func TestBlanksAreFilledAndNothingElse(t *testing.T) {
	t.Parallel()
	r := newRig(t, &configv1.Zoho{}, simulated.Options{})
	r.deliver(upsert, ada)
	r.Expect(r.deliver(blanks, `{"Email":"ada@example.com","Last_Name":"Byron","City":"London"}`)[0], crm.Delivered, "")
	if got := r.account.records()[0].Properties; got["Last_Name"] != "Lovelace" || got["City"] != "London" {
		t.Errorf("record is %v", got)
	}
	r.Expect(r.deliver(blanks, `{"Email":"ada@example.com","Last_Name":"Byron"}`)[0], crm.Delivered, "")
	r.Expect(r.late(blanks, grace), crm.Delivered, "")
	if n := r.account.Records(); n != 2 {
		t.Errorf("%d records", n)
	}
}

func TestALeadWithoutAnAddressIsNotDoubledByALostAnswer(t *testing.T) {
	t.Parallel()
	r := newRig(t, &configv1.Zoho{}, simulated.Options{})
	r.Expect(r.deliver(upsert, `{"Email":"boss@example.com","Phone":"+14155550132","Last_Name":"Boss","Company":"E"}`)[0], crm.Delivered, "") // of the same office
	r.Clock.Pass(time.Hour)
	phone := item(`{"Phone":"+14155550132","Last_Name":"Lovelace","Company":"E"}`, 1)
	r.account.SetFaults(simulator.Faults{Kind: simulator.KindLost, Path: "Leads", Times: 1})
	r.Expect(r.Destination.Deliver(t.Context(), []crm.Item{phone}, upsert)[0], crm.Unknown, "lost")
	phone.Unanswered = r.Clock.Now()
	r.Expect(r.Destination.Deliver(t.Context(), []crm.Item{phone}, upsert)[0], crm.Delivered, "")
	if boss := r.account.records()[0].Properties; boss["Last_Name"] != "Boss" {
		t.Errorf("somebody else with that number is %v now", boss)
	}
	other := item(`{"Phone":"+14155550133","Last_Name":"Lovelace","Company":"E"}`, 2)
	other.Unanswered = r.Clock.Now()
	r.Expect(r.Destination.Deliver(t.Context(), []crm.Item{other}, upsert)[0], crm.Retry, "looked for again")
	r.account.SetFaults(simulator.Faults{Kind: simulator.KindStatus, Status: 503, Path: "search", Times: 1})
	r.Expect(r.Destination.Deliver(t.Context(), []crm.Item{other}, upsert)[0], crm.Retry, "") // the lost answer is still the first
	r.Clock.Pass(2 * time.Minute)
	r.Expect(r.Destination.Deliver(t.Context(), []crm.Item{other}, upsert)[0], crm.Delivered, "")
	if n := r.account.Records(); n != 3 {
		t.Errorf("%d records", n)
	}
	nothing := item(`{"Last_Name":"Lovelace","Company":"E"}`, 3)
	nothing.Unanswered = noon
	r.Expect(r.Destination.Deliver(t.Context(), []crm.Item{nothing}, upsert)[0], crm.Undecided, "")
}

func TestARecordThatWasMergedIntoAnotherIsLookedForAgain(t *testing.T) {
	t.Parallel()
	const late = `{"Email":"ada@example.com","Last_Name":"Byron","Company":"Engines","City":"London"}`
	r := newRig(t, &configv1.Zoho{}, simulated.Options{SearchLag: 30 * time.Second})
	into := r.deliver(upsert, ada, grace)[1].RecordID
	merge := func() {
		t.Helper()
		merged := httptest.NewRecorder()
		r.account.ServeHTTP(merged, httptest.NewRequest(http.MethodPost, "/_sim/merge", strings.NewReader(`{"from":"ada@example.com","into":"grace@example.com"}`)))
		if merged.Code != http.StatusNoContent {
			t.Fatal(merged.Body)
		}
	}
	merge()
	r.Expect(r.deliver(blanks, late)[0], crm.Retry, "merged") // search still finds the old record
	r.Clock.Pass(time.Minute)
	r.Expect(r.late(blanks, late), crm.Delivered, "")
	if n := r.account.Records(); n != 2 { // the address went with its record, and now belongs to another
		t.Errorf("%d records", n)
	}
	merge()
	r.Expect(r.deliver(upsert, ada)[0], crm.Delivered, "")
	r.Expect(r.deliver(upsert, ada)[0], crm.Delivered, "")
	if outcome := r.deliver(upsert, grace)[0]; outcome.Kind != crm.Delivered || outcome.RecordID != into || r.account.Records() != 2 {
		t.Errorf("ended as %+v with %d records", outcome, r.account.Records())
	}
}

func TestCreditsLeftAreReported(t *testing.T) {
	t.Parallel()
	r := newRig(t, &configv1.Zoho{}, simulated.Options{Credits: 3})
	for range 3 {
		r.deliver(upsert, ada)
	}
	if len(r.Quotas) != 1 && len(r.Quotas) != 2 || r.Quotas[len(r.Quotas)-1] != (crm.Quota{Window: 24 * time.Hour}) {
		t.Errorf("reported %+v", r.Quotas)
	}
	r.Expect(r.deliver(upsert, ada)[0], crm.RateLimited, "credits")
}

func TestAnAPIElsewhereIsNotBelieved(t *testing.T) {
	t.Parallel()
	for domain, own := range map[string]bool{
		"https://www.zohoapis.eu": true, "https://www.zohoapis.com.au": true, "http://www.zohoapis.eu": false, "https://zohoapis.eu.example.com": false,
		"https://www.zohoapis.example.com": false, "https://zoho.example.com": false, "https://notzohoapis.eu": false, "https://evil.example": false,
	} {
		var hosts []string
		d, err := zoho.New(&configv1.Zoho{DataCenter: "eu", ClientId: "c", ClientSecret: "s", RefreshToken: "r"}, crm.Environment{
			Client: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
				hosts = append(hosts, r.URL.Host)
				answer := httptest.NewRecorder()
				fmt.Fprintf(answer, `{"access_token":"a","api_domain":%q}`, domain)
				return answer.Result(), nil
			})},
			Secret: func(value string) (string, error) { return value, nil }, Now: func() time.Time { return noon },
		})
		if err != nil {
			t.Fatal(err)
		}
		outcome := d.Ping(t.Context())
		if refused := outcome.Kind == crm.CredentialsRefused && strings.Contains(outcome.Reason, "zoho.data_center"); refused == own || len(hosts) != map[bool]int{true: 2, false: 1}[own] {
			t.Errorf("%s: called %v, which ended as %+v", domain, hosts, outcome)
		}
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
