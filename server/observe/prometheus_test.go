package observe_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	promclient "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/server/observe/alert"
	"github.com/leadgate/leadgate/server/observe/prometheus"
	"github.com/leadgate/leadgate/worker/store"
)

// promtool runs promtool. Without it the test is skipped, or fails where it is required.
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

// The shipped file is generated from the built-in defaults, so both have the same thresholds.
func TestTheShippedRulesHaveTheBuiltInThresholds(t *testing.T) {
	t.Parallel()
	want, err := prometheus.Rules(alert.Rules(nil))
	if err != nil {
		t.Fatal(err)
	}
	if shipped, err := os.ReadFile("prometheus/rules.yml"); err != nil || !bytes.Equal(shipped, want) {
		t.Errorf("prometheus/rules.yml is not what the template makes (%v): run make generate", err)
	}
}

// Every built-in rule has a Prometheus counterpart with the configured thresholds, except where it is off.
func TestPrometheusRulesTakeTheThresholdsOfTheConfiguration(t *testing.T) {
	t.Parallel()
	configured := &configv1.AlertRules{
		ErrorRate:   &configv1.ErrorRateRule{Above: .125, Window: durationpb.New(7 * time.Minute), AtLeast: 33},
		Silence:     &configv1.SilenceRule{Missing: 17, AtLeast: durationpb.New(2 * time.Hour)},
		SpeedToLead: &configv1.SpeedRule{Above: durationpb.New(42 * time.Second)}, CrmErrors: []*configv1.CrmErrorRule{{Name: "duplicates", Pattern: "DUP", AtLeast: 4}},
		Paused: &configv1.ConditionRule{After: durationpb.New(90 * time.Second)}, Breaker: &configv1.ConditionRule{Off: true},
	}
	rules, err := prometheus.Rules(alert.Rules(configured))
	if err != nil {
		t.Fatal(err)
	}
	text := string(rules)
	for _, want := range []string{
		"> 0.125", "[7m]", ">= 33", "leadgate_form_missing_submissions >= 17 and on (instance, form) leadgate_form_silent_seconds >= 7200",
		"leadgate_speed_to_lead_seconds_bucket[15m]))) > 42", `leadgate_crm_errors_total{name="duplicates"}[10m])) >= 4`, "for: 1m30s",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the rules lack %s", want)
		}
	}
	if strings.Contains(text, "LeadgateUnreachable") {
		t.Error("a rule that is off is there")
	}
	path := filepath.Join(t.TempDir(), "rules.yml")
	if err := os.WriteFile(path, rules, 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, "check", "rules", path)
	// Rules have the same names in the configuration and in Prometheus.
	names := (&configv1.AlertRules{}).ProtoReflect().Descriptor().Fields()
	for i := range names.Len() {
		name := string(names.Get(i).Name())
		switch name {
		case "breaker", "notifier": // off here; of no use with Alertmanager
			continue
		}
		if !strings.Contains(text, "rule: "+name+" }") {
			t.Errorf("there is no rule %s for Prometheus", name)
		}
	}
}

// shipped lists the files for Prometheus and Grafana, and the documentation of the metrics.
var shipped = []string{"prometheus/rules.tmpl", "grafana/leadgate.json", "README.md"}

func TestShippedFilesNameTheMetricsThatThereAre(t *testing.T) {
	t.Parallel()
	w := watch(t, figures{counts: map[string]store.Counts{"crm": {}}}, "error")
	w.alerts = []*leadgatev1.Alert{{Rule: "error_rate", State: leadgatev1.AlertState_ALERT_STATE_FIRING}}
	w.commits.Observe(1, 1)
	w.Answered("/leadgate.v1.LeadService/SubmitForm", codes.OK, time.Millisecond)
	w.journal.Publish(way(0, "contact", "crm", 1, 1)...)
	w.journal.Publish(
		&leadgatev1.Event{Kind: &leadgatev1.Event_Destination{Destination: &leadgatev1.DestinationEvent{Destination: "crm"}}},
		&leadgatev1.Event{Kind: &leadgatev1.Event_Form{Form: &leadgatev1.FormEvent{Form: "contact"}}},
		&leadgatev1.Event{Kind: &leadgatev1.Event_System{System: &leadgatev1.SystemEvent{}}},
	)
	engine, err := alert.New(t.Context(), alert.Options{
		Journal: w.journal, Store: figures{}, Destinations: destinations, Now: noon,
		Config: alert.Config{
			Destinations: []string{"crm"}, Forms: map[string]*configv1.Form{"contact": {}},
			Alerts: &configv1.Alerts{Rules: &configv1.AlertRules{
				Silence: &configv1.SilenceRule{LearnFor: durationpb.New(0)}, CrmErrors: []*configv1.CrmErrorRule{{Name: "duplicates", Pattern: "DUP"}},
			}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	w.journal.Publish(way(0, "contact", "crm", 1, 1)...)
	if err := engine.Close(); err != nil { // wait until it has counted that
		t.Fatal(err)
	}
	judged := promclient.NewRegistry()
	if err := judged.Register(engine.Collector()); err != nil {
		t.Fatal(err)
	}
	families, err := judged.Gather()
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("%v %v", problems, err)
	}
	there := regexp.MustCompile(`(?m)^[a-z_]+`).FindAllString(strings.ReplaceAll(w.metrics(), "# TYPE ", ""), -1)
	for _, family := range families {
		there = append(there, family.GetName())
	}
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range there {
		if strings.HasPrefix(name, "leadgate_") && !strings.Contains(string(readme), "`"+name+"`") && !regexp.MustCompile(`_(bucket|sum|count)$`).MatchString(name) {
			t.Errorf("README.md does not say what %s is", name)
		}
	}
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
