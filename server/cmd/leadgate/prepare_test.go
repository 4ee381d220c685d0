package main_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
)

// outside stands for all services that enrich and screen leads.
type outside struct {
	*httptest.Server
	mu    sync.Mutex
	asked []string
	delay chan struct{} // answers wait until it is closed; nil for no delay
}

func newOutside(t *testing.T) *outside {
	o := &outside{}
	o.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm() // a malformed form has no token
		o.mu.Lock()
		o.asked = append(o.asked, r.URL.Query().Get("domain")+r.PostForm.Get("response"))
		delay := o.delay
		o.mu.Unlock()
		if delay != nil {
			select {
			case <-delay:
			case <-r.Context().Done():
				return
			}
		}
		switch {
		case r.URL.Path == "/siteverify" && r.PostForm.Get("response") == "a person" && r.PostForm.Get("secret") == "captcha-secret":
			fmt.Fprint(w, `{"success":true}`)
		case r.URL.Path == "/siteverify":
			fmt.Fprint(w, `{"success":false,"error-codes":["timeout-or-duplicate"]}`)
		case r.URL.Query().Get("domain") == "engines.example" && r.Header.Get("Authorization") == "Bearer company-key":
			fmt.Fprint(w, `{"name":"Engines Ltd","category":{"industry":"Machinery"}}`)
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(o.Close)
	return o
}

func (o *outside) times(what string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(slices.DeleteFunc(slices.Clone(o.asked), func(asked string) bool { return asked != what }))
}

// enriched makes the house enrich and screen its leads with outside.
func (h *house) enriched(o *outside) {
	h.t.Helper()
	h.t.Setenv("COMPANY_KEY", "company-key")
	h.t.Setenv("CAPTCHA_SECRET", "captcha-secret")
	h.edit("forms:", fmt.Sprintf(`enrich:
  company: { url: "%[1]s/find?domain={domain}", auth: { bearer: "${env:COMPANY_KEY}" }, requests_per_second: 100 }
forms:`, o.URL))
	h.edit("    required: [email]", fmt.Sprintf("    captcha: { provider: turnstile, secret: \"${env:CAPTCHA_SECRET}\", url: \"%s/siteverify\" }\n    required: [email]", o.URL))
	h.edit("    limits:", "    properties: { email: email, company: enrichment.company_name, industry: enrichment.industry }\n    limits:")
	h.gateway.kill()
	h.restart()
}

func TestLeadsAreEnrichedAndScreenedBeforeTheyAreSent(t *testing.T) {
	o := newOutside(t)
	h := newHouse(t)
	h.enriched(o)
	events := h.gateway.watch()
	post := func(email, token string) string {
		t.Helper()
		a := h.post(email, url.Values{"email": {email}, "cf-turnstile-response": {token}})
		if a.status != 201 {
			t.Fatalf("%d %s", a.status, a.text)
		}
		return a.body["leadId"].(string)
	}
	person := post("ada@engines.example", "a person")
	if stages, want := await(t, events, person, "SUCCESS"), []string{"RECEIVED", "VALIDATED", "QUEUED", "PREPARED", "CRM_API_CALL", "SUCCESS"}; !slices.Equal(stages, want) {
		t.Errorf("stages %v, want %v", stages, want)
	}
	if got := h.onlyContact().Properties; got["company"] != "Engines Ltd" || got["industry"] != "Machinery" {
		t.Errorf("the CRM has %v", got)
	}
	await(t, events, post("bob@engines.example", "an old one"), "HELD")
	if text := h.leadgate("", "leads", "list", "--state", "held"); !strings.Contains(text, "bob@engines.example") || !strings.Contains(text, "spam") {
		t.Errorf("held leads:\n%s", text)
	}
	h.onlyContact()
	if n := o.times("engines.example"); n != 1 {
		t.Errorf("the company was asked for %d times", n)
	}
}

func TestALeadThatIsBeingPreparedSurvivesAKill(t *testing.T) {
	o := newOutside(t)
	o.delay = make(chan struct{})
	h := newHouse(t)
	h.enriched(o)
	var leads []string
	for i := range 5 {
		email := fmt.Sprintf("p%d@engines.example", i)
		leads = append(leads, h.post(email, url.Values{"email": {email}, "cf-turnstile-response": {"a person"}}).body["leadId"].(string))
	}
	h.gateway.kill()
	if n := len(h.contacts()); n != 0 {
		t.Errorf("%d leads were sent before they were prepared", n)
	}
	close(o.delay)
	h.restart()
	events := h.gateway.watch()
	awaitAll(t, events, leads, "SUCCESS")
	if n := len(h.contacts()); n != 5 {
		t.Errorf("the CRM has %d contacts", n)
	}
}
