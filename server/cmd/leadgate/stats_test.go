package main_test

import (
	"strings"
	"testing"
)

func TestStatsTellWhatWasDeliveredAndHowFastAlsoAfterARestart(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	leadID := h.post("k1", ada).body["leadId"].(string)
	await(t, h.gateway.watch(), leadID, "SUCCESS")
	check := func() {
		t.Helper()
		a := request(t, "GET", h.url("/v1/stats"), "", "")
		if a.status != 200 {
			t.Fatalf("answer %d %s", a.status, a.text)
		}
		for _, want := range []string{`"delivered":"1"`, `"form":"contact"`, `"destination":"crm"`, `"speedToLead":{"count":"1"`} {
			if !strings.Contains(a.text, want) {
				t.Errorf("%s is missing in %s", want, a.text)
			}
		}
	}
	check()
	h.gateway.kill()
	h.restart()
	check()
}
