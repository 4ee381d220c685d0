package server_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

const ruledForms = `
forms:
  contact:
    fields: { email: email, firstname: first_name, country: country, budget: custom.budget }
    required: [email]
    default_region: US
    destinations: [crm]
    routes:
      - { when: lead.country == "DE", to: [crm-de, crm] }
      - { when: 'double(lead.custom.budget) > 1000.0', to: [big] }
    block:
      - { when: 'lead.email.endsWith("@competitor.example")', reason: a competitor }
      - { when: 'lead.country == "KP"', then: reject, reason: We cannot do business there }
  picky:
    fields: { email: email, country: country }
    routes: [{ when: 'lead.country == "DE"', to: [crm-de] }]
leads: { destinations: [crm] }
destinations:
  crm: { http: { url: "http://127.0.0.1:9/leads" }, properties: { mail: email } }
  crm-de: { http: { url: "http://127.0.0.1:9/leads" }, properties: { mail: email } }
  big: { http: { url: "http://127.0.0.1:9/leads" }, properties: { mail: email } }
`

// destinations returns where a lead goes.
func (h *house) destinations(leadID any) []string {
	h.t.Helper()
	deliveries, err := h.store.LeadDeliveries(h.t.Context(), leadID.(string))
	if err != nil {
		h.t.Fatal(err)
	}
	var names []string
	for _, d := range deliveries {
		names = append(names, d.GetDestination())
	}
	return names
}

func TestRoutesAddDestinations(t *testing.T) {
	t.Parallel()
	h := open(t, options{config: ruledForms})
	for body, want := range map[string][]string{
		"email=a@example.com":                            {"crm"},
		"email=b@example.com&country=Germany":            {"crm", "crm-de"},
		"email=c@example.com&country=DE&budget=5000":     {"big", "crm", "crm-de"},
		"email=d@example.com&budget=5":                   {"crm"},
		"email=e@example.com&budget=about+five+thousand": {"crm"}, // the expression fails: reported, and treated as false
	} {
		a := h.post("/v1/forms/contact/submissions", asForm, body).expect(t, http.StatusCreated)
		if got := h.destinations(a.body["leadId"]); !slices.Equal(got, want) {
			t.Errorf("%s goes to %v, want %v", body, got, want)
		}
	}
	h.awaitFormEvent(func(e *leadgatev1.FormEvent) bool {
		return e.GetType() == leadgatev1.FormEventType_FORM_EVENT_TYPE_RULE_FAILED && e.GetField() == "routes[1]" && !strings.Contains(e.GetDetail(), "about")
	})
	a := h.post("/v1/leads", asJSON, `{"lead":{"email":"f@example.com","country":"DE","source":{"form":"contact"}}}`).expect(t, http.StatusCreated)
	if got := h.destinations(a.body["leadId"]); !slices.Equal(got, []string{"crm", "crm-de"}) {
		t.Errorf("a backend's lead goes to %v", got)
	}
}

func TestALeadThatNoRouteTakesIsHeld(t *testing.T) {
	t.Parallel()
	h := open(t, options{config: ruledForms})
	h.post("/v1/forms/picky/submissions", asForm, "email=a@example.com&country=US").expect(t, http.StatusCreated)
	held := h.awaitEvent(func(e *leadgatev1.LeadEvent) bool { return e.GetStage() == leadgatev1.Stage_STAGE_HELD })
	if held.GetReason() != "NO_ROUTE" || !strings.Contains(held.GetDetail(), "no route of form picky fits") {
		t.Errorf("the event is %v", held)
	}
	a := h.post("/v1/forms/picky/submissions", asForm, "email=b@example.com&country=DE").expect(t, http.StatusCreated)
	if got := h.destinations(a.body["leadId"]); !slices.Equal(got, []string{"crm-de"}) {
		t.Errorf("it goes to %v", got)
	}
}

func TestBlockedLeadsAreHeldOrRefused(t *testing.T) {
	t.Parallel()
	h := open(t, options{config: ruledForms})
	a := h.post("/v1/forms/contact/submissions", asForm, "email=spy@competitor.example&country=DE").expect(t, http.StatusCreated)
	if got := h.destinations(a.body["leadId"]); got != nil {
		t.Errorf("a blocked lead goes to %v", got)
	}
	held := h.awaitEvent(func(e *leadgatev1.LeadEvent) bool { return e.GetStage() == leadgatev1.Stage_STAGE_HELD })
	if held.GetReason() != "BLOCKED" || held.GetDetail() != "a competitor (block[0])" {
		t.Errorf("the event is %v", held)
	}
	h.post("/v1/forms/contact/submissions", asForm, "email=a@example.com&country=KP").expect(t, http.StatusBadRequest, "We cannot do business there", "form.blocked")
	h.post("/v1/leads", asJSON, `{"lead":{"email":"a@example.com","country":"KP","source":{"form":"contact"}}}`).expect(t, http.StatusBadRequest, "form.blocked")
}

// awaitFormEvent returns the first event about a form that matches.
func (h *house) awaitFormEvent(match func(*leadgatev1.FormEvent) bool) *leadgatev1.FormEvent {
	h.t.Helper()
	deadline := time.After(5 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		h.mu.Lock()
		for _, event := range h.events {
			if form := event.GetForm(); form != nil && match(form) {
				h.mu.Unlock()
				return form
			}
		}
		h.mu.Unlock()
		select {
		case <-tick.C:
		case <-deadline:
			h.t.Fatal("the event did not come")
		}
	}
}
