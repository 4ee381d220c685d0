package dynamics

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/crm/draft"
)

// Deliver implements crm.Destination.
func (d *destination) Deliver(ctx context.Context, batch []crm.Item, mode leadgatev1.DeliveryMode) []crm.Outcome {
	all, ready := draft.ReadAll(batch)
	fill := mode == leadgatev1.DeliveryMode_DELIVERY_MODE_FILL_BLANKS
	draft.EachUntilHalted(ready, func(lead *draft.Draft) {
		if lead.Text(email) == "" && lead.Item.Email != "" {
			lead.Values[email] = lead.Item.Email
		}
		d.convert(lead)
		keep := []string{email}
		if d.key != "" {
			keep = []string{d.key}
		}
		draft.InRounds([]*draft.Draft{lead}, d.cfg.GetPlaceholders(), keep, func(one []*draft.Draft) { d.deliver(ctx, one[0], fill) })
	})
	return draft.Told(all)
}

// convert writes values as the columns have them, as far as is known: choices are numbers in Dynamics.
func (d *destination) convert(lead *draft.Draft) {
	known := d.known.Load()
	if known == nil {
		return
	}
	for column, value := range lead.Values {
		text, isText := value.(string)
		p := known.Property(column)
		if p == nil || !isText {
			continue
		}
		switch p.Type {
		case crm.Enumeration, crm.Number:
			if n, err := strconv.ParseFloat(strings.TrimSpace(text), 64); err == nil {
				lead.Values[column] = n
			}
		case crm.Bool:
			if yes, err := strconv.ParseBool(strings.ToLower(text)); err == nil {
				lead.Values[column] = yes
			}
		}
	}
}

// deliver writes a lead to its record: that of its key, that of its address, or a new one.
func (d *destination) deliver(ctx context.Context, lead *draft.Draft, fill bool) {
	path, known := d.set+"("+recordID(lead.LeadID())+")", false
	switch {
	case d.key != "":
		key := lead.Text(d.key)
		if key == "" {
			key = lead.Item.Email
		}
		if key == "" {
			key = lead.LeadID()
		}
		path = d.set + "(" + d.key + "='" + url.PathEscape(strings.ReplaceAll(key, "'", "''")) + "')"
	case lead.Text(email) != "":
		id, failed := d.lookUp(ctx, lead)
		if failed {
			return
		}
		if known = id != ""; known {
			path = d.set + "(" + id + ")"
		}
	}
	values := maps.Clone(lead.Values)
	delete(values, d.key)
	if fill {
		record, failed := d.read(ctx, lead, path)
		if failed {
			return
		}
		if record != nil {
			values = lead.Blanks(record)
			delete(values, d.key)
			if id, _ := record[d.id].(string); len(values) == 0 && id != "" {
				lead.Fail(crm.Outcome{Kind: crm.Delivered, RecordID: id, RecordURL: d.recordURL(id), Status: http.StatusOK})
				return
			}
		}
	}
	d.write(ctx, lead, path, values, known)
}

// write upserts a record; one that is known to be there is only changed.
func (d *destination) write(ctx context.Context, lead *draft.Draft, path string, values map[string]any, known bool) {
	body, err := draft.Marshal(values)
	if err != nil { // it was decoded from JSON before
		lead.Fail(crm.Outcome{Kind: crm.Refused, Reason: "not sent: it cannot be written as JSON"})
		return
	}
	header := map[string]string{"Prefer": "return=representation"}
	if known {
		header["If-Match"] = "*"
	}
	if d.cfg.GetDuplicates() == "park" {
		header["MSCRM.SuppressDuplicateDetection"] = "false"
	}
	answer, failure := d.call(ctx, http.MethodPatch, path+"?$select="+d.id, body, header)
	switch {
	case failure != nil:
		lead.Fail(*failure)
	case answer.Status == http.StatusOK, answer.Status == http.StatusCreated, answer.Status == http.StatusNoContent:
		id := d.idOf(answer)
		if id == "" && answer.Status == http.StatusNoContent {
			if record, failed := d.read(ctx, lead, path); failed {
				return
			} else if record != nil {
				id, _ = record[d.id].(string)
			}
		}
		if id == "" {
			lead.Fail(answer.Outcome(crm.Unknown, "Dynamics' answer does not name the record"))
			return
		}
		outcome := answer.Outcome(crm.Delivered, "")
		outcome.RecordID, outcome.RecordURL = id, d.recordURL(id)
		lead.Fail(outcome)
	default:
		d.refuse(answer, lead)
	}
}

// idOf is the identifier in an answer: in the record or, where it has none, in its address.
func (d *destination) idOf(answer *crm.Answer) string {
	var record map[string]any
	if json.Unmarshal(answer.Body, &record) == nil {
		if id, _ := record[d.id].(string); id != "" {
			return id
		}
	}
	if answer.Status != http.StatusNoContent {
		return ""
	}
	if found := identifier.FindStringSubmatch(answer.Header.Get("OData-EntityId")); found != nil {
		return found[1]
	}
	return ""
}

// lookUp finds the newest open record of the lead's address. failed reports whether it could not, and the lead has its outcome
// then.
func (d *destination) lookUp(ctx context.Context, lead *draft.Draft) (id string, failed bool) {
	query := url.Values{
		"$select": {d.id}, "$top": {"1"}, "$orderby": {"createdon desc"},
		"$filter": {email + " eq '" + strings.ReplaceAll(lead.Text(email), "'", "''") + "' and statecode eq 0"},
	}
	answer, failure := d.call(ctx, http.MethodGet, d.set+"?"+strings.ReplaceAll(query.Encode(), "+", "%20"), nil, nil)
	if failure != nil {
		lead.Fail(*failure)
		return "", true
	}
	if answer.Status != http.StatusOK {
		lead.Fail(brokenDown(answer))
		return "", true
	}
	var found struct {
		Value *[]map[string]any `json:"value"`
	}
	if json.Unmarshal(answer.Body, &found) != nil || found.Value == nil {
		lead.Fail(answer.Outcome(crm.Unknown, "it answered 200, but not as Dynamics does; check dynamics.url"))
		return "", true
	}
	if len(*found.Value) == 0 {
		return "", false
	}
	id, _ = (*found.Value)[0][d.id].(string)
	return id, false
}

// read reads a record; nil if there is none. failed reports whether it could not, and the lead has its outcome then.
func (d *destination) read(ctx context.Context, lead *draft.Draft, path string) (record map[string]any, failed bool) {
	columns := append(slices.Sorted(maps.Keys(lead.Values)), d.id)
	answer, failure := d.call(ctx, http.MethodGet, path+"?$select="+url.QueryEscape(strings.Join(columns, ",")), nil, nil)
	switch {
	case failure != nil:
		lead.Fail(*failure)
		return nil, true
	case answer.Status == http.StatusNotFound:
		return nil, false
	case answer.Status != http.StatusOK:
		d.refuse(answer, lead)
		return nil, true
	}
	if json.Unmarshal(answer.Body, &record) != nil || record[d.id] == nil {
		lead.Fail(answer.Outcome(crm.Unknown, "Dynamics' answer does not name the record"))
		return nil, true
	}
	return record, false
}
