package main_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// startPrometheus runs Prometheus with the shipped rules, scraping the gateway every half second, and returns its address.
func startPrometheus(t *testing.T, gateway string) string {
	t.Helper()
	path, err := exec.LookPath("prometheus")
	if err != nil {
		if os.Getenv("LEADGATE_REQUIRE_PROMTOOL") != "" {
			t.Fatal("Prometheus is required, and not there: install Debian's package prometheus")
		}
		t.Skip("Prometheus is not there: install Debian's package prometheus")
	}
	shipped, err := os.ReadFile("../../observe/prometheus/rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	rules := filepath.Join(dir, "rules.yml")
	if err := os.WriteFile(rules, bytes.Replace(shipped, []byte("interval: 15s"), []byte("interval: 500ms"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	config := fmt.Sprintf(`
global: { scrape_interval: 500ms, evaluation_interval: 500ms }
rule_files: [%q]
scrape_configs:
  - job_name: leadgate
    static_configs: [{ targets: [%q] }]
`, rules, gateway)
	file := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	address := freeAddress(t)
	cmd := exec.Command(path, "--config.file="+file, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+address, "--log.level=warn")
	output := newLines()
	cmd.Stdout, cmd.Stderr = output, output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("prometheus said:\n%s", output.text())
		}
	})
	return address
}

// freeAddress returns an address on which nothing currently listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func TestPrometheusScrapesTheGatewayAndItsRulesFire(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	prometheus := startPrometheus(t, h.gateway.address)
	h.faults(`{"status":401}`)
	h.submit(3)
	if a := request(t, "POST", h.url("/v1/forms/contact/submissions"), "application/json", `{"email":"nobody"}`); a.status != 400 {
		t.Fatalf("answer %d %s", a.status, a.text)
	}
	for query, want := range map[string]string{
		`up{job="leadgate"}`: "1",
		`sum(leadgate_deliveries{destination="crm",state=~"pending|retry_wait"})`: "3",
		`ALERTS{alertname="LeadgateCredentialsRefused",alertstate="firing"}`:      "1",
		`leadgate_request_duration_seconds_count{method="SubmitForm",code="OK"}`:  "3",
		`sum(leadgate_request_duration_seconds_count{code="InvalidArgument"})`:    "1",
	} {
		got := "nothing"
		for deadline := time.Now().Add(patience); got != want && time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
			got = ask(prometheus, query)
		}
		if got != want {
			t.Errorf("%s is %s, want %s", query, got, want)
		}
	}
	for _, rule := range []string{"LeadgateErrorRate", "LeadgateDead", "LeadgateDisk", "LeadgateRefusing", "LeadgateDown"} {
		if got := ask(prometheus, fmt.Sprintf(`ALERTS{alertname=%q}`, rule)); got != "nothing" {
			t.Errorf("%s fires too: %s", rule, got)
		}
	}
	var status struct {
		Data struct {
			Groups []struct {
				Rules []struct{ Name, Health, LastError string }
			}
		}
	}
	if err := fetch("http://"+prometheus+"/api/v1/rules", &status); err != nil || len(status.Data.Groups) != 1 {
		t.Fatalf("rules: %v, %v", status, err)
	}
	for _, rule := range status.Data.Groups[0].Rules {
		if rule.Health != "ok" {
			t.Errorf("%s: %s %s", rule.Name, rule.Health, rule.LastError)
		}
	}
}

// ask returns the first value of a query; "nothing" if there is none.
func ask(prometheus, query string) string {
	var answer struct {
		Data struct{ Result []struct{ Value [2]any } }
	}
	if err := fetch("http://"+prometheus+"/api/v1/query?query="+url.QueryEscape(query), &answer); err != nil || len(answer.Data.Result) == 0 {
		return "nothing"
	}
	return fmt.Sprint(answer.Data.Result[0].Value[1])
}

func fetch(address string, into any) error {
	response, err := http.Get(address)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	return json.NewDecoder(response.Body).Decode(into)
}
