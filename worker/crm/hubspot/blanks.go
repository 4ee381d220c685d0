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

// keepBlanks reads the contacts that there are already, leaves out what they have a value for, and returns those that are still
// to be written: new ones as they are, others with what fills blanks only. Where nothing is left to write, the contact is
// delivered. A call that failed wrote nothing, so whatever is not known then is to be tried again.
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

// blanksOf reads what contacts have. One that others were merged into may be found by a second address and shown with its first:
// asked about one contact, HubSpot answers about that; of several nobody can tell which it is, so they are asked about alone.
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
		if len(c.Values) == 1 { // what it is known by
			c.Fail(d.delivered(answer.About(nil), r))
			continue
		}
		rest = append(rest, c)
	}
	return rest
}

// notWritten turns what is not known of a read into what is to be tried again.
func notWritten(contacts []*contact) {
	for _, c := range contacts {
		if c.Outcome.Kind == crm.Unknown || c.Outcome.Kind == crm.Refused {
			c.Outcome.Kind = crm.Retry
		}
	}
}
