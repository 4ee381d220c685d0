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

// additionalProperty holds the secondary addresses of a merged contact, separated by semicolons. HubSpot finds the contact by each
// of them. Whether an upsert by one makes it the primary address is undocumented (contracts, hubspot.md §2.5), so such contacts are
// not upserted: in an account that has any, addresses are read before writing, at the cost of one more call per batch.
const additionalProperty = "hs_additional_emails"

// lookForSeconds finds out whether any contact has a secondary address. If that fails, seconds stays as it is.
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

// write upserts contacts, except those whose address is a secondary one, which it updates.
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

// readSeconds marks the contacts whose address is a secondary one. If reading fails, all count as primary. It reports whether to go
// on and write; if HubSpot asked for a pause, it sets the outcomes and returns false.
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
