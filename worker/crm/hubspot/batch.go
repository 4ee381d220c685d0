package hubspot

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/crm/draft"
)

// readBatch sets each contact's outcome from the answer to a batch. A contact that the answer does not mention is Unknown, whatever
// the status: HTTP counts even 207 as success.
func (d *destination) readBatch(answer *crm.Answer, contacts []*contact) {
	var r reply
	if json.Unmarshal(answer.Body, &r) != nil {
		draft.FailAll(contacts, answer.Outcome(crm.Unknown, fmt.Sprintf("the server answered %d, but not like HubSpot; check hubspot.base_url", answer.Status)))
		return
	}
	draft.FailAll(contacts, answer.Outcome(crm.Unknown, "HubSpot's answer does not name this lead"))
	for _, raw := range r.Errors {
		var p problem
		if json.Unmarshal(raw, &p) != nil {
			continue
		}
		for _, c := range p.about(contacts) {
			c.refuse(answer.About(raw), p)
		}
	}
	for _, raw := range r.Results {
		var written record
		if json.Unmarshal(raw, &written) != nil || written.ID == "" {
			continue
		}
		if c := written.from(contacts); c != nil {
			c.Fail(d.delivered(answer.About(raw), written))
		} else if len(contacts) == 1 && len(r.Results) == 1 && written.Trace == "" {
			contacts[0].stranger = written.ID
		}
	}
}

// from returns the contact that a record was written from, found by trace or, if the record has none, by key. HubSpot stores
// addresses in lower case.
func (r record) from(contacts []*contact) *contact {
	i := slices.IndexFunc(contacts, func(c *contact) bool {
		if r.Trace != "" {
			return c.trace == r.Trace
		}
		return c.isAt(r.Properties[c.key])
	})
	if i < 0 {
		return nil
	}
	return contacts[i]
}

// about returns the contacts of a batch that a problem is about, found by trace or, if it has none, by address. A batch of one
// leaves no doubt.
func (p problem) about(contacts []*contact) []*contact {
	if len(contacts) == 1 {
		return contacts
	}
	traces, addresses := p.list("objectWriteTraceId"), p.list("ids")
	var about []*contact
	for _, c := range contacts {
		if slices.Contains(traces, c.trace) || len(traces) == 0 && slices.ContainsFunc(addresses, c.isAt) {
			about = append(about, c)
		}
	}
	return about
}

// delivered returns the outcome of a contact that was written.
func (d *destination) delivered(answer *crm.Answer, written record) crm.Outcome {
	outcome := answer.Outcome(crm.Delivered, "")
	outcome.RecordID = written.ID
	if account := d.account.Load(); account != nil {
		outcome.RecordURL = account.recordURL(written.ID)
	} else if strings.HasPrefix(written.URL, "https://") {
		outcome.RecordURL = written.URL
	}
	return outcome
}
