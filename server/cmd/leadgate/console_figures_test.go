package main_test

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// The console, the metrics and the log agree on the figures, and the first view answers an operator's questions.
func TestConsoleMetricsAndLogTellTheSameFigures(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.edit("requests_per_second: 100", "requests_per_second: 100, requests_per_day: 1000")
	h.gateway.kill()
	h.restart()
	events := h.gateway.watch()
	submit := func(key, email string) string {
		id, _ := h.post(key, map[string][]string{"email": {email}}).body["leadId"].(string)
		return id
	}
	for i := range 5 {
		await(t, events, submit(fmt.Sprint("k", i), fmt.Sprintf("a%d@example.com", i)), "SUCCESS")
	}
	submit("k0", "a0@example.com") // a duplicate
	submit("refused", "nobody")    // refused by a rule
	h.faults(`{"status":400}`)     // the CRM refuses the next
	await(t, events, submit("dead", "b@example.com"), "DEAD")

	want := map[string]int{"received": 6, "duplicate": 1, "rejected": 1, "success": 5, "dead": 1}
	h.awaitMetrics(`leadgate_events_total{destination="crm",form="contact",reason="refused",stage="dead"} 1`)
	metrics := request(t, "GET", h.url("/metrics"), "", "").text
	for stage, n := range want {
		total := 0
		for _, found := range regexp.MustCompile(`(?m)^leadgate_events_total\{[^}]*stage="`+stage+`"[^}]*\} (\d+)$`).FindAllStringSubmatch(metrics, -1) {
			one, _ := strconv.Atoi(found[1])
			total += one
		}
		if lines := strings.Count(h.gateway.lines.text(), `"stage":"`+stage+`"`); total != n || lines != n {
			t.Errorf("%s: %d by the metrics, %d in the log, want %d", stage, total, lines, n)
		}
	}
	o := openConsole(t, h.gateway.address)
	o.do(
		shows(".figures", "8 in the last hour"), // received, refused and duplicate
		shows(".figures", "5 in the last hour"),
		shows(".figures", "1 given up, in the last hour"),
		shows(".figures", "95% within"),
		shows(".card", "flowing"), shows(".card", "of 100/s"), shows(".card", "quota left"), shows(".card", "99%"),
		shows(".card-error", "VALIDATION_ERROR"), // the CRM's own words
		shows(".health", "given up"),             // a person is needed
	)
	o.photograph("figures")
	o.wellBehaved()
}
