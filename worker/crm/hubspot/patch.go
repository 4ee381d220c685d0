package hubspot

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"

	"github.com/leadgate/leadgate/worker/crm"
)

// patch updates the contact or, if there is none, creates it. If somebody else creates it in between, HubSpot answers 409, and
// patch updates it. So a lead sent twice is still one contact.
func (d *destination) patch(ctx context.Context, c *contact) {
	if d.update(ctx, c); c.missing {
		if d.create(ctx, c); c.conflict {
			d.update(ctx, c)
		}
	}
	if c.missing { // it was created, but is already gone
		c.Fail(crm.Outcome{Kind: crm.Retry, Reason: "HubSpot has a contact of this address, and has not"})
	}
}

// merged handles contacts whose address is a secondary address of a merged contact. If HubSpot did not upsert them, because it has
// them already or because another writer was faster, each is updated in a call of its own.
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

// recognise finds out whether the contact that HubSpot says it wrote is the lead's although it has another address: it is, if the
// lead's address is one of its secondary addresses. Otherwise the outcome stays unknown.
func (d *destination) recognise(ctx context.Context, c *contact) {
	answer, failure := d.call(ctx, http.MethodGet, d.path+"/"+url.PathEscape(c.id())+"?idProperty="+url.QueryEscape(c.key), nil)
	if failure != nil || answer.Status != http.StatusOK {
		return
	}
	var has record
	if json.Unmarshal(answer.Body, &has) == nil && has.ID == c.stranger {
		d.seconds.Store(true)
		c.Fail(d.delivered(answer.About(nil), has)) // not the whole body: it may not all be about the lead
	}
}

func (d *destination) update(ctx context.Context, c *contact) {
	c.missing, c.conflict = false, false
	properties := maps.Clone(c.Values)
	delete(properties, c.key) // it has this value, perhaps as a secondary address
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
		// If it is the path that does not exist, the creation that follows gets the same answer.
		if _, c.missing = parseProblem(answer); !c.missing {
			c.Fail(d.failed(answer))
		}
	default:
		d.readFailure(answer, []*contact{c})
	}
}

// readRecord sets the outcome from the answer to a call that wrote one contact.
func (d *destination) readRecord(answer *crm.Answer, c *contact) {
	var written record
	if json.Unmarshal(answer.Body, &written) != nil || written.ID == "" {
		c.Fail(answer.Outcome(crm.Unknown, "its answer does not name the contact"))
		return
	}
	c.Fail(d.delivered(answer, written))
}
