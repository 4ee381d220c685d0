package hubspot

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"

	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/crm/draft"
)

// keepBlanks reads the existing contacts, removes the properties that they already have values for, and returns the contacts that
// still have to be written: all new ones, and others with blanks to fill. A contact with nothing left to write is delivered. A
// failed read has written nothing, so its outcome is never Unknown.
func (d *destination) keepBlanks(ctx context.Context, contacts []*contact) []*contact {
	var rest []*contact
	for _, group := range byKey(contacts) {
		if draft.Withhold(group, contacts...) {
			continue
		}
		key := group[0].key
		wanted := map[string]bool{}
		inputs := make([]map[string]string, len(group))
		for i, c := range group {
			inputs[i] = map[string]string{"id": c.id()}
			for name := range c.Values {
				wanted[name] = true
			}
		}
		body := map[string]any{"idProperty": key, "properties": slices.Sorted(maps.Keys(wanted)), "inputs": inputs}
		answer := d.post(ctx, d.path+readPath, body, group)
		if answer == nil {
			notWritten(group)
			continue
		}
		var found reply
		switch {
		case answer.Status != http.StatusOK && answer.Status != http.StatusMultiStatus:
			draft.FailAll(group, d.failed(answer))
			notWritten(group)
			continue
		case json.Unmarshal(answer.Body, &found) != nil:
			draft.FailAll(group, answer.Outcome(crm.Retry, "the server answered, but not like HubSpot; check hubspot.base_url"))
			continue
		}
		rest = append(rest, d.blanksOf(answer, found, group)...)
	}
	return rest
}

// blanksOf removes what contacts already have. A merged contact may be found by a secondary address but shown with its primary one.
// If one contact was asked about, that is the one; among several there is no way to tell, so they are split up.
func (d *destination) blanksOf(answer *crm.Answer, found reply, group []*contact) []*contact {
	var rest []*contact
	there := map[*contact]record{}
	var strangers []record
	for _, raw := range found.Results {
		var r record
		if json.Unmarshal(raw, &r) != nil || r.ID == "" {
			continue
		}
		i := slices.IndexFunc(group, func(c *contact) bool { return c.isAt(r.Properties[c.key]) })
		switch {
		case i >= 0:
			there[group[i]] = r
		case len(group) == 1:
			there[group[0]] = r
		default:
			strangers = append(strangers, r)
		}
	}
	for _, c := range group {
		r, is := there[c]
		switch {
		case !is && len(strangers) > 0:
			c.Fail(draft.Whole(answer.Outcome(crm.Split, "HubSpot answers with a contact of another address"), group))
			continue
		case !is:
			rest = append(rest, c)
			continue
		}
		maps.DeleteFunc(c.Values, func(name string, _ any) bool {
			return name != c.key && r.Properties[name] != ""
		})
		if len(c.Values) == 1 { // the key
			c.Fail(d.delivered(answer.About(nil), r))
			continue
		}
		rest = append(rest, c)
	}
	return rest
}

// notWritten replaces Unknown and Refused by Retry after a failed read.
func notWritten(contacts []*contact) {
	for _, c := range contacts {
		if c.Outcome.Kind == crm.Unknown || c.Outcome.Kind == crm.Refused {
			c.Outcome.Kind = crm.Retry
		}
	}
}
