package main_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"github.com/chromedp/chromedp"
)

// told is an alert as a webhook receives it.
type told struct {
	Type string
	Data struct {
		AlertID, Summary, Cause, Action, Command, URL, LeadID, LeadURL string
	}
	at time.Time
}

// inbox is a webhook that keeps what it receives.
type inbox struct {
	*httptest.Server
	mu      sync.Mutex
	all     []told
	changed chan struct{}
}

func newInbox(t *testing.T) *inbox {
	t.Helper()
	in := &inbox{changed: make(chan struct{}, 1)}
	in.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		alert := told{at: time.Now()}
		if err := json.Unmarshal(body, &alert); err != nil || r.Header.Get("webhook-signature") == "" {
			t.Errorf("told %s (%v), signed %q", body, err, r.Header.Get("webhook-signature"))
		}
		in.mu.Lock()
		defer in.mu.Unlock()
		in.all = append(in.all, alert)
		select {
		case in.changed <- struct{}{}:
		default:
		}
	}))
	t.Cleanup(in.Close)
	return in
}

// names returns the types and IDs of the alerts received so far.
func (in *inbox) names() []string {
	in.mu.Lock()
	defer in.mu.Unlock()
	var names []string
	for _, a := range in.all {
		names = append(names, a.Type+" "+a.Data.AlertID)
	}
	return names
}

// await waits for the alert with a name, and returns it.
func (in *inbox) await(t *testing.T, name string) told {
	t.Helper()
	deadline := time.After(patience)
	for {
		in.mu.Lock()
		i := slices.IndexFunc(in.all, func(a told) bool { return a.Type+" "+a.Data.AlertID == name })
		if i >= 0 {
			defer in.mu.Unlock()
			return in.all[i]
		}
		in.mu.Unlock()
		select {
		case <-in.changed:
		case <-deadline:
			t.Fatalf("not told of %q, but of %q", name, in.names())
		}
	}
}

// rules are the start of alert rules with short windows, so that an outage takes seconds.
const rules = `
    error_rate: { window: 4s, at_least: 20 }
    breaker: { after: 0s }
    rate_limited: { at_least: 2, window: 30s }
    dead: { window: 4s }`

// alarmed returns a house whose gateway sends alerts to an inbox.
func alarmed(t *testing.T, more string) (*house, *inbox) {
	t.Helper()
	h, in := newHouse(t), newInbox(t)
	h.gateway.kill()
	config, err := os.ReadFile(h.config)
	if err != nil {
		t.Fatal(err)
	}
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	config = fmt.Appendf(config, `
alerts:
  notifiers:
    inbox: { webhook: { url: %q, secret: "${file:%s}" } }
  rules:%s%s
`, in.URL, secret, rules, more)
	if err := os.WriteFile(h.config, config, 0o600); err != nil {
		t.Fatal(err)
	}
	h.restart()
	return h, in
}

// submit sends the form for n visitors.
func (h *house) submit(n int) {
	h.t.Helper()
	for range n {
		h.visitors++
		if a := request(h.t, "POST", h.url("/v1/forms/contact/submissions"), "application/json", fmt.Sprintf(`{"email":"a%d@example.com"}`, h.visitors)); a.status != 201 {
			h.t.Fatalf("answer %d %s", a.status, a.text)
		}
	}
}

// In a scripted outage, each trouble fires its own alert and no other, within its window and 15 s.
func TestAnOutageFiresTheRightAlertAndNothingElse(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		faults string
		more   string
		want   string
		window time.Duration
		over   bool   // it ends with the faults, within the test's patience
		button string // the one that helps, on the page that the alert links to
		cause  string // words in it that say what is wrong
	}{
		"the CRM is down":     {`{"status":503}`, "", "breaker/crm", 4 * time.Second, true, "Test now: crm", "503 Service Unavailable"},
		"credentials revoked": {`{"status":401}`, "", "credentials/crm", 0, false, "Test now: crm", "INVALID_AUTHENTICATION"},
		"a rate limit":        {`{"status":429,"retry_after":"1"}`, "", "rate_limited/crm", 4 * time.Second, false, "Pause crm", "HTTP 429"},
		"calls fail":          {`{"status":400}`, "\n  destinations: { crm: { dead: { off: true }, error_rate: { window: 10s, at_least: 5 } } }", "error_rate/crm", 10 * time.Second, false, "Test now: crm", "VALIDATION_ERROR"},
		"nothing succeeds":    {`{"latency":"25s"}`, "\n    no_success: { window: 3s }", "no_success/crm", 3 * time.Second, false, "Test now: crm", "under way"},
		"a property renamed":  {`{}`, "", "drift/crm", 0, false, "Test crm again", "did you mean phone_number?"},
		"the disk fills up":   {`{}`, "\n    disk: { below_mib: 1000000000 }", "disk", 0, false, "I am on it", "leadgate itself uses"},
		"a field renamed":     {`{}`, "", "drift/form/contact", 0, false, "Copy the line for phone_number", "looks like phone"},
		"the form is silent":  {`{}`, "\n    silence: { missing: 5, at_least: 3s, learn_for: 1s }", "silence/contact", 10 * time.Second, false, "Search", "usually arrive in that time"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, in := alarmed(t, test.more)
			h.submit(3)
			h.faults(test.faults)
			began := time.Now()
			h.submit(8)
			switch name {
			case "a field renamed":
				request(t, "POST", h.url("/v1/forms/contact/submissions"), "application/json", `{"email":"ada@example.com","phone_number":"+14155550132"}`)
			case "a property renamed":
				request(t, "POST", "http://"+h.crm.address+"/_sim/fields", "application/json", `{"rename":{"phone":"phone_number"}}`)
				h.command("destinations", "test", "crm")
			}
			alert := in.await(t, "alert.firing "+test.want)
			if took := alert.at.Sub(began); took > test.window+15*time.Second {
				t.Errorf("told after %s", took)
			} else {
				t.Logf("%s after %s: %s (%s)", test.want, took.Round(time.Millisecond), alert.Data.Summary, alert.Data.Cause)
			}
			if !strings.Contains(alert.Data.Cause, test.cause) {
				t.Errorf("the cause %q does not say %q", alert.Data.Cause, test.cause)
			}
			h.atThreeInTheMorning(alert, test.button)
			h.faults(`{}`)
			want := []string{"alert.firing " + test.want}
			if test.over {
				in.await(t, "alert.resolved "+test.want)
				want = append(want, "alert.resolved "+test.want)
			}
			if got := in.names(); !slices.Equal(got, want) {
				t.Errorf("told %q, want %q", got, want)
			}
		})
	}
}

// The text of every other common alert is enough, too.
func TestEveryAlertLeadsToItsCauseAndTheButtonThatHelps(t *testing.T) {
	t.Parallel()
	h, in := alarmed(t, `
    holds: { at_least: 1 }
    rejections: { at_least: 1, above: 0.01 }
    paused: { after: 0s }
    notifier: { after: 0s }
    configuration: { after: 0s }
    oldest_waiting: { above: 4s }
    speed_to_lead: { above: 1s, window: 10m }
    crm_errors: [{ name: validation, pattern: VALIDATION_ERROR }]
  destinations: { crm: { dead: { window: 1h } } }`)
	events := h.gateway.watch()
	await(t, events, h.post("k1", ada).body["leadId"].(string), "SUCCESS")
	for _, step := range []struct {
		trouble      func()
		want, button string
	}{
		{func() { h.faults(`{"latency":"25s"}`); h.submit(1) }, "oldest_waiting/crm", "Pause crm"},
		{func() {}, "speed_to_lead/contact", "Test now: crm"},
		{func() { h.post("k1", url.Values{"email": {"mary@example.com"}}) }, "holds/contact", "Choose all 1"},
		{func() { h.post("k2", url.Values{"email": {"nobody"}}) }, "rejections/contact", "❚❚ pause view"},
		{func() { h.faults(`{"status":400}`); h.submit(1) }, "dead/crm", "Choose all 1"},
		{func() {}, "crm_errors/crm/validation", "Test now: crm"},
		{func() {
			h.edit("  notifiers:\n", "  notifiers:\n    pager: { pagerduty: { routing_key: \"${env:HUBSPOT_TOKEN}\", base_url: \"http://127.0.0.1:9\" } }\n")
			awaitSystem(t, events, "CONFIG_APPLIED")
			h.command("destinations", "pause", "crm", "--reason", "a look at the CRM")
			h.submit(1)
		}, "paused/crm", "Resume crm"},
		{func() {}, "notifier/pager", "Send a test to all"},
		{func() { h.edit("  notifiers:\n", "  notifers:\n") }, "configuration", "I am on it"},
	} {
		step.trouble()
		alert := in.await(t, "alert.firing "+step.want)
		t.Logf("%s: %s (%s) %s", step.want, alert.Data.Summary, alert.Data.Cause, alert.Data.URL)
		h.atThreeInTheMorning(alert, step.button)
	}
}

// atThreeInTheMorning finds the lead, the cause and the button from the alert's text alone.
func (h *house) atThreeInTheMorning(a told, button string) {
	h.t.Helper()
	text := a.Data
	if text.Cause == "" || text.Action == "" || !strings.HasPrefix(text.URL, h.url("/console/")) {
		h.t.Errorf("the alert lacks its cause, what to do, or the console: %+v", text)
	}
	rule, _, _ := strings.Cut(text.AlertID, "/")
	if concernsLead := text.AlertID != "drift/crm" && !slices.Contains([]string{"rejections", "disk", "notifier", "configuration"}, rule); concernsLead {
		if lead := request(h.t, "GET", h.url("/v1/leads/"+text.LeadID), "", ""); lead.status != 200 || text.LeadURL != h.url("/console/leads/"+text.LeadID) {
			h.t.Errorf("the lead of %s: %d %s, %s", text.AlertID, lead.status, lead.text, text.LeadURL)
		}
	}
	o := openConsole(h.t, h.gateway.address)
	begins := func(text string) string { return strings.FieldsFunc(text, unicode.IsDigit)[0] } // the figures may have changed since
	card := fmt.Sprintf(".alerts .card[aria-label*=%q]", begins(text.Summary))
	o.do(
		chromedp.Navigate(text.URL),
		shows(card+" .card-error", begins(text.Cause)),
		shows(card, text.Action),
		holds(fmt.Sprintf(`[...document.querySelectorAll("#main button:not(:disabled)")].some((b) => b.ariaLabel?.startsWith(%[1]q) || b.textContent.startsWith(%[1]q))`, button)),
	)
	o.photograph("alert-" + rule)
	if text.LeadURL != "" {
		o.do(chromedp.Navigate(text.LeadURL), shows("#main h1", ""), shows("#main", "What was submitted"))
	}
	o.wellBehaved()
	h.run(rule, text.Command)
}

// command runs a command against the gateway, and fails the test if the command fails.
func (h *house) command(args ...string) string {
	h.t.Helper()
	out, complaints, code := run(h.t, nil, "", append(args, "--server", h.gateway.address)...)
	if code != 0 {
		h.t.Fatalf("leadgate %v: %d %s", args, code, complaints)
	}
	return out
}

// run runs the command that an alert suggests.
func (h *house) run(rule, command string) {
	h.t.Helper()
	args, ok := strings.CutPrefix(command, "leadgate ")
	if !ok { // a command of the operating system
		words := strings.Fields(command)
		if out, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
			h.t.Errorf("%s: %v: %s", command, err, out)
		}
		return
	}
	want := 0
	switch {
	case strings.HasPrefix(args, "watch"):
		args += " --help" // it would not end by itself
	case strings.HasPrefix(args, "destinations test") && strings.Contains(h.crmFaults, "status"), args == "alerts test pager", rule == "configuration":
		want = 1 // it reports what is wrong
	}
	where := []string{"--server", h.gateway.address}
	if args == "check" {
		where = []string{"--config", h.config}
	}
	out, complaints, code := run(h.t, []string{"HUBSPOT_TOKEN=" + token}, "", append(strings.Fields(args), where...)...)
	if code != want {
		h.t.Errorf("%s: exit code %d: %s%s", command, code, out, complaints)
	}
}

func TestAlertsAreListedAndTestedFromTheTerminal(t *testing.T) {
	t.Parallel()
	h, in := alarmed(t, "")
	prometheus, complaints, code := run(t, []string{"HUBSPOT_TOKEN=" + token}, "", "alerts", "rules", "--config", h.config)
	if code != 0 || !strings.Contains(prometheus, "[4s]))\n") || !strings.Contains(prometheus, ">= 20") {
		t.Errorf("the rules for Prometheus: %d %q %q", code, prometheus, complaints)
	}
	out, complaints, code := run(t, nil, "", "alerts", "list", "--server", h.gateway.address)
	if code != 0 || out != "All is well.\n" {
		t.Errorf("%d %q %q", code, out, complaints)
	}
	out, complaints, code = run(t, nil, "", "alerts", "test", "--server", h.gateway.address)
	if code != 0 || !strings.Contains(out, "inbox") || !strings.Contains(out, "taken") {
		t.Errorf("%d %q %q", code, out, complaints)
	}
	in.await(t, "alert.test test/inbox")
	in.Close()
	out, _, code = run(t, nil, "", "alerts", "test", "inbox", "--server", h.gateway.address)
	if code != 1 || !strings.Contains(out, "connection refused") {
		t.Errorf("with nobody there: %d %q", code, out)
	}
	_, complaints, code = run(t, nil, "", "alerts", "test", "outbox", "--server", h.gateway.address)
	if code != 1 || !strings.Contains(complaints, `there is no notifier "outbox"; there are: inbox`) {
		t.Errorf("an unknown notifier: %d %q", code, complaints)
	}
}
