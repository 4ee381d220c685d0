package hubspot

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"

	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/pace"
)

// patch updates the contact that there is, and creates one where there is none. Between the two somebody else may create it:
// HubSpot then answers 409, and it is there to be updated. Sent twice, it is one contact all the same.
func (d *destination) patch(ctx context.Context, c *contact) {
	if d.update(ctx, c); c.missing {
		ctx = pace.WithLeads(ctx, 1)
		if d.create(ctx, c); c.conflict {
			d.update(ctx, c)
		}
	}
	if c.missing { // created and gone again in a moment
		c.outcome = crm.Outcome{Kind: crm.Retry, Reason: "HubSpot has a contact of this address, and has not"}
	}
}

// merged updates, each by a call of its own, contacts that HubSpot would not upsert because it has them already: their address is
// a second one of a contact that others were merged into, or another writer was quicker.
func (d *destination) merged(ctx context.Context, contacts []*contact) {
	for _, c := range contacts {
		if !c.conflict {
			continue
		}
		before := c.outcome
		if d.update(pace.WithLeads(ctx, 1), c); c.missing {
			c.missing, c.outcome = false, before
		}
		if c.halts() {
			return
		}
	}
}

func (d *destination) update(ctx context.Context, c *contact) {
	c.missing, c.conflict = false, false
	properties := maps.Clone(c.properties)
	delete(properties, c.key) // the contact has it, and may have another as the first of its addresses
	encoded, err := marshal(map[string]any{"properties": properties})
	if err != nil { // it was decoded from JSON before
		failAll([]*contact{c}, crm.Outcome{Kind: crm.Refused, Reason: "not sent: it cannot be written as JSON"})
		return
	}
	path := d.path + "/" + url.PathEscape(c.id()) + "?idProperty=" + url.QueryEscape(c.key)
	if c.existing != "" {
		path = d.path + "/" + url.PathEscape(c.existing)
	}
	answer, failure := d.call(ctx, http.MethodPatch, path, encoded)
	if failure != nil {
		failAll([]*contact{c}, *failure)
		return
	}
	switch answer.Status {
	case http.StatusOK:
		d.readRecord(answer, c)
	case http.StatusNotFound:
		// An address that is none at all answers the creation that follows in the same way.
		if _, c.missing = parseProblem(answer); !c.missing {
			c.outcome = d.failed(answer)
		}
	default:
		d.readFailure(answer, []*contact{c})
	}
}

// readRecord reads the answer to a call that wrote one contact.
func (d *destination) readRecord(answer *crm.Answer, c *contact) {
	var written record
	if json.Unmarshal(answer.Body, &written) != nil || written.ID == "" {
		c.outcome = answer.Outcome(crm.Unknown, "its answer does not name the contact")
		return
	}
	c.outcome = d.delivered(answer, written, answer.Body)
}
