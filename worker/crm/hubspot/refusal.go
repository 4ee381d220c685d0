package hubspot

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/crm/draft"
)

// refuse sets the outcome of a contact that HubSpot did not take for the problem, which answer or a part of it tells.
func (c *contact) refuse(answer *crm.Answer, p problem) {
	code := draft.InBrackets(p.Category)
	switch faults := p.faults(c.Values); {
	case len(faults) > 0:
		c.blame(answer, faults)
	case p.Category == "CONFLICT", p.Category == "OBJECT_ALREADY_EXISTS":
		// Another writer was quicker, which is over by the next attempt; or the address is a second one of a merged contact.
		c.Fail(answer.Outcome(crm.Retry, "HubSpot has another contact with this address"+code))
		c.conflict, c.existing = c.key != "", p.existing()
	case c.isByProperty() && p.isOfNonUnique():
		c.withoutKey(answer)
	case p.Category == "VALIDATION_ERROR":
		c.Fail(answer.Outcome(crm.Refused, "HubSpot does not accept it as it is"+code))
	default: // nothing that is known to last
		c.Fail(answer.Outcome(crm.Retry, "HubSpot did not accept it"+code))
	}
}

// isByProperty reports whether the contact is known by a property that the configuration names.
func (c *contact) isByProperty() bool { return c.key != "" && c.key != emailProperty }

// withoutKey sets the outcome of a contact that HubSpot lacks the property for which it is to be known by. It waits for that:
// everything else would make another contact of it each time.
func (c *contact) withoutKey(answer *crm.Answer) {
	c.Fail(answer.Outcome(crm.Retry, "HubSpot has no property "+c.key+" with unique values; correct hubspot.id_property, or create it in HubSpot"))
}

// blame sets the outcome of a contact that could be sent without some properties.
func (c *contact) blame(answer *crm.Answer, faults []fault) {
	if c.isByProperty() && slices.Contains(faults, fault{codeNoProperty, c.key}) {
		c.withoutKey(answer)
		return
	}
	outcome := answer.Outcome(crm.Refused, faults[0].inWords())
	outcome.Property = faults[0].property
	c.Fail(outcome)
	for _, f := range faults {
		c.Flaws = append(c.Flaws, f.property)
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
	return fmt.Sprintf("HubSpot does not accept the value for its property %s%s", f.property, draft.InBrackets(f.code))
}

// readFailure gives contacts their outcomes after a call that failed as a whole, and wrote nothing.
func (d *destination) readFailure(answer *crm.Answer, contacts []*contact) {
	p, _ := parseProblem(answer)
	switch answer.Status {
	case http.StatusBadRequest, http.StatusConflict, http.StatusUnprocessableEntity,
		http.StatusRequestEntityTooLarge, http.StatusRequestURITooLong:
	default:
		draft.FailAll(contacts, d.failed(answer))
		return
	}
	switch {
	case strings.Contains(p.Message, "Unable to infer object type"):
		draft.FailAll(contacts, answer.Outcome(crm.Retry, "HubSpot does not know the address that was called; check hubspot.base_url and hubspot.api_version"))
	case len(contacts) > 1:
		splitUp(answer, p, contacts)
	case p.Category == "" && answer.Status != http.StatusConflict:
		draft.FailAll(contacts, answer.Outcome(crm.Refused, fmt.Sprintf("HubSpot does not accept it as it is (%d)", answer.Status)))
	default:
		contacts[0].refuse(answer, p)
	}
}

// splitUp has a refused batch sent in smaller ones, so that what is wrong with one contact holds up no other. Only a property
// that HubSpot does not have, or that is not unique, needs no search: it fails every contact that has it.
func splitUp(answer *crm.Answer, p problem, contacts []*contact) {
	whole := answer.About(nil) // it may quote several people
	for _, c := range contacts {
		faults := slices.DeleteFunc(p.faults(c.Values), func(f fault) bool { return f.code != codeNoProperty })
		switch {
		case len(faults) > 0:
			c.blame(whole, faults)
		case c.isByProperty() && p.isOfNonUnique():
			c.withoutKey(whole)
		default:
			c.Fail(whole.Outcome(crm.Split, "HubSpot refuses the batch"+draft.InBrackets(p.Category)))
		}
	}
}
