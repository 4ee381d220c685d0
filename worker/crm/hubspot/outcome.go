package hubspot

import (
	"net/http"
	"time"

	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/crm/draft"
)

const (
	// Bulk writes are locked for "at least two seconds" (HubSpot, "Using object APIs").
	lockedWait = 2 * time.Second
	// The wait after HubSpot's edge blocked a call, as if from an attacker.
	blockedWait = time.Minute
	// HubSpot's own status for an account that is moving between data centres.
	statusMigrating = 477
)

// failed interprets an answer that is about the call, the account or HubSpot, and not about a lead:
//
//	401 403    credentials refused; but a 403 from HubSpot's edge is temporary
//	423        retry after two seconds
//	429        rate limited, for the moment or for today (limits.go)
//	477        retry; Retry-After may say hours
//	any other  by its status ([draft.ByStatus])
func (d *destination) failed(answer *crm.Answer) crm.Outcome {
	p, own := parseProblem(answer)
	switch answer.Status {
	case http.StatusUnauthorized:
		return answer.Outcome(crm.CredentialsRefused, "HubSpot refuses the token"+draft.InBrackets(p.Category)+"; check hubspot.token")
	case http.StatusForbidden:
		if own {
			return answer.Outcome(crm.CredentialsRefused, "HubSpot refuses the token"+draft.InBrackets(p.Category)+p.scopes()+"; check hubspot.token")
		}
		return draft.Later(answer, blockedWait, "HubSpot's edge blocks the call (403)")
	case http.StatusLocked:
		return draft.Later(answer, lockedWait, "HubSpot has locked the contacts for a moment (423)")
	case http.StatusTooManyRequests:
		return d.limited(answer, p)
	case statusMigrating:
		return answer.Outcome(crm.Retry, "HubSpot is moving the account to another data centre (477)")
	}
	return draft.ByStatus(answer, "HubSpot", "hubspot.base_url and hubspot.api_version", p.Category)
}
