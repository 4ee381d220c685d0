package main_test

import (
	"net/url"
	"strings"
	"testing"
)

func TestAHeldLeadIsListedReleasedAndDelivered(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	events := h.gateway.watch()
	await(t, events, h.post("k1", ada).body["leadId"].(string), "SUCCESS")
	for _, name := range []string{"Augusta", "Byron"} { // a visitor went back and corrected the form
		h.post("k1", url.Values{"email": {"ada.lovelace@example.com"}, "firstname": {name}})
	}
	command := h.command
	if _, complaint, code := run(t, nil, "", "leads", "list", "--reason", "none"); code != 2 || !strings.Contains(complaint, "key_reused, no_route, unmapped, spam, blocked") {
		t.Errorf("a reason that there is not: %d %s", code, complaint)
	}
	lines := strings.Split(strings.TrimSpace(command("leads", "list", "--state", "held", "--reason", "key_reused")), "\n")
	if len(lines) != 3 {
		t.Fatalf("held leads:\n%s", strings.Join(lines, "\n"))
	}
	byron, augusta := strings.Fields(lines[1])[0], strings.Fields(lines[2])[0]
	if strings.Contains(command("leads", "get", byron), "Augusta") { // both came within the same millisecond
		byron, augusta = augusta, byron
	}
	if text := command("leads", "get", augusta); !strings.Contains(text, "first_name           Augusta") || !strings.Contains(text, "held: key_reused") {
		t.Errorf("the lead is shown as\n%s", text)
	}
	if text := command("leads", "get", "Ada.Lovelace@example.com"); strings.Count(text, "\ntimeline\n") != 3 || !strings.Contains(text, augusta+": held") {
		t.Errorf("the person's leads are shown as\n%s", text)
	}
	if _, complaint, code := run(t, nil, "", "leads", "get", "bob@example.com", "--server", h.gateway.address); code != 1 || !strings.Contains(complaint, "there is no lead of bob@example.com") {
		t.Errorf("a person without a lead: %d %s", code, complaint)
	}
	if text := command("leads", "release", augusta, "--dry-run"); !strings.Contains(text, "1 would be released") {
		t.Errorf("a dry run says %s", text)
	}
	if text := command("leads", "release", augusta); !strings.Contains(text, "1 match, 1 released, 0 stay held") {
		t.Errorf("releasing says %s", text)
	}
	await(t, events, augusta, "SUCCESS")
	if text := command("leads", "list"); !strings.Contains(text, "ada.lovelace@example.com  crm delivered  ") {
		t.Errorf("leads are listed as\n%s", text)
	}
	// If leads are named, doing nothing is a failure.
	for _, lead := range []string{augusta, "019a2f7c-53de-7c3a-9f6b-0f2d6a0f8a10"} {
		_, complaint, code := run(t, nil, "", "leads", "discard", lead, "--server", h.gateway.address)
		if code != 1 || !strings.Contains(complaint, "1 of 1 lead not found or not in that state") {
			t.Errorf("discarding one that is not held: %d %s", code, complaint)
		}
	}
	if got := h.onlyContact().Properties["firstname"]; got != "Augusta" {
		t.Errorf("the CRM has firstname %q", got)
	}
	if text := command("leads", "discard", "--all", "--reason", "key_reused", "--expect", "1", "--why", "twice"); !strings.Contains(text, "1 discarded") {
		t.Errorf("discarding says %s", text)
	}
	if stages := await(t, events, byron, "DISCARDED"); len(stages) == 0 {
		t.Error("no stages")
	}
	if text := command("leads", "undiscard", byron); !strings.Contains(text, "1 match, 1 held again") {
		t.Errorf("undiscarding says %s", text)
	}
	await(t, events, byron, "HELD")
	if text := command("operations", "list"); !strings.Contains(text, "ReleaseLeads") || !strings.Contains(text, "1 discarded") {
		t.Errorf("operations are\n%s", text)
	}
}

func TestAListOfDeliveriesSaysWhyTheyAreHeld(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.command("destinations", "pause", "crm")
	id, _ := h.post("k1", ada).body["leadId"].(string)
	h.gateway.kill()
	h.edit("destinations: [crm]", "destinations: [hub]")
	h.edit("\n  crm:", "\n  hub:")
	h.restart()
	await(t, h.gateway.watch(), id, "HELD")
	if text := h.command("deliveries", "list", "--state", "held"); !strings.Contains(text, id+".crm") || !strings.Contains(text, "destination crm is no longer configured") {
		t.Errorf("held deliveries are listed as\n%s", text)
	}
}
