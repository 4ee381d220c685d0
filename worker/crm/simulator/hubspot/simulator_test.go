package hubspot_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/leadgate/leadgate/worker/crm/simulator"
	"github.com/leadgate/leadgate/worker/crm/simulator/hubspot"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const base = "/crm/v3/objects/contacts"

// rig is a simulated account with a clock of its own.
type rig struct {
	t     *testing.T
	sim   *hubspot.Simulator
	now   time.Time
	token string
}

func newRig(t *testing.T, o hubspot.Options) *rig {
	r := &rig{t: t, now: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC), token: "pat-na1-token"}
	o.Now = func() time.Time { return r.now }
	r.sim = hubspot.New(o)
	return r
}

// answer is the answer to a call.
type answer struct {
	status int
	header http.Header
	text   string
	body   struct {
		ID         string             `json:"id"`
		New        *bool              `json:"new"`
		Properties map[string]*string `json:"properties"`
		CreatedAt  time.Time          `json:"createdAt"`
		UpdatedAt  time.Time          `json:"updatedAt"`

		Status     string              `json:"status"`
		Category   string              `json:"category"`
		Message    string              `json:"message"`
		Policy     string              `json:"policyName"`
		Trace      string              `json:"objectWriteTraceId"`
		Correlated string              `json:"correlationId"`
		Context    map[string][]string `json:"context"`
		NumErrors  int                 `json:"numErrors"`
		Total      int                 `json:"total"`
		PortalID   int                 `json:"portalId"`

		Results []struct {
			ID         string             `json:"id"`
			Name       string             `json:"name"`
			New        *bool              `json:"new"`
			Trace      string             `json:"objectWriteTraceId"`
			Properties map[string]*string `json:"properties"`
		} `json:"results"`
		Errors []struct {
			Code     string              `json:"code"`
			Category string              `json:"category"`
			Message  string              `json:"message"`
			Context  map[string][]string `json:"context"`
		} `json:"errors"`
	}
}

func (r *rig) call(method, path, body string) answer {
	r.t.Helper()
	req := httptest.NewRequestWithContext(r.t.Context(), method, path, strings.NewReader(body))
	if r.token != "" {
		req.Header.Set("Authorization", "Bearer "+r.token)
	}
	w := httptest.NewRecorder()
	r.sim.ServeHTTP(w, req)
	a := answer{status: w.Code, header: w.Header(), text: w.Body.String()}
	if !strings.HasPrefix(path, "/_sim") && a.header.Get("Content-Type") == "" {
		r.t.Errorf("%s %s: no content type, at which HubSpot's own client gives up", method, path)
	}
	if a.text != "" && strings.Contains(a.header.Get("Content-Type"), "json") && a.text[0] == '{' {
		if err := json.Unmarshal(w.Body.Bytes(), &a.body); err != nil {
			r.t.Fatalf("%s: %v", a.text, err)
		}
	}
	return a
}

func (r *rig) want(status int, method, path, body string) answer {
	r.t.Helper()
	a := r.call(method, path, body)
	if a.status != status {
		r.t.Fatalf("%s %s %s: %d %s, want %d", method, path, body, a.status, a.text, status)
	}
	return a
}

// contacts returns the records from the debug URL.
func (r *rig) contacts() (contacts []struct {
	ID         string
	Properties map[string]string
}) {
	r.t.Helper()
	if err := json.Unmarshal([]byte(r.want(200, "GET", "/_sim/contacts", "").text), &contacts); err != nil {
		r.t.Fatal(err)
	}
	return contacts
}

func value(properties map[string]*string, name string) string {
	if v := properties[name]; v != nil {
		return *v
	}
	return ""
}

func TestAContactIsCreatedReadAndChanged(t *testing.T) {
	t.Parallel()
	r := newRig(t, hubspot.Options{})
	made := r.want(201, "POST", base, `{"properties":{"email":"Ada@Example.com","firstname":"Ada","phone":"+14155550132"},"associations":[]}`).body
	if made.ID == "" || value(made.Properties, "email") != "ada@example.com" || value(made.Properties, "hs_object_id") != made.ID || made.CreatedAt.IsZero() {
		t.Errorf("created %+v", made)
	}
	r.now = r.now.Add(time.Minute)
	changed := r.want(200, "PATCH", base+"/ada%40example.com?idProperty=email", `{"properties":{"lastname":"Lovelace","firstname":"","phone":null}}`).body
	if changed.ID != made.ID || !changed.UpdatedAt.After(changed.CreatedAt) {
		t.Errorf("changed %+v", changed)
	}
	read := r.want(200, "GET", base+"/"+made.ID+"?properties=phone,lastname,company", "").body
	for name, want := range map[string]string{"email": "ada@example.com", "lastname": "Lovelace", "firstname": "", "phone": "", "company": ""} {
		got, there := read.Properties[name]
		if !there || value(read.Properties, name) != want || (want == "") != (got == nil) {
			t.Errorf("%s is %q, want %q", name, value(read.Properties, name), want)
		}
	}
	r.want(404, "GET", base+"/nobody@example.com?idProperty=email", "")
	r.want(404, "PATCH", base+"/999", `{"properties":{}}`)
	r.want(204, "DELETE", base+"/"+made.ID, "")
	r.want(404, "GET", base+"/"+made.ID, "")
	r.want(201, "POST", base, `{"properties":{"email":"ada@example.com"}}`)
}

func TestAddressesAreUnique(t *testing.T) {
	t.Parallel()
	r := newRig(t, hubspot.Options{})
	ada := r.want(201, "POST", base, `{"properties":{"email":"ada@example.com","hs_additional_emails":"a@example.com;countess@example.com"}}`).body.ID
	grace := r.want(201, "POST", base, `{"properties":{"email":"grace@example.com"}}`).body.ID
	for _, taken := range []string{"ada@example.com", "ADA@example.com", "countess@example.com"} {
		conflict := r.want(409, "POST", base, fmt.Sprintf(`{"properties":{"email":%q}}`, taken)).body
		if conflict.Category != "CONFLICT" || conflict.Message != "Contact already exists. Existing ID: "+ada || conflict.Correlated == "" {
			t.Errorf("%s: %+v", taken, conflict)
		}
	}
	r.want(409, "PATCH", base+"/"+grace, `{"properties":{"email":"ada@example.com"}}`)
	r.want(200, "PATCH", base+"/"+ada, `{"properties":{"email":"lovelace@example.com","hs_additional_emails":""}}`)
	r.want(200, "PATCH", base+"/"+grace, `{"properties":{"email":"ada@example.com"}}`)
}

func TestPropertiesThatHubSpotWouldNotTake(t *testing.T) {
	t.Parallel()
	r := newRig(t, hubspot.Options{})
	for code, properties := range map[string]string{
		"PROPERTY_DOESNT_EXIST": `"utm_src":"x"`, "INVALID_EMAIL": `"email":"ada@localhost"`, "READ_ONLY_VALUE": `"hs_object_id":"7"`,
		"INVALID_OPTION": `"lifecyclestage":"friend"`, "INVALID_DATE": `"closedate":"tomorrow"`,
	} {
		refused := r.want(400, "POST", base, `{"properties":{"firstname":"Ada",`+properties+`}}`).body
		if refused.Category != "VALIDATION_ERROR" || len(refused.Errors) != 1 || refused.Errors[0].Code != code || len(refused.Errors[0].Context["propertyName"]) != 1 {
			t.Errorf("%s: %+v", properties, refused)
		}
		_, embedded, _ := strings.Cut(refused.Message, "Property values were not valid: ")
		var parsed []struct{ Error, Name string }
		if err := json.Unmarshal([]byte(embedded), &parsed); err != nil || parsed[0].Error != code || parsed[0].Name != refused.Errors[0].Context["propertyName"][0] {
			t.Errorf("%s: message %s", properties, refused.Message)
		}
	}
	r.want(400, "POST", base, `{"properties":{"phone":"+14155550132"}}`)
	r.want(400, "POST", base, `{"properties":{"firstname":7}}`)
	r.want(400, "POST", base, `{"properties":`)
	r.want(201, "POST", base, `{"properties":{"firstname":"Ada","lifecyclestage":"lead","closedate":"2026-11-24","hs_email_optout":"true"}}`)
}

func TestABatchWithTracesSucceedsInPart(t *testing.T) {
	t.Parallel()
	r := newRig(t, hubspot.Options{Seed: 3})
	r.want(201, "POST", base, `{"properties":{"email":"ada@example.com","phone":"1"}}`)
	a := r.want(207, "POST", base+"/batch/upsert", `{"inputs":[
		{"idProperty":"email","id":"Ada@example.com","objectWriteTraceId":"a","properties":{"firstname":"Ada"}},
		{"idProperty":"email","id":"grace@example.com","objectWriteTraceId":"g","properties":{"email":"grace@example.com","utm_src":"x"}},
		{"idProperty":"email","id":"mary@example.com","objectWriteTraceId":"m","properties":{"firstname":"Mary"}},
		{"idProperty":"email","id":"joan@example.com","objectWriteTraceId":"j","properties":{"email":"ada@example.com"}}]}`)
	if a.body.Status != "COMPLETE" || a.body.NumErrors != 2 || len(a.body.Results) != 2 || len(a.body.Errors) != 2 {
		t.Fatalf("answered %s", a.text)
	}
	for _, result := range a.body.Results {
		if isNew := result.Trace == "m"; result.New == nil || *result.New != isNew {
			t.Errorf("result %+v", result)
		}
	}
	for i, want := range []struct{ trace, category string }{{"g", "VALIDATION_ERROR"}, {"j", "CONFLICT"}} {
		if got := a.body.Errors[i]; got.Category != want.category || !slices.Equal(got.Context["objectWriteTraceId"], []string{want.trace}) {
			t.Errorf("error %+v, want %v", got, want)
		}
	}
	contacts := r.contacts()
	if len(contacts) != 2 || contacts[0].Properties["firstname"] != "Ada" || contacts[0].Properties["phone"] != "1" || contacts[1].Properties["email"] != "mary@example.com" {
		t.Errorf("contacts are %v", contacts)
	}
	requests := r.sim.Requests()
	if last := requests[len(requests)-1]; last.Items != 4 || last.Committed != 2 || last.Status != 207 {
		t.Errorf("journal says %+v", last)
	}
}

func TestABatchWithoutTracesSucceedsOrFailsAsAWhole(t *testing.T) {
	t.Parallel()
	r := newRig(t, hubspot.Options{})
	batch := `{"inputs":[{"idProperty":"email","id":"ada@example.com","properties":{"firstname":"Ada"}},
		{"idProperty":"email","id":"grace@example.com","properties":{%s}}]}`
	r.want(400, "POST", base+"/batch/upsert", fmt.Sprintf(batch, `"utm_src":"x"`))
	if contacts := r.contacts(); len(contacts) != 0 {
		t.Errorf("contacts are %v", contacts)
	}
	r.want(200, "POST", base+"/batch/upsert", fmt.Sprintf(batch, ""))
	if contacts := r.contacts(); len(contacts) != 2 {
		t.Errorf("contacts are %v", contacts)
	}
}

func TestBatchesThatAreRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t, hubspot.Options{})
	inputs := func(n int) string {
		all := make([]string, n)
		for i := range all {
			all[i] = fmt.Sprintf(`{"idProperty":"email","id":"p%d@example.com","objectWriteTraceId":"%d","properties":{}}`, i, i)
		}
		return `{"inputs":[` + strings.Join(all, ",") + `]}`
	}
	r.want(400, "POST", base+"/batch/upsert", inputs(101))
	r.want(400, "POST", base+"/batch/upsert", inputs(0))
	twice := r.want(400, "POST", base+"/batch/upsert", `{"inputs":[{"idProperty":"email","id":"ada@example.com","objectWriteTraceId":"1"},
		{"idProperty":"email","id":" ADA@example.com","objectWriteTraceId":"2"}]}`).body
	if !strings.HasPrefix(twice.Message, "Duplicate IDs found in batch input") || twice.Category != "VALIDATION_ERROR" || len(twice.Context["ids"]) != 1 {
		t.Errorf("answered %+v", twice)
	}
	byPhone := r.want(400, "POST", base+"/batch/upsert", `{"inputs":[{"idProperty":"phone","id":"1","properties":{}}]}`).body
	if !strings.HasPrefix(byPhone.Message, "Unable to perform update/upsert by non-unique 0-1 property") {
		t.Errorf("answered %+v", byPhone)
	}
	r.want(200, "POST", base+"/batch/upsert", inputs(100))
}

func TestSomeOfABatchAreRefusedOrLeftOutOfTheAnswer(t *testing.T) {
	t.Parallel()
	r := newRig(t, hubspot.Options{})
	var inputs []string
	for _, name := range []string{"ada", "grace", "mary"} {
		inputs = append(inputs, fmt.Sprintf(`{"idProperty":"email","id":"%s@example.com","objectWriteTraceId":"%[1]s","properties":{}}`, name))
	}
	batch := `{"inputs":[` + strings.Join(inputs, ",") + `]}`
	r.sim.SetFaults(simulator.Faults{Kind: simulator.KindPartial})
	refused := r.want(207, "POST", base+"/batch/upsert", batch).body
	if len(refused.Results) != 2 || len(refused.Errors) != 1 || !slices.Equal(refused.Errors[0].Context["objectWriteTraceId"], []string{"grace"}) {
		t.Errorf("answered %+v", refused)
	}
	r.want(400, "POST", base, `{"properties":{"email":"joan@example.com"}}`)
	r.sim.SetFaults(simulator.Faults{Kind: simulator.KindOmit, Containing: "mary"})
	omitted := r.want(200, "POST", base+"/batch/upsert", batch).body
	if len(omitted.Results) != 2 || len(omitted.Errors) != 0 || len(r.contacts()) != 3 {
		t.Errorf("answered %+v, and has %v", omitted, r.contacts())
	}
}

func TestResultsComeInNoOrderButTheSameForASeed(t *testing.T) {
	t.Parallel()
	order := func(seed uint64) string {
		r := newRig(t, hubspot.Options{Seed: seed})
		var inputs []string
		for i := range 20 {
			inputs = append(inputs, fmt.Sprintf(`{"objectWriteTraceId":"%d","properties":{"email":"p%[1]d@example.com"}}`, i))
		}
		a := r.want(201, "POST", base+"/batch/create", `{"inputs":[`+strings.Join(inputs, ",")+`]}`)
		var order []string
		for _, result := range a.body.Results {
			order = append(order, result.Trace)
		}
		return strings.Join(order, " ")
	}
	first := order(1)
	if strings.HasPrefix(first, "0 1 2 3 4") || order(1) != first || order(2) == first {
		t.Errorf("orders are %s; %s; %s", first, order(1), order(2))
	}
}

func TestBatchesReadUpdateAndArchive(t *testing.T) {
	t.Parallel()
	r := newRig(t, hubspot.Options{})
	id := r.want(201, "POST", base, `{"properties":{"email":"ada@example.com","phone":"1"}}`).body.ID
	r.want(200, "POST", base+"/batch/update", `{"inputs":[{"id":"`+id+`","properties":{"phone":"2"}}]}`)
	r.want(400, "POST", base+"/batch/update", `{"inputs":[{"id":"999","properties":{"phone":"2"}}]}`)
	read := r.want(207, "POST", base+"/batch/read", `{"idProperty":"email","properties":["phone"],"inputs":[{"id":"ada@example.com"},{"id":"x@example.com"}]}`).body
	if len(read.Results) != 1 || value(read.Results[0].Properties, "phone") != "2" || !slices.Equal(read.Errors[0].Context["ids"], []string{"x@example.com"}) {
		t.Errorf("read %+v", read)
	}
	r.want(200, "POST", base+"/batch/read", `{"inputs":[{"id":"`+id+`"}]}`)
	r.want(204, "POST", base+"/batch/archive", `{"inputs":[{"id":"`+id+`"}]}`)
	if contacts := r.contacts(); len(contacts) != 0 {
		t.Errorf("contacts are %v", contacts)
	}
}

func TestASearchLagsBehind(t *testing.T) {
	t.Parallel()
	r := newRig(t, hubspot.Options{SearchLag: 5 * time.Second})
	r.want(201, "POST", base, `{"properties":{"email":"ada@example.com","company":"Analytical Engines"}}`)
	search := `{"filterGroups":[{"filters":[{"propertyName":"company","operator":"EQ","value":"none"}]},
		{"filters":[{"propertyName":"email","operator":"%s","value":"ADA@example.com","values":["ada@example.com"]},
		{"propertyName":"company","operator":"HAS_PROPERTY"}]}],"properties":["company"],"limit":1}`
	if got := r.want(200, "POST", base+"/search", fmt.Sprintf(search, "EQ")).body; got.Total != 0 || got.Results == nil {
		t.Errorf("found %+v at once", got)
	}
	r.now = r.now.Add(5 * time.Second)
	for operator, want := range map[string]int{"EQ": 1, "IN": 1, "NEQ": 0, "CONTAINS_TOKEN": 1, "NOT_HAS_PROPERTY": 0, "??": 0} {
		if got := r.want(200, "POST", base+"/search", fmt.Sprintf(search, operator)).body; got.Total != want {
			t.Errorf("%s found %d", operator, got.Total)
		}
	}
	r.want(201, "POST", base, `{"properties":{"email":"grace@example.com"}}`)
	r.now = r.now.Add(5 * time.Second)
	page := r.want(200, "POST", base+"/search", `{"limit":1}`)
	next := r.want(200, "POST", base+"/search", `{"limit":1,"after":"1"}`)
	if !strings.Contains(page.text, `"after":"1"`) || strings.Contains(next.text, `"after"`) || value(next.body.Results[0].Properties, "email") != "grace@example.com" {
		t.Errorf("pages are %s and %s", page.text, next.text)
	}
	if page.header.Get("X-HubSpot-RateLimit-Remaining") != "" {
		t.Error("a search told the limits")
	}
}

func TestAPropertyCanBeAddedAndRemoved(t *testing.T) {
	t.Parallel()
	r := newRig(t, hubspot.Options{})
	properties := "/crm/v3/properties/contacts"
	names := func(query string) (names []string) {
		for _, p := range r.want(200, "GET", properties+query, "").body.Results {
			names = append(names, p.Name)
		}
		return names
	}
	if got := names(""); !slices.Contains(got, "email") || slices.Contains(got, "order_no") {
		t.Errorf("properties are %v", got)
	}
	property := `{"name":"order_no","label":"Order","type":"string","fieldType":"text","groupName":"contactinformation","hasUniqueValue":true}`
	r.want(201, "POST", properties, property)
	r.want(409, "POST", properties, property)
	r.want(400, "POST", properties, `{"name":"x"}`)
	r.want(200, "GET", properties+"/order_no", "")
	upsert := `{"inputs":[{"idProperty":"order_no","id":"A7","properties":{"email":"ada@example.com","firstname":"%s"}}]}`
	r.want(200, "POST", base+"/batch/upsert", fmt.Sprintf(upsert, "Ada"))
	r.want(200, "POST", base+"/batch/upsert", fmt.Sprintf(upsert, "Augusta"))
	if contacts := r.contacts(); len(contacts) != 1 || contacts[0].Properties["firstname"] != "Augusta" || contacts[0].Properties["order_no"] != "A7" {
		t.Errorf("contacts are %v", contacts)
	}
	r.want(204, "DELETE", properties+"/order_no", "")
	r.want(404, "GET", properties+"/order_no", "")
	r.want(404, "DELETE", properties+"/order_no", "")
	r.want(400, "POST", base, `{"properties":{"firstname":"Grace","order_no":"A8"}}`)
	if got := names("?archived=true"); !slices.Equal(got, []string{"order_no"}) {
		t.Errorf("archived are %v", got)
	}
}

func TestTheTokenIsChecked(t *testing.T) {
	t.Parallel()
	r := newRig(t, hubspot.Options{Token: "pat-na1-token"})
	if details := r.want(200, "GET", "/account-info/v3/details", "").body; details.PortalID == 0 {
		t.Errorf("details are %+v", details)
	}
	for _, token := range []string{"another", ""} {
		r.token = token
		if refused := r.want(401, "GET", "/account-info/v3/details", "").body; refused.Category != "INVALID_AUTHENTICATION" || refused.Status != "error" {
			t.Errorf("token %q: %+v", token, refused)
		}
	}
	r.want(200, "GET", "/_sim/contacts", "") // needs no token
	anybody := newRig(t, hubspot.Options{})
	anybody.want(200, "GET", "/account-info/v3/details", "")
	anybody.token = ""
	anybody.want(401, "GET", "/account-info/v3/details", "")
}

func TestLimitsAreKeptAndTold(t *testing.T) {
	t.Parallel()
	r := newRig(t, hubspot.Options{TenSecondly: 3, Secondly: 2, Daily: 5})
	ping := func(want int, policy string) answer {
		t.Helper()
		a := r.want(want, "GET", "/account-info/v3/details", "")
		if a.body.Policy != policy {
			t.Errorf("policy %q, want %q: %s", a.body.Policy, policy, a.text)
		}
		return a
	}
	first := ping(200, "")
	for name, want := range map[string]string{
		"Max": "3", "Remaining": "2", "Interval-Milliseconds": "10000", "Daily": "5", "Daily-Remaining": "4", "Secondly": "2", "Secondly-Remaining": "1",
	} {
		if got := first.header.Get("X-HubSpot-RateLimit-" + name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	ping(200, "")
	if over := ping(429, "SECONDLY"); over.body.Message != "You have reached your secondly limit." {
		t.Errorf("HubSpot's own client compares the message, which is %q", over.body.Message)
	}
	r.now = r.now.Add(time.Second)
	ping(200, "")
	ping(429, "TEN_SECONDLY_ROLLING")
	r.now = r.now.Add(9 * time.Second)
	ping(200, "")
	r.now = r.now.Add(9 * time.Second)
	ping(200, "")
	r.now = r.now.Add(10 * time.Second)
	ping(429, "DAILY")
	r.now = r.now.Add(12 * time.Hour)
	ping(200, "")
}

func TestFaultsAreWordedAsHubSpotWordsThem(t *testing.T) {
	t.Parallel()
	r := newRig(t, hubspot.Options{})
	for status, want := range map[int]string{
		400: "VALIDATION_ERROR", 401: "INVALID_AUTHENTICATION", 403: "MISSING_SCOPES", 404: "OBJECT_NOT_FOUND", 409: "CONFLICT", 500: "INTERNAL_ERROR", 503: "INTERNAL_ERROR",
	} {
		r.sim.SetFaults(simulator.Faults{Status: status})
		if got := r.want(status, "POST", base, `{}`).body; got.Category != want || got.Correlated == "" {
			t.Errorf("%d is %+v", status, got)
		}
	}
	r.sim.SetFaults(simulator.Faults{Status: 429})
	if got := r.want(429, "POST", base, `{}`).body; got.Policy != "TEN_SECONDLY_ROLLING" || got.Message != "You have reached your ten_secondly_rolling limit." {
		t.Errorf("429 is %+v", got)
	}
}

func TestUnknownAddressesAreAnsweredInHubSpotsWords(t *testing.T) {
	t.Parallel()
	r := newRig(t, hubspot.Options{})
	if got := r.want(404, "GET", "/crm/v3/objects/deals/1", "").body; got.Status != "error" {
		t.Errorf("answered %+v", got)
	}
	r.want(201, "POST", "/crm/objects/2026-03/contacts", `{"properties":{"email":"ada@example.com"}}`) // a path with a date
}

func TestContactsCanBeShownWhileTheyChange(t *testing.T) {
	t.Parallel()
	r := newRig(t, hubspot.Options{TenSecondly: -1})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 50 {
			r.call("POST", base+"/batch/upsert", fmt.Sprintf(`{"inputs":[{"idProperty":"email","id":"ada@example.com","properties":{"phone":"%d"}}]}`, i))
		}
	}()
	for range 50 {
		if _, err := json.Marshal(r.sim.Contacts()); err != nil {
			t.Error(err)
		}
	}
	<-done
}
