package hubspot

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"

	"github.com/leadgate/leadgate/worker/crm"
)

// patch updates the contact that there is, and creates one where there is none. Between the two somebody else may create it:
// HubSpot then answers 409, and it is there to be updated. Sent twice, it is one contact all the same.
func (d *destination) patch(ctx context.Context, c *contact) {
	if d.update(ctx, c); c.missing {
		if d.create(ctx, c); c.conflict {
			d.update(ctx, c)
		}
	}
	if c.missing { // created and gone again in a moment
		c.Fail(crm.Outcome{Kind: crm.Retry, Reason: "HubSpot has a contact of this address, and has not"})
	}
}

// merged deals with contacts whose address is a second one of a contact that others were merged into. Where HubSpot would not
// upsert them, because it has them already or because another writer was quicker, they are updated, each by a call of its own.
func (d *destination) merged(ctx context.Context, contacts []*contact) {
	for _, c := range contacts {
		if c.stranger != "" {
			d.recognise(ctx, c)
		}
		if !c.conflict {
			continue
		}
		before := c.Outcome
		if d.update(ctx, c); c.missing {
			c.missing, c.Outcome = false, before
		}
		if c.Outcome.Halts() {
			return
		}
	}
}

// recognise finds out whether a contact with another address, which HubSpot says it wrote, is the lead's: it is if the lead's
// address is a second one of it. Otherwise it stays unknown what became of the lead.
func (d *destination) recognise(ctx context.Context, c *contact) {
	answer, failure := d.call(ctx, http.MethodGet, d.path+"/"+url.PathEscape(c.id())+"?idProperty="+url.QueryEscape(c.key), nil)
	if failure != nil || answer.Status != http.StatusOK {
		return
	}
	var has record
	if json.Unmarshal(answer.Body, &has) == nil && has.ID == c.stranger {
		d.seconds.Store(true)
		c.Fail(d.delivered(answer.About(nil), has)) // the whole contact is not the lead's
	}
}

func (d *destination) update(ctx context.Context, c *contact) {
	c.missing, c.conflict = false, false
	properties := maps.Clone(c.Values)
	delete(properties, c.key) // the contact has it, and may have another as the first of its addresses
	path := d.path + "/" + url.PathEscape(c.id()) + "?idProperty=" + url.QueryEscape(c.key)
	if c.existing != "" {
		path = d.path + "/" + url.PathEscape(c.existing)
	}
	answer := d.send(ctx, http.MethodPatch, path, map[string]any{"properties": properties}, []*contact{c})
	if answer == nil {
		return
	}
	switch answer.Status {
	case http.StatusOK:
		d.readRecord(answer, c)
	case http.StatusNotFound:
		// An address that is none at all answers the creation that follows in the same way.
		if _, c.missing = parseProblem(answer); !c.missing {
			c.Fail(d.failed(answer))
		}
	default:
		d.readFailure(answer, []*contact{c})
	}
}

// readRecord reads the answer to a call that wrote one contact.
func (d *destination) readRecord(answer *crm.Answer, c *contact) {
	var written record
	if json.Unmarshal(answer.Body, &written) != nil || written.ID == "" {
		c.Fail(answer.Outcome(crm.Unknown, "its answer does not name the contact"))
		return
	}
	c.Fail(d.delivered(answer, written))
}
