package draft

import (
	"cmp"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/leadgate/leadgate/worker/crm"
)

// blockedWait is how long to wait after something in front of a CRM, such as a firewall, blocked a call.
const blockedWait = time.Minute

// ByStatus interprets an answer without a known error code, by its status:
//
//	3xx                    retry: the address is wrong; redirects are not followed
//	401                    credentials refused
//	403 with a code        credentials refused
//	403 without            retry after a minute: something in front of the CRM blocks the call
//	404 405 410            retry: the configuration is wrong, not the lead
//	408 423 425            retry
//	420 429                rate limited
//	other 4xx              refused
//	2xx and 5xx            unknown: something other than the CRM answered, or it broke after accepting the lead
//
// name is the CRM's name for people, check names the configuration keys to check, and code is the CRM's error code, if any.
func ByStatus(answer *crm.Answer, name, check, code string) crm.Outcome {
	status := answer.Status
	said := strings.TrimSpace(fmt.Sprintf("%s answered %d %s", name, status, http.StatusText(status))) + InBrackets(code)
	switch status {
	case http.StatusUnauthorized:
		return answer.Outcome(crm.CredentialsRefused, said+"; check "+check)
	case http.StatusForbidden:
		if IsCode(code) {
			return answer.Outcome(crm.CredentialsRefused, said+"; check what the credentials may do")
		}
		return Later(answer, blockedWait, "something before "+name+" blocks the call (403)")
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusGone:
		return answer.Outcome(crm.Retry, said+"; check "+check)
	case http.StatusRequestTimeout, http.StatusLocked, http.StatusTooEarly:
		return answer.Outcome(crm.Retry, said)
	case http.StatusTooManyRequests, 420:
		return answer.Outcome(crm.RateLimited, said)
	}
	switch {
	case status < 300:
		return answer.Outcome(crm.Unknown, fmt.Sprintf("the server answered %d, but not like %s; check %s", status, name, check))
	case status < 400:
		return answer.Outcome(crm.Retry, fmt.Sprintf("it answered %d; redirects are not followed: check %s", status, check))
	case status < 500:
		return answer.Outcome(crm.Refused, said)
	}
	return answer.Outcome(crm.Unknown, said)
}

// Later returns an outcome to retry, after at least the given wait.
func Later(answer *crm.Answer, wait time.Duration, reason string) crm.Outcome {
	outcome := answer.Outcome(crm.Retry, reason)
	outcome.After = max(outcome.After, wait)
	return outcome
}

// Paused returns an outcome for too many calls. The wait is what the CRM asks for, or the given one if it does not.
func Paused(answer *crm.Answer, wait time.Duration, reason string) crm.Outcome {
	outcome := answer.Outcome(crm.RateLimited, reason)
	outcome.After = cmp.Or(outcome.After, wait)
	return outcome
}
