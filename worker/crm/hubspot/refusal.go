package hubspot

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/leadgate/leadgate/worker/crm"
)

// refuse sets the outcome of a contact that HubSpot did not take for the problem.
func (c *contact) refuse(p problem) {
	c.faults = p.faults(c.properties)
	switch {
	case len(c.faults) > 0:
		c.outcome = crm.Outcome{Kind: crm.Refused, Property: c.faults[0].property, Reason: c.faults[0].inWords()}
	case p.Category == "CONFLICT", p.Category == "OBJECT_ALREADY_EXISTS":
		// Another writer was quicker, which is over by the next attempt; or the address is a second one of a merged contact.
		c.outcome = crm.Outcome{Kind: crm.Retry, Reason: "HubSpot has another contact with this address" + inBrackets(p.Category)}
		c.conflict, c.existing = c.key != "", p.existing()
	case p.Category == "VALIDATION_ERROR":
		c.outcome = crm.Outcome{Kind: crm.Refused, Reason: "HubSpot does not take it as it is" + inBrackets(p.Category)}
	default: // nothing that is known to last
		c.outcome = crm.Outcome{Kind: crm.Retry, Reason: "HubSpot did not take it" + inBrackets(p.Category)}
	}
}

// inWords says what is wrong with a property, and the way out.
func (f fault) inWords() string {
	switch f.code {
	case codeNoProperty:
		return fmt.Sprintf("HubSpot has no property %s; correct it under properties, or create it in HubSpot", f.property)
	case "READ_ONLY_VALUE":
		return fmt.Sprintf("HubSpot's property %s is read-only; take it out of properties", f.property)
	case "INVALID_OPTION":
		return fmt.Sprintf("the value for HubSpot's property %s is not one of its options", f.property)
	}
	return fmt.Sprintf("HubSpot does not take the value for its property %s (%s)", f.property, f.code)
}

// readFailure gives contacts their outcomes after a call that failed as a whole, and wrote nothing.
func (d *destination) readFailure(answer *crm.Answer, contacts []*contact) {
	p, _ := parseProblem(answer)
	switch answer.Status {
	case http.StatusBadRequest, http.StatusConflict, http.StatusUnprocessableEntity,
		http.StatusRequestEntityTooLarge, http.StatusRequestURITooLong:
	default:
		failAll(contacts, d.failed(answer))
		return
	}
	switch {
	case strings.Contains(p.Message, "Unable to infer object type"):
		failAll(contacts, answer.Outcome(crm.Retry, "HubSpot does not know the address that was called; check hubspot.base_url and hubspot.api_version"))
	case len(contacts) > 1:
		splitUp(answer, p, contacts)
	case p.Category == "" && answer.Status != http.StatusConflict:
		failAll(contacts, answer.Outcome(crm.Refused, fmt.Sprintf("HubSpot does not take it as it is (%d)", answer.Status)))
	default:
		c := contacts[0]
		c.refuse(p)
		c.outcome.Status, c.outcome.After, c.outcome.Body = answer.Status, answer.After, answer.Show(answer.Body)
	}
}

// splitUp has a refused batch sent in smaller ones, so that what is wrong with one contact holds up no other. Only a property
// that HubSpot does not have needs no search: it fails every contact that has it.
func splitUp(answer *crm.Answer, p problem, contacts []*contact) {
	failAll(contacts, wholly(answer, crm.Split, "HubSpot refuses the batch"+inBrackets(p.Category), contacts))
	for _, c := range contacts {
		for _, f := range p.faults(c.properties) {
			if f.code == codeNoProperty {
				c.faults = append(c.faults, f)
				c.outcome = crm.Outcome{Kind: crm.Refused, Status: answer.Status, Property: f.property, Reason: f.inWords()}
			}
		}
	}
}
