package crm

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// MaxRetryAfter is the longest wait that a CRM can ask for. The longest known is for a HubSpot account that is moving between data
// centres: up to a day, according to HubSpot's page on error handling.
const MaxRetryAfter = 24 * time.Hour

// RetryAfter returns how long an answer asks to wait before the next call, from 0 to MaxRetryAfter: its Retry-After header in
// seconds or in any of the three HTTP date formats (RFC 9110 §10.2.3 and §5.6.7). It returns 0 if there is none or it makes no
// sense. A date is compared with the answer's Date header, that is, with the CRM's clock; now is used if there is none.
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
