package salesforce

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"

	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/crm/draft"
)

// result is the result for one record.
type result struct {
	ID      string    `json:"id"`
	Success bool      `json:"success"`
	Errors  []problem `json:"errors"`
}

// collection upserts leads in one call, and reports whether it set their outcomes. It did not if Salesforce refuses Email as the
// key of a collection: its documentation of collections mentions external IDs only; that of single records has Email, too.
func (d *destination) collection(ctx context.Context, leads []*errand) bool {
	records := make([]map[string]any, len(leads))
	for i, lead := range leads {
		records[i] = maps.Clone(lead.Values)
		records[i]["attributes"] = map[string]string{"type": d.object}
	}
	body := map[string]any{"allOrNone": false, "records": records}
	answer, token, failure := d.call(ctx, http.MethodPatch, "composite/sobjects/"+d.object+"/"+url.PathEscape(d.key), body)
	switch {
	case failure != nil:
		draft.FailAll(leads, *failure)
	case answer.Status == http.StatusOK:
		d.readCollection(ctx, answer, token, leads)
	default:
		p := problemOf(answer)
		if d.key == email && (p.code() == "INVALID_FIELD" || p.code() == "NOT_FOUND") && p.field() == "" {
			d.oneByOne.Store(true)
			return false
		}
		d.refusedAll(answer, p, leads)
	}
	return true
}

// readCollection sets each lead's outcome from its result. Results are in the order of the request. If the number of results
// differs from that of leads, nothing is known about any lead.
func (d *destination) readCollection(ctx context.Context, answer *crm.Answer, token crm.Token, leads []*errand) {
	var results []json.RawMessage
	if json.Unmarshal(answer.Body, &results) != nil {
		draft.FailAll(leads, answer.Outcome(crm.Unknown, "the server answered 200, but not like Salesforce; check salesforce.url"))
		return
	}
	if len(results) != len(leads) {
		draft.FailAll(leads, answer.Outcome(crm.Unknown, "Salesforce's answer does not have a result for each lead"))
		return
	}
	var settled, rest []*errand
	detours := map[*errand]detour{}
	for i, lead := range leads {
		part := answer.About(results[i])
		var r result
		switch {
		case json.Unmarshal(results[i], &r) != nil:
			lead.Fail(part.Outcome(crm.Unknown, "Salesforce's answer does not name the record"))
		case r.Success && r.ID != "":
			lead.Fail(delivered(part, token, r.ID))
		case len(r.Errors) > 0:
			detours[lead] = d.refuse(part, r.Errors[0].tidy(), lead)
		default:
			lead.Fail(part.Outcome(crm.Unknown, "Salesforce's answer does not name the record"))
		}
		if detours[lead] == nil {
			settled = append(settled, lead)
		} else {
			rest = append(rest, lead)
		}
	}
	draft.EachUntilHalted(rest, func(lead *errand) { detours[lead].take(ctx) }, settled...)
}
