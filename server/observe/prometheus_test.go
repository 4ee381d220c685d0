package observe_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/store"
)

// promtool runs the real one; without it the test is skipped, or fails where it must be there.
func promtool(t *testing.T, args ...string) string {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		if os.Getenv("LEADGATE_REQUIRE_PROMTOOL") != "" {
			t.Fatal("promtool is required, and not there: install Debian's package prometheus")
		}
		t.Skip("promtool is not there: install Debian's package prometheus")
	}
	out, err := exec.CommandContext(t.Context(), path, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func TestPrometheusRulesFireAsTheBuiltInOnesDo(t *testing.T) {
	t.Parallel()
	promtool(t, "check", "rules", "prometheus/rules.yml")
	promtool(t, "test", "rules", "prometheus/rules_test.yml")
}

// shipped are the files for Prometheus and Grafana, and what is written of the metrics.
var shipped = []string{"prometheus/rules.yml", "grafana/leadgate.json", "README.md"}

func TestShippedFilesNameOnlyMetricsThatThereAre(t *testing.T) {
	t.Parallel()
	w := watch(t, figures{counts: map[string]store.Counts{"crm": {}}}, "error")
	w.alerts = []*leadgatev1.Alert{{Rule: "error-rate", State: leadgatev1.AlertState_ALERT_STATE_FIRING}}
	w.commits.Observe(1, 1)
	w.journal.Publish(way(0, "contact", "crm", 1, 1)...)
	w.journal.Publish(
		&leadgatev1.Event{Kind: &leadgatev1.Event_Destination{Destination: &leadgatev1.DestinationEvent{Destination: "crm"}}},
		&leadgatev1.Event{Kind: &leadgatev1.Event_Form{Form: &leadgatev1.FormEvent{Form: "contact"}}},
		&leadgatev1.Event{Kind: &leadgatev1.Event_System{System: &leadgatev1.SystemEvent{}}},
	)
	there := regexp.MustCompile(`(?m)^[a-z_]+`).FindAllString(strings.ReplaceAll(w.metrics(), "# TYPE ", ""), -1)
	named := regexp.MustCompile(`\b(leadgate|process)_[a-z_]+\b`)
	for _, path := range shipped {
		text, err := os.ReadFile(filepath.FromSlash(path))
		if err != nil {
			t.Fatal(err)
		}
		names := named.FindAllString(string(text), -1)
		if len(names) < 10 {
			t.Errorf("%s names %d metrics", path, len(names))
		}
		for _, name := range names {
			if !slices.Contains(there, name) {
				t.Errorf("%s names %s, which is not served", path, name)
			}
		}
	}
}

func TestTheDashboardIsOneThatGrafanaCanRead(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("grafana/leadgate.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Title, UID    string
		SchemaVersion int
		Panels        []struct {
			ID      int
			Title   string
			Type    string
			GridPos struct{ X, Y, W, H int }
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &dashboard); err != nil {
		t.Fatal(err)
	}
	seen := map[int]bool{}
	variables := strings.NewReplacer("[$__rate_interval]", "[5m]", "$instance", ".*", "$destination", ".*", "$form", ".*")
	number := 0
	var rules strings.Builder
	rules.WriteString("groups:\n  - name: dashboard\n    rules:\n")
	for _, p := range dashboard.Panels {
		if seen[p.ID] || p.GridPos.X+p.GridPos.W > 24 || p.Title == "" || p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("panel %d %q is not as Grafana wants it", p.ID, p.Title)
		}
		seen[p.ID] = true
		for _, target := range p.Targets {
			quoted, err := json.Marshal(variables.Replace(target.Expr))
			if err != nil {
				t.Fatal(err)
			}
			number++
			fmt.Fprintf(&rules, "      - { record: panel, expr: %s, labels: { target: \"%d\" } }\n", quoted, number)
		}
	}
	path := filepath.Join(t.TempDir(), "rules.yml")
	if err := os.WriteFile(path, []byte(rules.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, "check", "rules", "--lint=none", path)
}
