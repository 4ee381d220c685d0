package hubspot

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/crm/draft"
)

// additionalProperty has the other addresses of a contact that others were merged into, with semicolons. HubSpot finds the contact
// by each of them. Whether an upsert by one makes it the first address, nobody says (contracts, hubspot.md §2.5), so no such contact
// is upserted: in an account that has any, addresses are read before they are written, which is a call more for a batch.
const additionalProperty = "hs_additional_emails"

// lookForSeconds finds out whether any contact has a second address. Where that cannot be asked, it stays as it is known.
func (d *destination) lookForSeconds(ctx context.Context) {
	query := map[string]any{
		"filterGroups": []any{map[string]any{"filters": []any{map[string]string{"propertyName": additionalProperty, "operator": "HAS_PROPERTY"}}}},
		"limit":        1,
	}
	answer, failure := d.call(ctx, http.MethodPost, d.path+searchPath, query)
	if failure != nil || answer.Status != http.StatusOK {
		return
	}
	var found struct {
		Total *int `json:"total"`
	}
	if json.Unmarshal(answer.Body, &found) == nil && found.Total != nil {
		d.seconds.Store(*found.Total > 0)
	}
}

// write upserts contacts, and updates those that are known under another address than the lead's.
func (d *destination) write(ctx context.Context, contacts []*contact) {
	if d.seconds.Load() && contacts[0].key == emailProperty && !d.readSeconds(ctx, contacts) {
		return
	}
	var firsts, seconds []*contact
	for _, c := range contacts {
		if c.second {
			seconds = append(seconds, c)
		} else {
			firsts = append(firsts, c)
		}
	}
	if len(firsts) > 0 {
		d.upsert(ctx, firsts)
		d.merged(ctx, firsts)
	}
	draft.EachUntilHalted(seconds, func(c *contact) {
		if d.update(ctx, c); c.missing {
			c.missing, c.second, c.existing = false, false, ""
			c.Fail(crm.Outcome{Kind: crm.Retry, Reason: "the contact was merged into another in HubSpot, or deleted, since it was read"})
		}
	}, firsts...)
}

// readSeconds marks the contacts whose address is a second one. Where they cannot be read, they are taken for first ones. It reports
// whether they can be written; where HubSpot wants a pause, they have that outcome.
func (d *destination) readSeconds(ctx context.Context, contacts []*contact) bool {
	var inputs []map[string]string
	for _, c := range contacts {
		if !c.second {
			inputs = append(inputs, map[string]string{"id": c.id()})
		}
	}
	if len(inputs) == 0 {
		return true
	}
	body := map[string]any{"idProperty": emailProperty, "properties": []string{emailProperty, additionalProperty}, "inputs": inputs}
	answer, failure := d.call(ctx, http.MethodPost, d.path+readPath, body)
	if answer != nil && answer.Status == http.StatusTooManyRequests {
		limited := d.failed(answer)
		failure = &limited
	}
	if failure != nil && failure.Kind == crm.RateLimited {
		draft.FailAll(contacts, failure.Withheld())
		return false
	}
	var found reply
	if failure != nil || answer.Status != http.StatusOK && answer.Status != http.StatusMultiStatus || json.Unmarshal(answer.Body, &found) != nil {
		return true
	}
	for _, raw := range found.Results {
		var r record
		if json.Unmarshal(raw, &r) != nil || r.ID == "" {
			continue
		}
		for _, c := range contacts {
			if !c.isAt(r.Properties[emailProperty]) && slices.ContainsFunc(strings.Split(r.Properties[additionalProperty], ";"), c.isAt) {
				c.second, c.existing = true, r.ID
			}
		}
	}
	return true
}
