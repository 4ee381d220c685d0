package main_test

import (
	"encoding/json"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// In a pipe, each event that the flags choose is one line, which begins with what happened before.
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
