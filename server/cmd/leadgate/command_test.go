package main_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const goodConfig = `forms:
  contact:
    fields: { email: email }
    destinations: [crm]
destinations:
  crm:
    hubspot: { token: "${env:HUBSPOT_TOKEN}" }
`

func writeConfig(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "leadgate.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestABadConfigurationIsRefusedWithItsPlaceAndTheWayOut covers both check and serve.
func TestABadConfigurationIsRefusedWithItsPlaceAndTheWayOut(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change [2]string
		want   []string
	}{
		"unknown key":           {[2]string{"    fields:", "    feilds:"}, []string{":3:5:", `"feilds"`, `"fields"`}},
		"unknown lead field":    {[2]string{"{ email: email }", "{ email: emial }"}, []string{":3:22:", `"emial"`, `"email"`}},
		"undefined destination": {[2]string{"[crm]", "[cmr]"}, []string{":4:20:", `"cmr"`, `"crm"`}},
		"missing variable":      {[2]string{"HUBSPOT_TOKEN", "HUBSPOT_TOKNE"}, []string{":7:", "HUBSPOT_TOKNE"}},
		"plain credential":      {[2]string{"${env:HUBSPOT_TOKEN}", "pat-na1-1234"}, []string{":7:", "${env:"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := writeConfig(t, strings.Replace(goodConfig, c.change[0], c.change[1], 1))
			for _, command := range []string{"check", "serve"} {
				_, complaint, code := run(t, []string{"HUBSPOT_TOKEN=t"}, "", command, "--config", path)
				if code != 1 {
					t.Errorf("%s ends with %d, want 1", command, code)
				}
				for _, want := range append(c.want, path) {
					if !strings.Contains(complaint, want) {
						t.Errorf("%s does not say %s: %s", command, want, complaint)
					}
				}
				if strings.Contains(complaint, "pat-na1-1234") {
					t.Errorf("%s shows the credential: %s", command, complaint)
				}
			}
		})
	}
}

func TestTheExampleConfigurationIsGood(t *testing.T) {
	t.Parallel()
	example, _, code := run(t, nil, "", "check", "--example")
	if code != 0 {
		t.Fatal("check --example failed")
	}
	_, complaint, code := run(t, nil, "", "check", "--config", writeConfig(t, example))
	// Only environment variables may be missing.
	for _, line := range strings.Split(strings.TrimSpace(complaint), "\n") {
		if code != 0 && !strings.Contains(line, "environment variable") {
			t.Errorf("the example is refused: %s", line)
		}
	}
}

func TestServeSaysWhatStandsInItsWay(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() })
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	config := writeConfig(t, goodConfig)
	for name, c := range map[string]struct{ args, want []string }{
		"no configuration":      {[]string{"--config", "nowhere.yaml"}, []string{"nowhere.yaml", "check --example"}},
		"port in use":           {[]string{"--config", config, "--listen", taken.Addr().String(), "--data-dir", t.TempDir()}, []string{taken.Addr().String(), "--listen"}},
		"data directory a file": {[]string{"--config", config, "--listen", "127.0.0.1:0", "--data-dir", file}, []string{file}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, complaint, code := run(t, []string{"HUBSPOT_TOKEN=t"}, "", append([]string{"serve"}, c.args...)...)
			if code != 1 {
				t.Errorf("ends with %d, want 1", code)
			}
			for _, want := range c.want {
				if !strings.Contains(complaint, want) {
					t.Errorf("does not say %s: %s", want, complaint)
				}
			}
		})
	}
}

func TestASecondGatewayOnTheSameDataIsRefused(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	_, complaint, code := run(t, []string{"HUBSPOT_TOKEN=t"}, "", "serve", "--config", h.config, "--listen", "127.0.0.1:0", "--data-dir", h.data)
	if code != 1 || !strings.Contains(complaint, h.data) || !strings.Contains(complaint, "is in use by process") {
		t.Errorf("ends with %d and says %s", code, complaint)
	}
}

func TestMisuseIsToldApartFromFailure(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"serv", 2, `"serve"`},
		{"serve --prot 1", 2, "--help"},
		{"check extra", 2, "--help"},
		{"submit nonsense", 2, "NAME=VALUE"},
		{"submit --server 127.0.0.1:1 email=a@example.com", 1, "127.0.0.1:1"},
		{"watch --stage flying", 2, "success"},
		{"simulate hubspot --fail-rate 2", 2, "fail"},
		{"simulate dynamics --fault omit", 2, "hubspot, salesforce, zoho and http"},
		{"deliveries get --server 127.0.0.1:1 x.crm", 1, "(connection refused): start one with leadgate serve"},
		{"health --server 127.0.0.1:1", 1, "(connection refused): start one with leadgate serve"},
		{"serve --log-level warning", 2, "debug, info, warn, error"},
		{"serve --log-format jsn", 2, `did you mean "json"?`},
		{"submit emial=ada@example.com", 2, `did you mean "email"?`},
		{"leads list --since yesterday", 2, "such as 2h or 7d"},
		{"version extra", 2, "not 1 argument;"},
	} {
		_, complaint, code := run(t, nil, "", strings.Fields(c.args)...)
		if code != c.code || !strings.Contains(complaint, c.want) {
			t.Errorf("leadgate %s ends with %d and says %q, want %d and %s", c.args, code, complaint, c.code, c.want)
		}
	}
}

// Like the configuration file, commands accept days in durations, and all of them accept a date as well.
func TestSinceIsADurationOrADay(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.command("submit", "--form", "contact", "email=ada@example.com")
	for _, command := range []string{"leads list", "deliveries list", "export", "replay --form contact --dry-run"} {
		for since, found := range map[string]bool{"2h": true, "7d": true, "1d12h": true, "2020-01-01": true, "2020-01-01T00:00:00Z": true, "2199-01-01": false} {
			args := append(strings.Fields(command), "--since", since)
			if command != "export" {
				args = append(args, "--output", "json")
			}
			out := h.command(args...)
			if strings.Contains(out, "ada@example.com") != found && strings.Contains(out, "contact") != found && strings.Contains(out, `"matched":"1"`) != found {
				t.Errorf("%s --since %s: %s", command, since, out)
			}
		}
	}
}

// An empty list, or a watch that shows nothing, would look like good news.
func TestAMisspeltNameIsNoEmptyAnswer(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for _, command := range []string{
		"deliveries list --destination cmr", "deliveries retry --all --destination cmr", "deliveries retry --all --destination cmr --dry-run",
		"deliveries delete --destination cmr --dry-run", "watch --destination cmr",
		"destinations pause cmr", "destinations test cmr", "deliveries move --from cmr --to crm", "deliveries move --from crm --to cmr",
		"deliveries list --form contct", "deliveries list --destination crm --form contct --state dead", "deliveries retry --all --form contct",
		"deliveries move --from crm --to crm --form contct", "deliveries delete --form contct --dry-run", "leads release --all --form contct",
		"leads discard --all --form contct --dry-run",
		"leads list --form contct", "watch --form contct", "export --form contct", "replay --form contct", "preview --form contct",
	} {
		want := `there is no destination "cmr"; there are: crm`
		if strings.Contains(command, "contct") {
			want = `there is no form "contct"; did you mean "contact"?`
		}
		_, complaint, code := run(t, nil, "", append(strings.Fields(command), "--server", h.gateway.address)...)
		if code != 1 || !strings.Contains(complaint, want) {
			t.Errorf("%s: %d %s", command, code, complaint)
		}
	}
}

// People who come later see who paused a destination and why, even after a restart.
func TestAPauseSaysWhy(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.command("destinations", "pause", "crm", "--reason", "Ada: duplicates")
	for range 2 {
		if text := h.command("destinations", "list"); !strings.Contains(text, "paused: Ada: duplicates") {
			t.Errorf("the destination is shown as\n%s", text)
		}
		h.gateway.kill()
		h.restart()
	}
	if text := h.command("destinations", "resume", "crm"); !strings.Contains(text, "flowing") || strings.Contains(text, "Ada") {
		t.Errorf("resumed, it is shown as\n%s", text)
	}
	// A dry run does not read like a failure.
	lead := h.post("k1", url.Values{"email": {"ada@example.com"}}).body["leadId"].(string)
	events := h.gateway.watch()
	await(t, events, lead, "SUCCESS")
	if text := h.command("deliveries", "retry", "--all", "--state", "dead", "--dry-run"); !strings.Contains(text, "0 match; nothing was done") {
		t.Errorf("a dry run says %s", text)
	}
	// A dry run of a named delivery is refused: ignoring the flag would retry it.
	if _, complaint, code := run(t, nil, "", "deliveries", "retry", lead+".crm", "--dry-run", "--server", h.gateway.address); code != 2 || !strings.Contains(complaint, "--all") {
		t.Errorf("a dry run of one that is named: %d, %s", code, complaint)
	}
	if _, complaint, code := run(t, nil, "", "deliveries", "retry", lead+".crm", "--server", h.gateway.address); code != 1 || !strings.Contains(complaint, "the delivery is delivered") {
		t.Errorf("retrying what was delivered: %d %s", code, complaint)
	}
}

// People who set up a server see at the first start why nobody else gets in.
func TestTheLogSaysWhoIsServedWithoutKeys(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	const words = "without api_keys it serves forms to everybody, and all else to callers on this machine only"
	if !strings.Contains(h.gateway.lines.text(), words) {
		t.Error("the log does not say it")
	}
	h.edit("forms:", "api_keys: [{ name: ops, key: \"${env:OPS_KEY}\", roles: [read, operate] }]\nforms:")
	h.gateway.kill()
	h.gateway = start(t, []string{"HUBSPOT_TOKEN=" + token, "OPS_KEY=of-ops"}, "serve", "--config", h.config, "--listen", "127.0.0.1:0", "--data-dir", h.data)
	if strings.Contains(h.gateway.lines.text(), words) {
		t.Error("the log says it although there is a key")
	}
}

// Another server answers, or a proxy without the gateway behind it.
func TestHealthTellsAStrangerFromAGateway(t *testing.T) {
	t.Parallel()
	stranger := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(stranger.Close)
	_, complaint, code := run(t, nil, "", "health", "--server", stranger.URL)
	if code != 1 || !strings.Contains(complaint, "is no gateway") || !strings.Contains(complaint, "404") {
		t.Errorf("%d %s", code, complaint)
	}
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.EnableHTTP2 = true
	secure.StartTLS()
	t.Cleanup(secure.Close)
	for server, want := range map[string]string{
		strings.Replace(stranger.URL, "http:", "https:", 1): "leave out https://",
		secure.URL: "SSL_CERT_FILE",
	} {
		for _, command := range []string{"health", "leads list"} {
			if _, complaint, code := run(t, nil, "", append(strings.Fields(command), "--server", server)...); code != 1 || !strings.Contains(complaint, want) {
				t.Errorf("%s at %s: %d %s", command, server, code, complaint)
			}
		}
	}
}

func TestEveryCommandHasAnExample(t *testing.T) {
	t.Parallel()
	for _, command := range []string{
		"erase", "export", "backup", "restore", "compact", "doctor",
		"serve", "demo", "check", "snippet", "submit", "watch", "deliveries list", "deliveries get", "deliveries retry",
		"destinations list", "destinations pause", "destinations resume", "simulate hubspot", "version", "import", "health", "man",
		"preview", "replay", "leads list", "leads get", "leads release", "leads discard", "deliveries move", "deliveries delete",
		"destinations test", "operations list", "operations get", "alerts list", "alerts test",
	} {
		help, _, code := run(t, nil, "", append(strings.Fields(command), "--help")...)
		if code != 0 || !strings.Contains(help, "Examples:\n  leadgate "+strings.Fields(command)[0]) {
			t.Errorf("leadgate %s --help has no example: %s", command, help)
		}
	}
}

func TestManualPagesAndCompletionCoverEveryCommand(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "man1")
	if _, complaint, code := run(t, nil, "", "man", dir); code != 0 {
		t.Fatal(complaint)
	}
	page, err := os.ReadFile(filepath.Join(dir, "leadgate-deliveries-retry.1"))
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{".SH SYNOPSIS", ".SH EXAMPLE", "leadgate deliveries retry", "--dry-run"} {
		if !strings.Contains(string(page), part) {
			t.Errorf("the page lacks %q: %s", part, page)
		}
	}
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if script, complaint, code := run(t, nil, "", "completion", shell); code != 0 || !strings.Contains(script, "leadgate") {
			t.Errorf("completion %s: code %d, %s", shell, code, complaint)
		}
	}
	if offered, _, _ := run(t, nil, "", "__complete", "deliveries", ""); !strings.Contains(offered, "retry") {
		t.Errorf("after deliveries are offered: %s", offered)
	}
}

// Alerts suggest commands. Run as they are, they say where the API key goes.
func TestACommandWithoutAKeySaysWhereToPutIt(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.edit("forms:", "api_keys: [{ name: ops, key: \"${env:OPS_KEY}\", roles: [read, operate] }]\nforms:")
	h.gateway.kill()
	h.gateway = start(t, []string{"HUBSPOT_TOKEN=" + token, "OPS_KEY=of-ops"}, "serve", "--config", h.config, "--listen", "127.0.0.1:0", "--data-dir", h.data)
	for _, command := range []string{"destinations test crm", "watch --destination crm --last 50", "leads list --state held"} {
		_, complaint, code := run(t, []string{"LEADGATE_SERVER=" + h.gateway.address}, "", strings.Fields(command)...)
		if code != 1 || !strings.Contains(complaint, "wants an API key; give one with --api-key or LEADGATE_API_KEY") {
			t.Errorf("%s: %d %s", command, code, complaint)
		}
	}
	_, complaint, code := run(t, []string{"LEADGATE_SERVER=" + h.gateway.address, "LEADGATE_API_KEY=of-ops"}, "", "leads", "list")
	if code != 0 {
		t.Errorf("with the key: %d %s", code, complaint)
	}
}

// A command that reads standard input does not react to the first one.
func TestTheSecondCtrlCEndsWhateverRuns(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(binary, "submit", "--file", "-")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill() }()                   // it may have ended
	if _, err := stdin.Write(make([]byte, 1<<20)); err != nil { // more than fits into the pipe, so it is reading
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for again, late := time.NewTicker(10*time.Millisecond), time.After(patience); ; {
		select {
		case <-ended:
			return
		case <-again.C:
			_ = cmd.Process.Signal(os.Interrupt) // until it ends
		case <-late:
			t.Fatal("it still runs after many interrupts")
		}
	}
}
