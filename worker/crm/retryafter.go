package crm

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// MaxRetryAfter bounds how long a CRM can ask to wait. The longest that is known of is a HubSpot account on the move between
// data centres: up to a day, says HubSpot's page on error handling.
const MaxRetryAfter = 24 * time.Hour

// RetryAfter is how long an answer asks to wait before the next call: its Retry-After header in seconds or as any of the
// three HTTP dates (RFC 9110 §10.2.3 and §5.6.7), from 0 to MaxRetryAfter. 0 if there is none, or none that makes sense. A date is
// by the CRM's clock, which the answer's own Date tells; now is used where it has none.
func RetryAfter(header http.Header, now time.Time) time.Duration {
	value := strings.TrimSpace(header.Get("Retry-After"))
	seconds, err := strconv.ParseInt(value, 10, 64)
	switch {
	case err == nil && seconds <= int64(MaxRetryAfter/time.Second):
		return time.Duration(max(0, seconds)) * time.Second
	case err == nil, errors.Is(err, strconv.ErrRange) && !strings.HasPrefix(value, "-"):
		return MaxRetryAfter
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	if there, err := http.ParseTime(header.Get("Date")); err == nil {
		now = there
	}
	return min(max(0, at.Sub(now)), MaxRetryAfter)
}
