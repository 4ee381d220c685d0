package main_test

import (
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var snippet = regexp.MustCompile(`(?s)(destinations:\n.*?)\n\nand export (\w+)=`)

// TestWhatASimulatorSaysToPasteWorks follows each simulator's own instructions: the destination that it prints is put into a
// configuration, and a lead becomes one record although answers are lost on the way.
func TestWhatASimulatorSaysToPasteWorks(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"hubspot", "salesforce", "pipedrive", "zoho", "dynamics", "http"} {
		t.Run(kind, func(t *testing.T) {
			h := &house{t: t, data: filepath.Join(t.TempDir(), "data"), config: filepath.Join(t.TempDir(), "leadgate.yaml")}
			h.crm = start(t, nil, "simulate", kind, "--listen", "127.0.0.1:0", "--token", token)
			said := h.crm.lines.wait(t, snippet)
			config := `
forms:
  contact:
    fields: { email: email, firstname: first_name, lastname: last_name, phone: phone, company: company, message: message }
    default_region: US
` + said[1] + `
    retry: { initial_delay: 20ms, max_delay: 200ms }
`
			if err := os.WriteFile(h.config, []byte(config), 0o600); err != nil {
				t.Fatal(err)
			}
			check := exec.Command(binary, "check", "--online", "--config", h.config)
			check.Env = append(os.Environ(), said[2]+"="+token)
			if out, err := check.CombinedOutput(); err != nil || !strings.Contains(string(out), "takes the credentials") || strings.Contains(string(out), "did you mean") {
				t.Errorf("check --online: %v: %s", err, out)
			}
			h.gateway = start(t, []string{said[2] + "=" + token}, "serve", "--config", h.config, "--listen", "127.0.0.1:0", "--data-dir", h.data)
			events := h.gateway.watch()
			h.faults(`{"kinds":["status","lost","cut"],"times":3}`)
			for i, person := range []string{"ada", "grace"} {
				a := h.post(fmt.Sprint(i), url.Values{"email": {person + "@example.com"}, "firstname": {person}, "phone": {"(415) 555-0132"}, "message": {"Hello"}})
				await(t, events, a.body["leadId"].(string), "SUCCESS")
			}
			records := request(t, "GET", "http://"+h.crm.address+"/_sim/contacts", "", "").text
			for _, person := range []string{"ada", "grace"} {
				if n := strings.Count(records, person+"@example.com"); n != 1 {
					t.Errorf("%s is in the CRM %d times: %s", person, n, records)
				}
			}
		})
	}
}
