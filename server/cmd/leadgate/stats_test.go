package main_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestStatsTellWhatWasDeliveredAndHowFastAlsoAfterARestart(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	leadID := h.post("k1", ada).body["leadId"].(string)
	await(t, h.gateway.watch(), leadID, "SUCCESS")
	check := func() {
		t.Helper()
		// They are counted from events, shortly after watchers see them.
		for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
			a := request(t, "GET", h.url("/v1/stats"), "", "")
			if a.status != 200 {
				t.Fatalf("answer %d %s", a.status, a.text)
			}
			missing := slices.DeleteFunc([]string{`"delivered":"1"`, `"form":"contact"`, `"destination":"crm"`, `"speedToLead":{"count":"1"`},
				func(want string) bool { return strings.Contains(a.text, want) })
			if len(missing) == 0 {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s are missing in %s", missing, a.text)
			}
		}
	}
	check()
	h.gateway.kill()
	h.restart()
	check()
}

// More happens than the journal remembers, and the gateway is killed meanwhile. Afterwards the figures are consistent.
func TestStatsAgreeAfterARestartInTheMiddleOfALoad(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	const leads = 4_000 // 12,000 events before the first is sent, of which 10,000 are remembered
	h.command("destinations", "pause", "crm")
	for from := 0; from < leads; from += 800 {
		var batch []string
		for i := range 800 {
			batch = append(batch, fmt.Sprintf(`{"lead":{"email":"visitor%d@example.com"}}`, from+i))
		}
		if a := request(t, "POST", h.url("/v1/leads:batch"), "application/json", `{"leads":[`+strings.Join(batch, ",")+`]}`); a.status != 200 {
			t.Fatalf("answer %d %s", a.status, a.text)
		}
	}
	h.command("destinations", "resume", "crm")
	h.awaitStats(func(c counts) bool { return c.Delivered > 200 })
	h.gateway.kill()
	h.restart()
	h.awaitStats(func(c counts) bool {
		if c.Delivered > c.Submitted {
			t.Fatalf("%d leads were delivered of %d submitted", c.Delivered, c.Submitted)
		}
		return c.Delivered == leads
	})
	if c := h.awaitStats(func(counts) bool { return true }); c.Submitted != leads || c.Accepted != leads {
		t.Errorf("%d submitted, %d accepted, want %d", c.Submitted, c.Accepted, leads)
	}
}

// counts are the figures of the last hour.
type counts struct {
	Submitted, Accepted, Delivered int `json:",string"`
}

// awaitStats polls the figures until good accepts them.
func (h *house) awaitStats(good func(counts) bool) counts {
	h.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		a := request(h.t, "GET", h.url("/v1/stats"), "", "")
		var stats struct{ Counts counts }
		if err := json.Unmarshal([]byte(a.text), &stats); err != nil {
			h.t.Fatal(err)
		}
		if good(stats.Counts) {
			return stats.Counts
		}
		if time.Now().After(deadline) {
			h.t.Fatalf("the figures stay at %+v", stats.Counts)
		}
	}
}
