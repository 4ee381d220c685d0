package main_test

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// awaitSystem reads events until one about the gateway has the type, and returns its detail.
func awaitSystem(t *testing.T, events <-chan event, kind string) string {
	t.Helper()
	return awaitEvent(t, events, kind, func(e event) (string, string) {
		return strings.TrimPrefix(e.System.Type, "SYSTEM_EVENT_TYPE_"), e.System.Detail
	})
}

// awaitDestination reads events until one about a destination has the type, and returns its detail.
func awaitDestination(t *testing.T, events <-chan event, kind string) string {
	t.Helper()
	return awaitEvent(t, events, kind, func(e event) (string, string) {
		return strings.TrimPrefix(e.Destination.Type, "DESTINATION_EVENT_TYPE_"), e.Destination.Detail
	})
}

func awaitEvent(t *testing.T, events <-chan event, kind string, read func(event) (kind, detail string)) string {
	t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case e, ok := <-events:
			if !ok {
				t.Fatal("the watch ended")
			}
			if is, detail := read(e); is == kind {
				return detail
			}
		case <-deadline:
			t.Fatalf("there was no event %s", kind)
		}
	}
}

// edit changes the configuration file like an editor.
func (h *house) edit(from, to string) {
	h.t.Helper()
	text, err := os.ReadFile(h.config)
	if err != nil {
		h.t.Fatal(err)
	}
	changed := strings.Replace(string(text), from, to, 1)
	if changed == string(text) {
		h.t.Fatalf("%q is not in the configuration", from)
	}
	if err := os.WriteFile(h.config+".new", []byte(changed), 0o600); err != nil {
		h.t.Fatal(err)
	}
	if err := os.Rename(h.config+".new", h.config); err != nil {
		h.t.Fatal(err)
	}
}

// awaitMetrics polls until the metrics have all lines. They follow events with a short delay.
func (h *house) awaitMetrics(lines ...string) {
	h.t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		metrics := request(h.t, "GET", h.url("/metrics"), "", "").text
		missing := slices.IndexFunc(lines, func(line string) bool { return !strings.Contains(metrics, line+"\n") })
		if missing < 0 {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			h.t.Fatalf("the metrics lack %s", lines[missing])
		}
	}
}

func TestAChangedConfigurationTakesEffectWithoutARestart(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	events := h.gateway.watch()
	awaitSystem(t, events, "STARTED")
	h.edit("message: message", "message: message, org: company")
	if detail := awaitSystem(t, events, "CONFIG_APPLIED"); !strings.Contains(detail, "changed: forms.contact") {
		t.Errorf("the event says %q", detail)
	}
	a := h.post("k1", url.Values{"email": {"ada@example.com"}, "org": {"Analytical Engines"}})
	await(t, events, a.body["leadId"].(string), "SUCCESS")
	if got := h.onlyContact().Properties["company"]; got != "Analytical Engines" {
		t.Errorf("the CRM has company %q", got)
	}
}

func TestABadConfigurationIsRefusedAndTheOneBeforeStays(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	events := h.gateway.watch()
	awaitSystem(t, events, "STARTED")
	h.edit("lastname: last_name", "lastname: lost_name")
	detail := awaitSystem(t, events, "CONFIG_REFUSED")
	for _, want := range []string{h.config + ":4:", `did you mean "last_name"?`, "stays in force"} {
		if !strings.Contains(detail, want) {
			t.Errorf("the event says %q, which lacks %q", detail, want)
		}
	}
	h.awaitMetrics(`leadgate_system_events_total{type="config_refused"} 1`, "leadgate_config_good 0")
	a := h.post("k1", ada)
	await(t, events, a.body["leadId"].(string), "SUCCESS")
	if got := h.onlyContact().Properties["lastname"]; got != "Lovelace" {
		t.Errorf("the CRM has lastname %q", got)
	}
	h.edit("lastname: lost_name", "lastname: last_name")
	awaitSystem(t, events, "CONFIG_APPLIED")
	h.awaitMetrics("leadgate_config_good 1")
}

func TestWhatNeedsARestartIsToldAndTheRestTakesEffect(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	events := h.gateway.watch()
	awaitSystem(t, events, "STARTED")
	h.edit("forms:", "cleartext_http2: mixed\nforms:")
	h.edit("message: message", "message: message, org: company")
	if err := h.gateway.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	if detail := awaitSystem(t, events, "RESTART_NEEDED"); !strings.Contains(detail, "cleartext_http2") {
		t.Errorf("the event says %q", detail)
	}
	a := h.post("k1", url.Values{"email": {"ada@example.com"}, "org": {"Analytical Engines"}})
	await(t, events, a.body["leadId"].(string), "SUCCESS")
	if got := h.onlyContact().Properties["company"]; got != "Analytical Engines" {
		t.Errorf("the CRM has company %q", got)
	}
}

// Kubernetes replaces a secret like this: the file is behind a symbolic link that is replaced.
func TestAMendedTokenIsReadAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for version, content := range map[string]string{"..v1": "not the token", "..v2": token + "\n"} {
		if err := os.Mkdir(filepath.Join(dir, version), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, version, "token"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for from, to := range map[string]string{"..data": "..v1", "..next": "..v2", "token": "..data/token"} {
		if err := os.Symlink(to, filepath.Join(dir, from)); err != nil {
			t.Fatal(err)
		}
	}
	h := newHouse(t)
	events := h.gateway.watch()
	awaitSystem(t, events, "STARTED")
	h.edit("${env:HUBSPOT_TOKEN}", "${file:"+filepath.Join(dir, "token")+"}")
	awaitSystem(t, events, "CONFIG_APPLIED")
	leadID := h.post("k1", ada).body["leadId"].(string)
	awaitDestination(t, events, "CREDENTIALS_REFUSED")
	if err := os.Rename(filepath.Join(dir, "..next"), filepath.Join(dir, "..data")); err != nil {
		t.Fatal(err)
	}
	if detail := awaitSystem(t, events, "CONFIG_APPLIED"); !strings.Contains(detail, "credentials") {
		t.Errorf("the event says %q", detail)
	}
	await(t, h.gateway.watch(), leadID, "SUCCESS") // perhaps earlier: the worker checks the file, too
	h.onlyContact()
}

func TestNoLeadIsLostWhileTheConfigurationChanges(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.faults(`{"latency":"20ms"}`)
	events := h.gateway.watch()
	awaitSystem(t, events, "STARTED")
	const senders, each = 4, 25
	var sending sync.WaitGroup
	failures := make(chan string, senders*each)
	for sender := range senders {
		sending.Go(func() {
			for i := range each {
				name := fmt.Sprintf("p%d-%d", sender, i)
				a := h.post(name, url.Values{"email": {name + "@example.com"}, "org": {"Engines"}})
				if a.status != 201 {
					failures <- fmt.Sprintf("%s: %d %s", name, a.status, a.text)
				}
			}
		})
	}
	for i := range 5 {
		h.edit("message: message", fmt.Sprintf("org%d: company, message: message", i))
		awaitSystem(t, events, "CONFIG_APPLIED")
	}
	sending.Wait()
	close(failures)
	for failure := range failures {
		t.Error(failure)
	}
	deadline := time.After(patience)
	for len(h.contacts()) < senders*each {
		select {
		case <-events: // something happened: check again
		case <-deadline:
			t.Fatalf("%d of %d leads reached the CRM", len(h.contacts()), senders*each)
		}
	}
}

// A destination is renamed. What waits for it is held, and nothing that a person asks for fails silently.
func TestWhatWaitsForADestinationThatIsGoneIsMovedByAPerson(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	events := h.gateway.watch()
	h.faults(`{"status":503}`)
	lead := h.post("k1", url.Values{"email": {"ada@example.com"}}).body["leadId"].(string)
	await(t, events, lead, "RETRY")
	for _, name := range [][2]string{{"[crm]", "[sales]"}, {"\n  crm:", "\n  sales:"}} {
		text, err := os.ReadFile(h.config)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(h.config, []byte(strings.Replace(string(text), name[0], name[1], 1)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	await(t, events, lead, "HELD")
	h.faults(`{}`)
	if text := h.command("deliveries", "retry", "--all", "--state", "held"); !strings.Contains(text, "1 match, 0 due now") ||
		!strings.Contains(text, lead+`.crm: there is no destination "crm"; there are: sales: move the delivery`) {
		t.Errorf("retrying says %s", text)
	}
	h.command("deliveries", "move", "--from", "crm", "--to", "sales", "--expect", "1")
	await(t, events, lead, "SUCCESS")
	h.onlyContact()
}
