package main_test

import (
	"net/url"
	"strings"
	"testing"
	"time"
)

// awaitDrift reads events until one reports a renamed field, and returns the line to add.
func awaitDrift(t *testing.T, events <-chan event) string {
	t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case e, ok := <-events:
			if !ok {
				t.Fatal("the watch ended")
			}
			if e.Form.Type == "FORM_EVENT_TYPE_DRIFT" {
				return e.Form.Suggestion
			}
		case <-deadline:
			t.Fatal("nothing tells of the renamed field")
		}
	}
}

// What the CRM did not accept is shown to operators, next to what was sent.
func TestADeliveryNamesWhatTheCRMDidNotTake(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	events := h.gateway.watch()
	await(t, events, h.post("k1", url.Values{"email": {"ada@example.com"}, "firstname": {"Ada"}}).body["leadId"].(string), "SUCCESS")
	request(t, "POST", "http://"+h.crm.address+"/_sim/fields", "application/json", `{"rename":{"firstname":"given_name"}}`)
	lead := h.post("k2", url.Values{"email": {"eve@example.com"}, "firstname": {"Eve"}}).body["leadId"].(string)
	await(t, events, lead, "SUCCESS")
	for _, command := range []string{"deliveries get " + lead + ".crm", "leads get " + lead} {
		if text := h.command(strings.Fields(command)...); !strings.Contains(text, "left out firstname") {
			t.Errorf("leadgate %s says\n%s", command, text)
		}
	}
}

// The marketing team renames a required field without telling the developer.
func TestARenamedFieldLosesNothing(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	events := h.gateway.watch()
	submit := func(name string) string {
		t.Helper()
		a := h.post(name, url.Values{"e-mail": {name + "@example.com"}, "firstname": {name}})
		if a.status != 201 {
			t.Fatalf("the visitor is answered %d %s", a.status, a.text)
		}
		return a.body["leadId"].(string)
	}
	await(t, events, submit("Ada"), "HELD")
	if line := awaitDrift(t, events); line != "e-mail: email" {
		t.Errorf("the line to add is said to be %q", line)
	}
	if drift := request(t, "GET", h.url("/v1/drift"), "", ""); !strings.Contains(drift.text, `"suggestion":"e-mail: email"`) || !strings.Contains(drift.text, `"since":"20`) {
		t.Errorf("drift is listed as %s", drift.text)
	}
	h.gateway.kill()
	h.restart()
	events = h.gateway.watch()
	last := submit("Grace")
	for stage := ""; stage != "STAGE_HELD"; { // reported once, before the restart
		e := <-events
		if e.Form.Type != "" {
			t.Errorf("the renamed field is told of again: %+v", e.Form)
		}
		if e.Lead.LeadID == last {
			stage = e.Lead.Stage
		}
	}

	h.edit("email: email", "email: email, e-mail: email")
	awaitSystem(t, events, "CONFIG_APPLIED")
	out, complaint, code := run(t, nil, "", "leads", "release", "--all", "--reason", "unmapped", "--server", h.gateway.address)
	if code != 0 || !strings.Contains(out, "2 released") {
		t.Fatalf("releasing says %d %s %s", code, out, complaint)
	}
	await(t, events, last, "SUCCESS")
	await(t, events, submit("Emmy"), "SUCCESS")
	if contacts := h.contacts(); len(contacts) != 3 {
		t.Errorf("%d of 3 people are in the CRM", len(contacts))
	}
}
