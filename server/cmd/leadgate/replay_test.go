package main_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// awaitAll reads events until all leads have reached the stage.
func awaitAll(t *testing.T, events <-chan event, leads []string, stage string) {
	t.Helper()
	deadline := time.After(patience)
	for missing := slices.Clone(leads); len(missing) > 0; {
		select {
		case e, ok := <-events:
			if !ok {
				t.Fatal("the watch ended")
			}
			if e.Lead.Stage == "STAGE_"+stage {
				missing = slices.DeleteFunc(missing, func(id string) bool { return id == e.Lead.LeadID })
			}
		case <-deadline:
			t.Fatalf("%v did not reach %s", missing, stage)
		}
	}
}

// leadgate runs a command against the house's gateway and returns its output.
func (h *house) leadgate(stdin string, args ...string) string {
	h.t.Helper()
	out, complaint, code := run(h.t, nil, stdin, append(args, "--server", h.gateway.address)...)
	if code != 0 {
		h.t.Fatalf("leadgate %s: %d %s", strings.Join(args, " "), code, complaint)
	}
	return out
}

// The marketing team renames two fields, one required by the form and one optional.
func TestAfterAFieldWasRenamedAReplayLosesNothing(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	events := h.gateway.watch()
	awaitSystem(t, events, "STARTED")
	h.edit("message: message }", "message: message, company: company }")
	h.edit("required: [email]", "required: [email, company]")
	awaitSystem(t, events, "CONFIG_APPLIED")
	person := func(name string, more ...string) string {
		t.Helper()
		form := url.Values{"email": {name + "@example.com"}, "firstname": {name}}
		for i := 0; i < len(more); i += 2 {
			form.Set(more[i], more[i+1])
		}
		a := h.post(name, form)
		if a.status != 201 {
			t.Fatalf("%s: %d %s", name, a.status, a.text)
		}
		return a.body["leadId"].(string)
	}
	before := person("ada", "company", "Engines", "phone", "(415) 555-0132")
	await(t, events, before, "SUCCESS")

	// The page is changed without telling leadgate.
	held := []string{person("bob", "company_name", "Looms"), person("cyd", "company_name", "Ships")}
	for _, id := range held {
		await(t, events, id, "HELD")
	}
	line := awaitDrift(t, h.gateway.watch())
	if line != "company_name: company" {
		t.Errorf("the line to add is said to be %q", line)
	}
	partly := person("dee", "company", "Mills", "telefon_nummer", "(415) 555-0133") // a renamed optional field
	await(t, events, partly, "SUCCESS")

	// The configuration is fixed with the suggested line.
	h.edit("company: company }", "company: company, "+line+", telefon_nummer: phone }")
	awaitSystem(t, events, "CONFIG_APPLIED")
	text := h.leadgate("", "replay", "--form", "contact", "--since", "2h", "--dry-run")
	for _, want := range []string{
		"company              - -> Looms", "phone                - -> +14155550133", "again to crm",
		"4 leads: 2 held ones would be sent, 1 would be sent again, 0 would be sent to further destinations, 1 unchanged, 0 stay held, 0 left alone",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the dry run lacks %q:\n%s", want, text)
		}
	}
	if n := len(h.contacts()); n != 2 {
		t.Errorf("after a dry run the CRM has %d contacts", n)
	}
	events = h.gateway.watchFrom("last=0")
	if text := h.leadgate("", "replay", "--form", "contact", "--since", "2h", "--expect", "4"); !strings.Contains(text, "2 held ones sent, 1 sent again") {
		t.Errorf("replaying says %s", text)
	}
	awaitAll(t, events, append(held, partly), "SUCCESS")
	got := map[string][2]string{}
	for _, c := range h.contacts() {
		got[c.Properties["email"]] = [2]string{c.Properties["company"], c.Properties["phone"]}
	}
	want := map[string][2]string{
		"ada@example.com": {"Engines", "+14155550132"}, "bob@example.com": {"Looms", ""}, "cyd@example.com": {"Ships", ""},
		"dee@example.com": {"Mills", "+14155550133"},
	}
	for email, properties := range want {
		if got[email] != properties {
			t.Errorf("%s is %v in the CRM, want %v", email, got[email], properties)
		}
	}
	if len(got) != len(want) {
		t.Errorf("the CRM has %v", got)
	}
	if text := h.leadgate("", "replay", "--form", "contact", "--since", "2h"); !strings.Contains(text, "0 held ones sent, 0 sent again") {
		t.Errorf("replaying again says %s", text)
	}
}

func TestAChangedMappingReachesWhatWasDelivered(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	events := h.gateway.watch()
	ids := []string{
		h.post("k1", url.Values{"email": {"ada@example.com"}, "message": {"Ada's company is Engines"}}).body["leadId"].(string),
		h.post("k2", url.Values{"email": {"bob@example.com"}}).body["leadId"].(string),
	}
	for _, id := range ids {
		await(t, events, id, "SUCCESS")
	}
	h.edit("    limits:", "    properties: { email: email, company: '= lead.message.split(\" is \")[?1]' }\n    limits:")
	awaitSystem(t, events, "CONFIG_APPLIED")
	if text := h.leadgate("", "replay", "--form", "contact"); !strings.Contains(text, "1 sent again") || !strings.Contains(text, "1 unchanged") {
		t.Errorf("replaying says %s", text)
	}
	await(t, events, ids[0], "SUCCESS")
	for _, c := range h.contacts() {
		if want := map[string]string{"ada@example.com": "Engines"}[c.Properties["email"]]; c.Properties["company"] != want {
			t.Errorf("%v, want company %q", c.Properties, want)
		}
	}
}

// The CRM's administrator removes a property and restores it. Nothing changes here.
func TestWhatTheCRMLeftOutIsSentAgainOnceItTakesIt(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	events := h.gateway.watch()
	await(t, events, h.post("k1", url.Values{"email": {"ada@example.com"}, "firstname": {"Ada"}}).body["leadId"].(string), "SUCCESS")
	change := func(to string) {
		request(t, "POST", "http://"+h.crm.address+"/_sim/fields", "application/json", to)
	}
	change(`{"rename":{"firstname":"given_name"}}`)
	id := h.post("k2", url.Values{"email": {"eve@example.com"}, "firstname": {"Eve"}}).body["leadId"].(string)
	await(t, events, id, "SUCCESS")
	change(`{"rename":{"given_name":"firstname"}}`)
	if text := h.leadgate("", "replay", "--form", "contact", "--dry-run"); !strings.Contains(text, "1 would be sent again") || !strings.Contains(text, "1 unchanged") {
		t.Errorf("the dry run says %s", text)
	}
	events = h.gateway.watchFrom("last=0")
	h.leadgate("", "replay", "--form", "contact")
	await(t, events, id, "SUCCESS")
	for _, c := range h.contacts() {
		if c.Properties["email"] == "eve@example.com" && c.Properties["firstname"] != "Eve" {
			t.Errorf("the CRM has %v", c.Properties)
		}
	}
	if text := h.leadgate("", "replay", "--form", "contact"); !strings.Contains(text, "0 sent again") {
		t.Errorf("replaying again says %s", text)
	}
}

func TestAnotherPersonIsNeverMadeOfALeadWithoutBeingAsked(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	events := h.gateway.watch()
	id := h.post("k1", url.Values{"email": {"ada@example.com"}, "work_email": {"ada@engines.example"}}).body["leadId"].(string)
	await(t, events, id, "SUCCESS")
	h.edit("email: email, ", "work_email: email, ")
	awaitSystem(t, events, "CONFIG_APPLIED")
	text := h.leadgate("", "replay", id)
	if !strings.Contains(text, "1 left alone") || !strings.Contains(text, "its e-mail address would be a***@engines.example instead of a***@example.com") {
		t.Errorf("replaying says %s", text)
	}
	if text := h.leadgate("", "replay", id, "--allow-identity-change"); !strings.Contains(text, "1 sent again") {
		t.Errorf("replaying says %s", text)
	}
	await(t, events, id, "SUCCESS")
	if n := len(h.contacts()); n != 2 {
		t.Errorf("the CRM has %d contacts", n)
	}
}

func TestAPreviewShowsWhatWouldBeSentAndKeepsNothing(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	text := h.leadgate(`{"email":" Ada.Lovelace@Example.COM ","phone":"(415) 555-0132","nick":"Enchantress"}`, "preview", "--form", "contact")
	for _, want := range []string{
		"would be sent\n", "email                ada.lovelace@example.com", `phone                "(415) 555-0132" -> "+14155550132"`, "to crm\n",
		`"email":"ada.lovelace@example.com"`, "nothing maps nick",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the preview lacks %q:\n%s", want, text)
		}
	}
	if text := h.leadgate("firstname=Ada", "preview", "--form", "contact"); !strings.Contains(text, "would be refused:\n  email: ") || !strings.Contains(text, "to crm, if it were taken\n") {
		t.Errorf("the preview of a bad one says:\n%s", text)
	}
	if text := h.leadgate("e-mail=ada@example.com", "preview", "--form", "contact"); !strings.Contains(text, "would be held:\n  unmapped: ") || !strings.Contains(text, "to crm, once it is released\n") {
		t.Errorf("the preview of one that would be held says:\n%s", text)
	}
	if _, complaint, code := run(t, nil, "", "replay", "019a2f7c-53de-7c3a-9f6b-0f2d6a0f8a10", "--server", h.gateway.address); code != 1 || !strings.Contains(complaint, "1 of 1 lead not found") {
		t.Errorf("replaying a lead that there is not: %d %s", code, complaint)
	}
	a := request(t, "POST", h.url("/v1/forms/contact:preview"), "application/x-www-form-urlencoded", "email=ADA@example.com")
	if a.status != 200 || a.body["outcome"] != "PREVIEW_OUTCOME_SENT" || a.body["lead"].(map[string]any)["email"] != "ada@example.com" {
		t.Errorf("over REST: %d %s", a.status, a.text)
	}
	if a := request(t, "POST", h.url("/v1/forms/other:preview"), "application/json", "{}"); a.status != 404 {
		t.Errorf("another form: %d %s", a.status, a.text)
	}
	if a := request(t, "GET", h.url("/v1/leads"), "", ""); strings.Contains(a.text, "leadId") {
		t.Errorf("something was kept: %s", a.text)
	}
}

// A renamed field is found while the CRM is down. What was already tried is sent unchanged, because the CRM may have it, but what
// the replay promised reaches the CRM as well.
func TestAReplayReachesWhatWaitsForAnAnswer(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	events := h.gateway.watch()
	h.faults(`{"status":503}`)
	ada := url.Values{"email": {"ada@example.com"}, "firstname": {"Ada"}, "telefon_nummer": {"(415) 555-0132"}}
	lead := h.post("k1", ada).body["leadId"].(string)
	await(t, events, lead, "RETRY")
	h.edit("message: message }", "message: message, telefon_nummer: phone }")
	awaitSystem(t, events, "CONFIG_APPLIED")
	if text := h.leadgate("", "replay", "--form", "contact", "--since", "2h"); !strings.Contains(text, "1 sent again") {
		t.Errorf("replaying says %s", text)
	}
	h.faults(`{}`)
	await(t, events, lead, "SUCCESS")
	await(t, events, lead, "SUCCESS") // of the lead as it is now
	if got := h.onlyContact().Properties["phone"]; got != "+14155550132" {
		t.Errorf("the CRM has the phone number %q", got)
	}
}
