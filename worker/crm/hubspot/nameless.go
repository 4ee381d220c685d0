package hubspot

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/leadgate/leadgate/worker/crm"
)

const (
	phoneProperty = "phone"
	// searchLag is how long search may miss a new contact: a few moments according to HubSpot, half a minute according to users
	// (contracts, hubspot.md §2.5).
	searchLag = time.Minute
	// clockSkew is the largest assumed difference between HubSpot's clock and leadgate's.
	clockSkew = 5 * time.Minute
)

// createOnce creates a contact for a lead without a key. If an earlier answer was lost, it searches for the contact first.
func (d *destination) createOnce(ctx context.Context, c *contact) {
	if lost := c.Item.Unanswered; !lost.IsZero() {
		id, ok := d.findByPhone(ctx, c, lost)
		switch {
		case !ok:
			return
		case id != "":
			c.existing = id
			if d.update(ctx, c); c.missing {
				c.missing, c.existing = false, ""
				c.Fail(crm.Outcome{Kind: crm.Retry, Reason: "the contact was deleted in HubSpot since it was found"})
			}
			return
		case d.env.Now().Before(lost.Add(searchLag)):
			c.Fail(crm.Outcome{Kind: crm.Retry, Reason: "an earlier answer was lost, and HubSpot's search may not know the contact yet; it is looked for again"})
			return
		}
	}
	d.create(ctx, c)
}

// findByPhone returns the contact that was created for a lead since the given time; empty if there is none. If ok is false, that is
// unknown, and the lead's outcome says why.
func (d *destination) findByPhone(ctx context.Context, c *contact, since time.Time) (id string, ok bool) {
	phone := c.Text(phoneProperty)
	if phone == "" {
		c.Fail(crm.Outcome{Kind: crm.Undecided, Reason: "an earlier answer was lost, and the lead has neither address nor phone number to look for it in HubSpot; configure hubspot.id_property"})
		return "", false
	}
	type filter struct {
		Property string `json:"propertyName"`
		Operator string `json:"operator"`
		Value    string `json:"value"`
	}
	filters := []filter{{phoneProperty, "EQ", phone}, {"createdate", "GTE", strconv.FormatInt(since.Add(-clockSkew).UnixMilli(), 10)}}
	answer := d.post(ctx, d.path+searchPath, map[string]any{"filterGroups": []any{map[string]any{"filters": filters}}, "limit": 1}, []*contact{c})
	if answer == nil {
		notWritten([]*contact{c})
		return "", false
	}
	var found struct {
		Total   *int     `json:"total"`
		Results []record `json:"results"`
	}
	switch _, own := parseProblem(answer); {
	case answer.Status == http.StatusForbidden && own:
		c.Fail(answer.Outcome(crm.Undecided, "an earlier answer was lost, and the token may not look for the contact in HubSpot; it lacks crm.objects.contacts.read"))
		return "", false
	case answer.Status != http.StatusOK:
		c.Fail(d.failed(answer))
		notWritten([]*contact{c})
		return "", false
	case json.Unmarshal(answer.Body, &found) != nil || found.Total == nil:
		c.Fail(answer.Outcome(crm.Retry, "the server answered 200, but not like HubSpot; check hubspot.base_url"))
		return "", false
	case len(found.Results) == 0:
		return "", true
	}
	return found.Results[0].ID, true
}
