package hubspot

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/crm/draft"
)

// refuse sets the outcome of a contact that HubSpot did not accept because of a problem, which is in the answer.
func (c *contact) refuse(answer *crm.Answer, p problem) {
	code := draft.InBrackets(p.Category)
	switch faults := p.faults(c.Values); {
	case len(faults) > 0:
		c.blame(answer, faults)
	case p.Category == "CONFLICT", p.Category == "OBJECT_ALREADY_EXISTS":
		// Either another writer was faster, which the next attempt resolves, or the address is a secondary one of a merged contact.
		c.Fail(answer.Outcome(crm.Retry, "HubSpot has another contact with this address"+code))
		c.conflict, c.existing = c.key != "", p.existing()
	case c.isByProperty() && p.isOfNonUnique():
		c.withoutKey(answer)
	case p.Category == "VALIDATION_ERROR":
		c.Fail(answer.Outcome(crm.Refused, "HubSpot does not accept it as it is"+code))
	default: // nothing that is known to be permanent
		c.Fail(answer.Outcome(crm.Retry, "HubSpot did not accept it"+code))
	}
}

// isByProperty reports whether the contact is identified by the configured property.
func (c *contact) isByProperty() bool { return c.key != "" && c.key != emailProperty }

// withoutKey sets the outcome of a contact whose key property does not exist in HubSpot or is not unique. It waits until that is
// fixed: anything else would create another contact each time.
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

// inWords says what is wrong with a property, and how to fix it.
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

// readFailure sets the outcomes of contacts after a call that failed as a whole and wrote nothing.
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

// splitUp makes the worker send a refused batch in smaller ones, so that one bad contact holds up no other. A property that does
// not exist, or a key that is not unique, needs no splitting: it fails every contact that has it.
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
