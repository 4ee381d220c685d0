package alert

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/leadgate/leadgate/worker/spelling"
)

// leads is a number of leads in words.
func leads(n int64) string { return spelling.Count(n, "lead", "leads") }

// times is how often something happened in words.
func times(n int64) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// deliveries is a number of deliveries in words.
func deliveries(n int64) string { return spelling.Count(n, "delivery", "deliveries") }

// leadsWait is a number of leads that wait, in words.
func leadsWait(n int64) string { return spelling.Count(n, "lead waits", "leads wait") }

// answered says what the CRM answered in a case, or what else is known.
func answered(s sample, otherwise string) string {
	text := cmp.Or(s.detail, otherwise)
	if s.status == 0 || text == "" {
		return text
	}
	return fmt.Sprintf("HTTP %d: %s", s.status, text)
}

// short is a duration in its two largest units, without what is 0.
func short(d time.Duration) string {
	if d < time.Second {
		return d.Round(time.Millisecond).String()
	}
	d = d.Round(time.Second)
	if d >= time.Hour {
		d = d.Round(time.Minute)
	}
	text := ""
	for _, unit := range []struct {
		name string
		size time.Duration
	}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"min", time.Minute}, {"s", time.Second}} {
		if n := d / unit.size; n > 0 {
			text += fmt.Sprintf(" %d %s", n, unit.name)
			d -= n * unit.size
		}
	}
	return strings.TrimSpace(text)
}
