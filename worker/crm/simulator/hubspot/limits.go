package hubspot

import (
	"net/http"
	"strconv"
	"time"

	"github.com/leadgate/leadgate/worker/crm/simulator"
)

// HubSpot's names for its limits.
const (
	secondly    = "SECONDLY"
	tenSecondly = "TEN_SECONDLY_ROLLING"
	daily       = "DAILY"
)

const window = 10 * time.Second

// usage counts calls per second, per ten seconds, and per day. A limit of zero or less is none.
type usage struct {
	secondly, tenSecondly, daily int

	second, ten simulator.Window
	day         time.Time
	today       int
}

// count counts a call and sets the limit headers. If a limit is exceeded, it does not count the call, and returns the answer.
func (u *usage) count(header http.Header, now time.Time) (status int, body any) {
	if day := now.UTC().Truncate(24 * time.Hour); !day.Equal(u.day) {
		u.day, u.today = day, 0
	}
	second, ten := u.second.Last(time.Second, now), u.ten.Last(window, now)
	over := ""
	switch {
	case u.daily > 0 && u.today >= u.daily:
		over = daily
	case u.tenSecondly > 0 && ten >= u.tenSecondly:
		over = tenSecondly
	case u.secondly > 0 && second >= u.secondly:
		over = secondly
	default:
		u.second.Add(now)
		u.ten.Add(now)
		u.today, second, ten = u.today+1, second+1, ten+1
	}
	tell := func(name string, limit, used int) {
		if limit > 0 {
			header.Set("X-HubSpot-RateLimit-"+name, strconv.Itoa(limit))
			header.Set("X-HubSpot-RateLimit-"+name+"-Remaining", strconv.Itoa(max(0, limit-used)))
		}
	}
	tell("Daily", u.daily, u.today)
	tell("Secondly", u.secondly, second)
	if u.tenSecondly > 0 {
		header.Set("X-HubSpot-RateLimit-Interval-Milliseconds", strconv.FormatInt(window.Milliseconds(), 10))
		header.Set("X-HubSpot-RateLimit-Max", strconv.Itoa(u.tenSecondly))
		header.Set("X-HubSpot-RateLimit-Remaining", strconv.Itoa(max(0, u.tenSecondly-ten)))
	}
	if over == "" {
		return 0, nil
	}
	return http.StatusTooManyRequests, limitReached(over)
}
