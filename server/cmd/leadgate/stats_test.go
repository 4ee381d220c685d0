package main_test

import (
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
		// They are counted from events, a moment after watchers see them.
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
