package hubspot

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/leadgate/leadgate/worker/crm"
)

const (
	// Bulk writes are locked for "at least two seconds" (HubSpot, "Using object APIs").
	lockedWait = 2 * time.Second
	// HubSpot's edge answered in HubSpot's stead, because it takes the caller for an attacker.
	blockedWait = time.Minute
	// A status of HubSpot's own: the account is on the move between data centres.
	statusMigrating = 477
)

// failed reads an answer that is about the call, the account or HubSpot, and not about a lead:
//
//	3xx        to be tried again: it is base_url that is wrong; redirects are not followed
//	401 403    the credentials are refused; but a 403 that is not HubSpot's comes from its edge, and passes
//	404 405 410
//	           to be tried again: it is base_url that is wrong, not the lead
//	408 425    to be tried again
//	423        to be tried again after two seconds
//	429        too fast, or too much for today (limits.go)
//	477        to be tried again; Retry-After may say hours
//	other 4xx  refused
//	5xx        unknown: something broke, perhaps behind what took the lead
func (d *destination) failed(answer *crm.Answer) crm.Outcome {
	status := answer.Status
	p, own := parseProblem(answer)
	switch status {
	case http.StatusUnauthorized:
		return answer.Outcome(crm.CredentialsRefused, "HubSpot refuses the token"+inBrackets(p.Category)+"; check hubspot.token")
	case http.StatusForbidden:
		if own {
			return answer.Outcome(crm.CredentialsRefused, "HubSpot refuses the token"+inBrackets(p.Category)+p.scopes()+"; check hubspot.token")
		}
		return later(answer, blockedWait, "HubSpot's edge blocks the call")
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusGone:
		return later(answer, 0, "HubSpot does not know the address that was called; check hubspot.base_url and hubspot.api_version")
	case http.StatusRequestTimeout, http.StatusTooEarly:
		return later(answer, 0, "HubSpot did not read the call to its end")
	case http.StatusLocked:
		return later(answer, lockedWait, "HubSpot has locked the contacts for a moment")
	case http.StatusTooManyRequests:
		return d.limited(answer, p)
	case statusMigrating:
		return later(answer, 0, "HubSpot moves the account to another data centre")
	}
	switch {
	case status >= 300 && status < 400:
		return answer.Outcome(crm.Retry, fmt.Sprintf("it answered %d; redirects are not followed: check hubspot.base_url", status))
	case status >= 400 && status < 500:
		return answer.Outcome(crm.Refused, fmt.Sprintf("HubSpot answered %d%s", status, inBrackets(p.Category)))
	}
	return answer.Outcome(crm.Unknown, strings.TrimSpace(fmt.Sprintf("HubSpot answered %d %s", status, http.StatusText(status))))
}

// later is the outcome of what will pass, after some time at least.
func later(answer *crm.Answer, wait time.Duration, reason string) crm.Outcome {
	outcome := answer.Outcome(crm.Retry, fmt.Sprintf("%s (%d)", reason, answer.Status))
	outcome.After = max(outcome.After, wait)
	return outcome
}

// wholly is an outcome of a whole call. The answer to a batch may quote several people, and no lead keeps data of another.
func wholly(answer *crm.Answer, kind crm.OutcomeKind, reason string, contacts []*contact) crm.Outcome {
	if len(contacts) > 1 {
		return crm.Outcome{Kind: kind, Reason: reason, Status: answer.Status, After: answer.After}
	}
	return answer.Outcome(kind, reason)
}
