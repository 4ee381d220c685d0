package main_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

const token = "sim-token"

// house is a gateway in front of a simulated CRM.
type house struct {
	t       *testing.T
	crm     *process
	gateway *process
	config  string
	data    string
	// visitors counts the forms sent by submit.
	visitors int
	// crmFaults are the CRM's current faults.
	crmFaults string
}

// newHouse starts both, with a form and one destination that retries quickly.
func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{t: t, data: filepath.Join(t.TempDir(), "data"), config: filepath.Join(t.TempDir(), "leadgate.yaml")}
	h.crm = start(t, nil, "simulate", "hubspot", "--listen", "127.0.0.1:0", "--token", token)
	config := fmt.Sprintf(`
forms:
  contact:
    fields: { email: email, firstname: first_name, lastname: last_name, phone: phone, country: country, message: message }
    required: [email]
    default_region: US
    destinations: [crm]
destinations:
  crm:
    hubspot: { token: "${env:HUBSPOT_TOKEN}", base_url: "http://%s" }
    limits: { requests_per_second: 100 }
    retry: { initial_delay: 20ms, max_delay: 200ms }
`, h.crm.address)
	if err := os.WriteFile(h.config, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	h.restart()
	return h
}

// restart starts the gateway, also after it ended.
func (h *house) restart() {
	h.t.Helper()
	h.gateway = start(h.t, []string{"HUBSPOT_TOKEN=" + token}, "serve", "--config", h.config, "--listen", "127.0.0.1:0", "--data-dir", h.data)
}

func (h *house) url(path string) string { return "http://" + h.gateway.address + path }

// contact is a record of the simulated CRM.
type contact struct {
	ID         string            `json:"id"`
	Properties map[string]string `json:"properties"`
}

func (h *house) contacts() []contact {
	h.t.Helper()
	a := request(h.t, "GET", "http://"+h.crm.address+"/_sim/contacts", "", "")
	var contacts []contact
	if err := json.Unmarshal([]byte(a.text), &contacts); err != nil {
		h.t.Fatalf("contacts of the CRM: %v: %s", err, a.text)
	}
	return contacts
}

// onlyContact returns the CRM's only record.
func (h *house) onlyContact() contact {
	h.t.Helper()
	contacts := h.contacts()
	if len(contacts) != 1 {
		h.t.Fatalf("the CRM has %d contacts, want exactly 1: %v", len(contacts), contacts)
	}
	return contacts[0]
}

func (h *house) faults(faults string) {
	h.t.Helper()
	h.crmFaults = faults
	if a := request(h.t, "POST", "http://"+h.crm.address+"/_sim/faults", "application/json", faults); a.status >= 300 {
		h.t.Fatalf("faults %s: %d %s", faults, a.status, a.text)
	}
}

var ada = url.Values{
	"email": {" Ada.Lovelace@Example.COM "}, "firstname": {"Ada "}, "lastname": {"Lovelace"},
	"phone": {"(415) 555-0132"}, "country": {"United States"}, "message": {"12 km\r\neach way"},
}

func (h *house) post(key string, form url.Values) answer {
	h.t.Helper()
	return request(h.t, "POST", h.url("/v1/forms/contact/submissions"), "application/x-www-form-urlencoded", form.Encode(), "Idempotency-Key", key)
}

func TestAFormPostBecomesOneCleanContact(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	events := h.gateway.watch()
	a := h.post("k1", ada)
	if a.status != 201 {
		t.Fatalf("answer %d %s", a.status, a.text)
	}
	leadID := a.body["leadId"].(string)
	if want := "/v1/leads/" + leadID; a.header.Get("Location") != want {
		t.Errorf("Location %q, want %q", a.header.Get("Location"), want)
	}

	stages := await(t, events, leadID, "SUCCESS")
	if want := []string{"RECEIVED", "VALIDATED", "QUEUED", "CRM_API_CALL", "SUCCESS"}; !slices.Equal(stages, want) {
		t.Errorf("stages %v, want %v", stages, want)
	}
	got := h.onlyContact().Properties
	for name, want := range map[string]string{
		"email": "ada.lovelace@example.com", "firstname": "Ada", "lastname": "Lovelace",
		"phone": "+14155550132", "country": "US", "message": "12 km\neach way",
	} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}

	lead := request(t, "GET", h.url("/v1/leads/"+leadID), "", "")
	if lead.status != 200 || !strings.Contains(lead.text, `"DELIVERY_STATE_DELIVERED"`) || !strings.Contains(lead.text, "Ada.Lovelace@Example.COM") {
		t.Errorf("the lead's story lacks its delivery or its raw submission: %d %s", lead.status, lead.text)
	}
}

func TestTheSameKeyFiftyTimesAtOnceMakesOneLead(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	const times = 50
	answers := make([]answer, times)
	var wg sync.WaitGroup
	for i := range times {
		wg.Go(func() { answers[i] = h.post("double-click", ada) })
	}
	wg.Wait()
	byStatus := map[int]int{}
	ids := map[any]bool{}
	for _, a := range answers {
		byStatus[a.status]++
		ids[a.body["leadId"]] = true
		if replayed := a.header.Get("Idempotency-Replayed"); (a.status == 200) != (replayed == "true") {
			t.Errorf("status %d with Idempotency-Replayed %q", a.status, replayed)
		}
	}
	if byStatus[201] != 1 || byStatus[200] != times-1 || len(ids) != 1 {
		t.Errorf("answers by status %v for %d leads, want one 201, 49 × 200, one lead", byStatus, len(ids))
	}
	await(t, h.gateway.watch(), answers[0].body["leadId"].(string), "SUCCESS")
	h.onlyContact()
}

func TestAReusedKeyWithOtherContentIsHeldNotLost(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	first := h.post("cached-page", ada)
	grace := url.Values{"email": {"grace@example.com"}, "firstname": {"Grace"}}
	second := h.post("cached-page", grace)
	if second.status != 200 || second.body["leadId"] != first.body["leadId"] {
		t.Fatalf("the second visitor got %d %s, want 200 and the first lead", second.status, second.text)
	}
	held := request(t, "GET", h.url("/v1/leads?state=LEAD_STATE_HELD"), "", "")
	leads, _ := held.body["leads"].([]any)
	if len(leads) != 1 || !strings.Contains(held.text, "HOLD_REASON_KEY_REUSED") || !strings.Contains(held.text, "grace@example.com") ||
		!strings.Contains(held.text, first.body["leadId"].(string)) {
		t.Errorf("held leads: %s, want Grace's, linked to the first", held.text)
	}
	// A backend that reuses a key has a bug, and gets an error.
	body := `{"lead":{"email":"%s","firstName":"%s"},"idempotencyKey":"order-1"}`
	one := request(t, "POST", h.url("/v1/leads"), "application/json", fmt.Sprintf(body, "a@example.com", "Ada"))
	two := request(t, "POST", h.url("/v1/leads"), "application/json", fmt.Sprintf(body, "b@example.com", "Ada"))
	if one.status != 201 || two.status != 422 || two.body["leadId"] != one.body["leadId"] {
		t.Errorf("answers %d %s and %d %s, want 201 and 422 naming the first lead", one.status, one.text, two.status, two.text)
	}
	if !strings.Contains(two.text, `"email"`) || strings.Contains(two.text, "firstName") || strings.Contains(two.text, "example.com") {
		t.Errorf("the 422 should name the field email, not firstName, and no value: %s", two.text)
	}
	if h.gateway.err != nil {
		t.Error(h.gateway.err)
	}
}

func TestAnOutageOfTheCRMCostsNothingButTime(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.faults(`{"status":503}`)
	events := h.gateway.watch()
	a := h.post("k1", ada)
	if a.status != 201 {
		t.Fatalf("answer %d %s", a.status, a.text)
	}
	leadID := a.body["leadId"].(string)
	await(t, events, leadID, "RETRY")
	await(t, events, leadID, "RETRY")
	h.faults(`{}`)
	await(t, events, leadID, "SUCCESS")
	h.onlyContact()
}

func TestAnAnswerLostAfterTheCRMCommittedDoesNotDouble(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.faults(`{"lose_answer":true}`)
	events := h.gateway.watch()
	leadID := h.post("k1", ada).body["leadId"].(string)
	await(t, events, leadID, "RETRY")
	h.faults(`{}`)
	await(t, events, leadID, "SUCCESS")
	h.onlyContact()
}

func TestKill9AfterTheAnswerLosesNothing(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.faults(`{"status":503}`)
	a := h.post("k1", ada)
	if a.status != 201 {
		t.Fatalf("answer %d %s", a.status, a.text)
	}
	h.gateway.kill()
	h.faults(`{}`)
	h.restart()
	leadID := a.body["leadId"].(string)
	await(t, h.gateway.watch(), leadID, "SUCCESS")
	h.onlyContact()
	if again := h.post("k1", ada); again.status != 200 || again.body["leadId"] != leadID {
		t.Errorf("after the restart the key answers %d %s, want 200 and the same lead", again.status, again.text)
	}
}

func TestKill9DuringACallSendsTheLeadOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.faults(`{"latency":"30s"}`)
	events := h.gateway.watch()
	leadID := h.post("k1", ada).body["leadId"].(string)
	await(t, events, leadID, "CRM_API_CALL")
	h.gateway.kill()
	h.faults(`{}`)
	h.restart()
	await(t, h.gateway.watch(), leadID, "SUCCESS")
	h.onlyContact()
	d := request(t, "GET", h.url("/v1/deliveries/"+leadID+".crm"), "", "")
	if !strings.Contains(d.text, "ATTEMPT_OUTCOME_UNKNOWN") || !strings.Contains(d.text, "ATTEMPT_OUTCOME_DELIVERED") {
		t.Errorf("attempts should be one UNKNOWN, then DELIVERED: %s", d.text)
	}
}

func TestSIGTERMFinishesWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.faults(`{"latency":"300ms"}`)
	events := h.gateway.watch()
	leadID := h.post("k1", ada).body["leadId"].(string)
	await(t, events, leadID, "CRM_API_CALL")
	if err := h.gateway.stop(); err != nil {
		t.Fatalf("ended with %v, want exit code 0", err)
	}
	h.onlyContact()
	h.restart()
	d := request(t, "GET", h.url("/v1/deliveries/"+leadID+".crm"), "", "")
	if !strings.Contains(d.text, "DELIVERY_STATE_DELIVERED") || strings.Contains(d.text, "UNKNOWN") {
		t.Errorf("the call under way was not settled before the end: %s", d.text)
	}
}

func TestAWatchGoesOnWithoutAGapAfterARestart(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	events := h.gateway.watch()
	first := h.post("k1", ada).body["leadId"].(string)
	await(t, events, first, "SUCCESS")
	all := request(t, "GET", h.url("/v1/leads/"+first), "", "")
	ids := regexp.MustCompile(`"id":\s*"([a-z0-9]+-[0-9]+)"`).FindAllStringSubmatch(all.text, -1)
	if len(ids) != 5 {
		t.Fatalf("the timeline has %d events, want 5: %s", len(ids), all.text)
	}
	if err := h.gateway.stop(); err != nil {
		t.Fatal(err)
	}
	h.restart()
	second := h.post("k2", ada).body["leadId"].(string)
	resumed := h.gateway.watchFrom("resume_after=" + ids[1][1])
	if got := await(t, resumed, first, "SUCCESS"); !slices.Equal(got, []string{"QUEUED", "CRM_API_CALL", "SUCCESS"}) {
		t.Errorf("after resuming behind validated the first lead's stages are %v", got)
	}
	await(t, resumed, second, "SUCCESS")
}

func TestRESTFormAndGRPCAnswerAlike(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	server := []string{"--server", h.gateway.address, "--output", "json"}
	submit := func(args ...string) (string, string, int) {
		return run(t, nil, "", append(append([]string{"submit"}, args...), server...)...)
	}
	// The same key with the same lead is replayed, whether over gRPC or REST.
	out, _, code := submit("--key", "same", "email=ada@example.com", "first_name=Ada")
	if code != 0 || strings.Contains(out, `"replayed":true`) {
		t.Fatalf("over gRPC: exit %d, %s", code, out)
	}
	leadID := regexp.MustCompile(`[0-9a-f-]{36}`).FindString(out)
	rest := request(t, "POST", h.url("/v1/leads"), "application/json", `{"lead":{"firstName":"Ada","email":"ada@example.com"}}`, "Idempotency-Key", `"same"`)
	if rest.status != 200 || rest.body["leadId"] != leadID || rest.body["replayed"] != true {
		t.Errorf("over REST: %d %s, want a replay of %s", rest.status, rest.text, leadID)
	}
	// The same error gets the same message.
	rest = request(t, "POST", h.url("/v1/leads"), "application/json", `{"lead":{"email":"not an address"}}`)
	_, complaint, code := submit("email=not an address")
	if rest.status != 400 || code != 1 {
		t.Errorf("a bad address: REST %d, gRPC exit %d", rest.status, code)
	}
	violations, _ := rest.body["violations"].([]any)
	if len(violations) != 1 {
		t.Fatalf("violations: %s", rest.text)
	}
	if message := violations[0].(map[string]any)["message"].(string); !strings.Contains(complaint, message) {
		t.Errorf("REST says %q, gRPC %q", message, complaint)
	}
	// A form over gRPC equals the form over REST.
	form := h.post("page", ada)
	out, complaint, code = submit("--form", "contact", "--key", "page", "email= Ada.Lovelace@Example.COM ", "firstname=Ada ", "lastname=Lovelace",
		"phone=(415) 555-0132", "country=United States", "message=12 km\r\neach way")
	if form.status != 201 || code != 0 || !strings.Contains(out, form.body["leadId"].(string)) || !strings.Contains(out, `"replayed":true`) {
		t.Errorf("the form over gRPC: exit %d, %s%s; want a replay of %s", code, out, complaint, form.text)
	}
}
