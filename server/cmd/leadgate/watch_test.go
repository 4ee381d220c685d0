package main_test

import (
	"encoding/json"
	"net/url"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"unicode"
)

// In a pipe, each event that matches the flags is one line, starting with earlier events.
func TestWatchInAPipeIsOneEventALine(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	events := h.gateway.watch()
	first := h.post("k1", ada).body["leadId"].(string)
	await(t, events, first, "SUCCESS")
	second := h.post("k2", map[string][]string{"email": {"grace@example.com"}}).body["leadId"].(string)
	await(t, events, second, "SUCCESS")

	for name, test := range map[string]struct {
		flags string
		want  []string // stages
	}{
		"a lead":              {"--lead " + second, []string{"RECEIVED", "VALIDATED", "QUEUED", "CRM_API_CALL", "SUCCESS"}},
		"stages":              {"--stage queued --stage success --lead " + first, []string{"QUEUED", "SUCCESS"}},
		"form, destination":   {"--form contact --destination crm --stage success", []string{"SUCCESS", "SUCCESS"}},
		"one stage of a lead": {"--stage crm_api_call --lead " + first, []string{"CRM_API_CALL"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			said := newLines()
			cmd := exec.Command(binary, append([]string{"watch", "--last", "1000", "--server", h.gateway.address}, strings.Fields(test.flags)...)...)
			cmd.Stdout = said
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			said.wait(t, regexp.MustCompile(`(?s)^(.*\n){`+string(rune('0'+len(test.want)))+`}`))
			if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Wait(); err != nil {
				t.Errorf("interrupted, it ends with %v", err)
			}
			var stages []string
			for line := range strings.Lines(said.text()) {
				var e event
				if err := json.Unmarshal([]byte(line), &e); err != nil {
					t.Fatalf("%v in %q", err, line)
				}
				stages = append(stages, strings.TrimPrefix(e.Lead.Stage, "STAGE_"))
			}
			if got, want := strings.Join(stages, " "), strings.Join(test.want, " "); got != want {
				t.Errorf("stages %s, want %s", got, want)
			}
		})
	}
}

// Field names and values from strangers neither move the cursor nor begin a line.
func TestStrangersDoNotWriteToTheTerminal(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	events := h.gateway.watch()
	const evil = "x\x1b]52;c;ZXZpbA==\x07\u009b2J\nlead 1: forged\u202e"
	lead := h.post("k1", url.Values{"email": {"ada@example.com"}, evil: {evil}}).body["leadId"].(string)
	await(t, events, lead, "SUCCESS")
	for _, args := range [][]string{
		{"leads", "get", lead}, {"leads", "get", lead, "--output", "json"}, {"deliveries", "get", lead + ".crm"},
		{"preview", "--form", "contact"}, {"watch", "--last", "100", "--output", "text"}, {"watch", "--last", "100", "--output", "json"},
	} {
		said := newLines()
		cmd := exec.Command(binary, append(args, "--server", h.gateway.address)...)
		cmd.Stdout, cmd.Stdin = said, strings.NewReader(url.Values{"email": {"ada@example.com"}, evil: {evil}}.Encode())
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if args[0] == "watch" {
			said.wait(t, regexp.MustCompile(`(?i)success`))
			_ = cmd.Process.Signal(syscall.SIGINT)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v: %v", args, err)
		}
		for line := range strings.Lines(said.text()) {
			if strings.ContainsFunc(strings.TrimSuffix(line, "\n"), unicode.IsControl) || strings.HasPrefix(line, "lead 1") {
				t.Errorf("%v writes %q", args, line)
			}
		}
		if args[0] != "deliveries" && !strings.Contains(said.text(), "forged") {
			t.Errorf("%v does not show the field: %s", args, said.text())
		}
	}
}
