package observe_test

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

// The snippets in README.md parse, and use only fields that lines have.
func TestRecipesForLogsFitTheLines(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	w := watch(t, figures{}, "")
	failed := failedCall()
	failed.TraceId = "4bf92f3577b34da6a3ce929d0e0e4736"
	w.journal.Publish(lead(failed), &leadgatev1.Event{Kind: &leadgatev1.Event_System{System: &leadgatev1.SystemEvent{Detail: "a message"}}})
	var line map[string]any
	for _, one := range w.lines() {
		if err := json.Unmarshal([]byte(one), &line); err != nil { // into the same map: all fields
			t.Fatal(err)
		}
	}
	has := func(recipe, field string) {
		t.Helper()
		if _, ok := line[field]; !ok {
			t.Errorf("the recipe for %s names %s, which no line has", recipe, field)
		}
	}
	recipes := map[string]string{} // the last one of each kind, by a word in it
	for _, block := range regexp.MustCompile("(?s)```(\\w*)\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		var content any
		switch block[1] {
		case "json":
			err = json.Unmarshal([]byte(block[2]), &content)
		case "yaml":
			err = yaml.Unmarshal([]byte(block[2]), &content)
		}
		if err != nil {
			t.Errorf("%v in\n%s", err, block[2])
		}
		for _, word := range []string{"com.datadoghq", "fields @timestamp", "collect_list", "filelog", "newrelic-infra"} {
			if strings.Contains(block[2], word) {
				recipes[word] = block[2]
			}
		}
	}
	if len(recipes) != 5 {
		t.Fatalf("recipes: %v", recipes)
	}

	var datadog struct{ Labels map[string]string }
	if err := yaml.Unmarshal([]byte(recipes["com.datadoghq"]), &datadog); err != nil || len(datadog.Labels) != 2 {
		t.Errorf("%v: %v", datadog, err)
	}
	for name, label := range datadog.Labels {
		if !json.Valid([]byte(label)) {
			t.Errorf("%s is no JSON: %s", name, label)
		}
	}
	for _, field := range []string{"time", "level", "msg", "trace_id"} { // needed by remappers
		has("Datadog", field)
	}
	for _, field := range regexp.MustCompile(`\b(?:lead_id|destination|crm_status|error|stage)\b`).FindAllString(recipes["fields @timestamp"], -1) {
		has("Logs Insights", field)
	}
	for _, field := range regexp.MustCompile(`attributes\.(\w+)`).FindAllStringSubmatch(recipes["filelog"], -1) {
		has("a collector", field[1])
	}
	layout := regexp.MustCompile(`layout: "(.*?)"`).FindStringSubmatch(recipes["filelog"])
	if layout == nil {
		t.Fatal("the collector is not told how to read the time")
	}
	if at, err := time.Parse(layout[1], line["time"].(string)); err != nil || at.IsZero() {
		t.Errorf("the collector reads %v as %s: %v", line["time"], at, err)
	}
}
