package draft

import (
	"cmp"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/leadgate/leadgate/worker/crm"
)

// blockedWait is how long to wait after something before a CRM blocked a call: it takes the caller for an attacker.
const blockedWait = time.Minute

// ByStatus reads an answer that no code of the CRM's explains, by its status:
//
//	3xx                    to be tried again: it is the address that is wrong; redirects are not followed
//	401                    the credentials are refused
//	403 with a code        the credentials are refused
//	403 without            to be tried again after a minute: it is something before the CRM that blocks the call
//	404 405 410            to be tried again: it is the configuration that is wrong, not the lead
//	408 423 425            to be tried again
//	420 429                too fast
//	other 4xx              refused
//	2xx and 5xx            unknown: it is not the CRM that answered, or something broke behind what took the lead
//
// name is the CRM's for people, check the keys of the configuration to look at, code the CRM's own; empty if it gave none.
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

// Later is the outcome of what will pass, after some time at least.
func Later(answer *crm.Answer, wait time.Duration, reason string) crm.Outcome {
	outcome := answer.Outcome(crm.Retry, reason)
	outcome.After = max(outcome.After, wait)
	return outcome
}

// Paused is the outcome of a call too many, after which to wait as long as the CRM says, or for some time if it does not.
func Paused(answer *crm.Answer, wait time.Duration, reason string) crm.Outcome {
	outcome := answer.Outcome(crm.RateLimited, reason)
	outcome.After = cmp.Or(outcome.After, wait)
	return outcome
}
