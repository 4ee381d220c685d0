package server_test

import (
	"fmt"
	"strings"
	"testing"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

const browser = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

func TestALeadBelongsToTheTraceOfItsRequest(t *testing.T) {
	t.Parallel()
	h := open(t, options{})
	a := h.post("/v1/forms/contact/submissions", asForm, "email=a@example.com", "traceparent", browser)
	a.expect(t, 201)
	e := h.awaitEvent(func(e *leadgatev1.LeadEvent) bool { return e.GetStage() == leadgatev1.Stage_STAGE_RECEIVED })
	if e.GetTraceId() != "4bf92f3577b34da6a3ce929d0e0e4736" || e.GetParentSpanId() != "00f067aa0ba902b7" || len(e.GetSpanId()) != 16 || e.GetSpanId() == e.GetParentSpanId() {
		t.Errorf("event %v", e)
	}
	record, err := h.store.Lead(t.Context(), a.body["leadId"].(string))
	if want := "00-" + e.GetTraceId() + "-" + e.GetSpanId() + "-01"; err != nil || record.GetTraceParent() != want {
		t.Errorf("record %v (%v), want %s", record.GetTraceParent(), err, want)
	}
	h.post("/v1/forms/contact/submissions", asForm, "email=no", "traceparent", browser).expect(t, 400)
	e = h.awaitEvent(func(e *leadgatev1.LeadEvent) bool { return e.GetStage() == leadgatev1.Stage_STAGE_REJECTED })
	if e.GetParentSpanId() != "00f067aa0ba902b7" {
		t.Errorf("rejected %v", e)
	}
}

func TestATraceparentThatIsNotOneIsPassedOver(t *testing.T) {
	t.Parallel()
	h := open(t, options{})
	for i, header := range []string{
		"", "x", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7", browser + "-x", "ff" + browser[2:], strings.ToUpper(browser),
		"00-00000000000000000000000000000000-00f067aa0ba902b7-01", "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
		"00-" + strings.Repeat("é", 16) + "-00f067aa0ba902b7-01",
	} {
		a := h.post("/v1/forms/contact/submissions", asForm, fmt.Sprintf("email=a%d@example.com", i), "traceparent", header)
		a.expect(t, 201)
		if record, err := h.store.Lead(t.Context(), a.body["leadId"].(string)); err != nil || record.GetTraceParent() != "" {
			t.Errorf("%q: %q (%v)", header, record.GetTraceParent(), err)
		}
	}
}

func TestASubmissionThatBelongsToNoTraceBeginsOne(t *testing.T) {
	t.Parallel()
	h := open(t, options{traces: true})
	h.post("/v1/forms/contact/submissions", asForm, "email=form@example.com").expect(t, 201)
	h.post("/v1/leads", asJSON, ada).expect(t, 201)
	h.post("/v1/leads:batch", asJSON, `{"leads":[`+ada+`,`+ada+`]}`).expect(t, 200)
	h.post("/v1/forms/contact/submissions", asForm, "email=no").expect(t, 400)
	h.post("/v1/forms/contact/submissions", asForm, "email=no", "Origin", "https://no.example").expect(t, 403)
	client := leadgatev1.NewLeadServiceClient(h.dial())
	if _, err := client.SubmitLead(t.Context(), &leadgatev1.SubmitLeadRequest{Lead: &leadgatev1.Lead{Email: "a@example.com"}}); err != nil {
		t.Fatal(err)
	}
	traces, spans := map[string]bool{}, map[string]bool{}
	h.await(func(event *leadgatev1.Event) bool {
		e := event.GetLead()
		switch e.GetStage() {
		case leadgatev1.Stage_STAGE_RECEIVED, leadgatev1.Stage_STAGE_REJECTED:
			traces[e.GetTraceId()], spans[e.GetSpanId()] = true, true
		}
		return len(spans) == 7
	})
	if len(traces) != 6 || traces[""] || spans[""] { // a batch is one trace
		t.Errorf("traces %v, spans %v", traces, spans)
	}
}
