package main_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestAnErasureThatWasKilledHalfWayGoesOnByItself(t *testing.T) {
	t.Parallel()
	const leads, batch = 2000, 500
	h := newHouse(t)
	if a := request(t, "POST", h.url("/v1/destinations/crm:pause"), "application/json", "{}"); a.status != 200 {
		t.Fatal(a.text)
	}
	list := filepath.Join(h.data, "erasures.ndjson")
	erased := func() int {
		text, err := os.ReadFile(list)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		ids := map[string]bool{} // a truncated line is written again
		for line := range bytes.Lines(text) {
			var l struct {
				LeadID string `json:"lead_id"`
			}
			if json.Unmarshal(line, &l) == nil {
				ids[l.LeadID] = true
			}
		}
		return len(ids)
	}
	many := `{"leads":[` + strings.TrimSuffix(strings.Repeat(`{"lead":{"email":"ada@example.com","lastName":"Lovelace"}},`, batch), ",") + `]}`
	for range leads / batch {
		if a := request(t, "POST", h.url("/v1/leads:batch"), "application/json", many); a.status != 200 {
			t.Fatalf("%d %s", a.status, a.text)
		}
	}
	asked := make(chan int, 1)
	go func() {
		_, _, code := run(t, nil, "", "erase", "--server", h.gateway.address, "--email", "ada@example.com")
		asked <- code
	}()
	for deadline := time.Now().Add(patience); erased() == 0 && time.Now().Before(deadline); {
		time.Sleep(100 * time.Microsecond) // the file is all there is to wait for
	}
	h.gateway.kill()
	before := erased()
	if before == 0 || before == leads {
		t.Fatalf("%d of %d were erased when it was killed", before, leads)
	}
	if code := <-asked; code != 1 {
		t.Errorf("whoever asked got %d", code)
	}

	h.restart()
	h.gateway.lines.wait(t, regexp.MustCompile(`EraseLeads \S+ continues after a restart`))
	h.gateway.lines.wait(t, regexp.MustCompile(fmt.Sprintf(`EraseLeads \S+ is done: %d matched`, leads)))
	if n := erased(); n != leads {
		t.Errorf("%d of %d are erased", n, leads)
	}
	if found := request(t, "POST", h.url("/v1/leads:search"), "application/json", `{"email":"ada@example.com"}`); strings.Contains(found.text, "leadId") {
		t.Errorf("still found: %s", found.text)
	}
	out, _, code := run(t, nil, "", "erase", "--server", h.gateway.address, "--email", "ada@example.com")
	if code != 0 || !strings.Contains(out, fmt.Sprintf("%d leads erased before", leads)) {
		t.Errorf("asked again it answers %d, %s", code, out)
	}
	if out, _, code := run(t, nil, "eda@example.com\n", "erase", "--server", h.gateway.address, "--email", "-"); code != 0 || !strings.Contains(out, "no lead of eda@example.com is kept") {
		t.Errorf("of somebody else it answers %d, %s", code, out)
	}
	t.Logf("killed after %d of %d", before, leads)
}
