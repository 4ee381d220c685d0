package alert

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/leadgate/leadgate/worker/spelling"
)

func leads(n int64) string { return spelling.Count(n, "lead", "leads") }

// times returns "once", "2 times" and so on.
func times(n int64) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

func deliveries(n int64) string { return spelling.Count(n, "delivery", "deliveries") }

func leadsWait(n int64) string { return spelling.Count(n, "lead waits", "leads wait") }

// answered returns what the CRM answered, or otherwise if that is not known, with its status.
func answered(s sample, otherwise string) string {
	text := cmp.Or(s.detail, otherwise)
	if s.status == 0 || text == "" {
		return text
	}
	return fmt.Sprintf("HTTP %d: %s", s.status, text)
}

// short formats a duration in its two largest units, omitting zeros.
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
