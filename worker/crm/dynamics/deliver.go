package dynamics

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
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
		keep := []string{email}
		if d.key != "" {
			keep = []string{d.key}
		}
		draft.InRounds([]*draft.Draft{lead}, d.cfg.GetPlaceholders(), keep, func(one []*draft.Draft) { d.deliver(ctx, one[0], fill) })
	})
	return draft.Told(all)
}

// target is the record that a lead is written to.
type target struct {
	path  string
	known bool // to exist
	// merged means that the record has a different address: the one with the lead's address was merged into it.
	merged bool
}

// under returns the target with an identifier.
func (d *destination) under(id string) target {
	return target{path: d.set + "(" + id + ")", known: true}
}

// master returns the record into which another was merged, which is inactive since then; nil if it was not merged.
func (d *destination) master(record map[string]any) *target {
	id, _ := record[masterColumn].(string)
	if record[mergedColumn] != true || !isIdentifier.MatchString(id) {
		return nil
	}
	to := d.under(id)
	to.merged = true
	return &to
}

// Columns of records that were merged into a master record.
const (
	mergedColumn = "merged"
	masterColumn = "_masterid_value"
	// maxMasters is how many merges are followed.
	maxMasters = 5
)

var isIdentifier = regexp.MustCompile(`^[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$`)

// deliver writes a lead to its record: that of its key, that of its address, or a new one. If the record was merged into another,
// it writes to that one, because nobody looks at inactive records.
func (d *destination) deliver(ctx context.Context, lead *draft.Draft, fill bool) {
	to := target{path: d.set + "(" + recordID(lead.LeadID()) + ")"}
	switch {
	case d.key != "":
		key := cmp.Or(lead.Text(d.key), lead.Item.Email, lead.LeadID())
		to.path = d.set + "(" + d.key + "='" + url.PathEscape(strings.ReplaceAll(key, "'", "''")) + "')"
	case lead.Text(email) != "":
		found, failed := d.lookUp(ctx, lead)
		if failed {
			return
		}
		if found != nil {
			to = *found
		}
	}
	for range maxMasters {
		values := maps.Clone(lead.Values)
		delete(values, d.key)
		if to.merged {
			delete(values, email)
		}
		if fill {
			record, failed := d.read(ctx, lead, to.path)
			if failed {
				return
			}
			if on := d.master(record); on != nil {
				to = *on
				continue
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
		on := d.write(ctx, lead, to, values)
		if on == nil {
			return
		}
		to = *on
	}
	lead.Fail(crm.Outcome{Kind: crm.Retry, Reason: "the record was merged into another, that into another, and so on; an administrator has to look into it"})
}

// write upserts a record, or only updates it if it is known to exist. If the record was merged into another, it returns that one
// and sets no outcome.
func (d *destination) write(ctx context.Context, lead *draft.Draft, to target, values map[string]any) *target {
	header := map[string]string{"Prefer": "return=representation"}
	if to.known {
		header["If-Match"] = "*"
	}
	if d.cfg.GetDuplicates() == "park" {
		header["MSCRM.SuppressDuplicateDetection"] = "false"
	}
	answer, failure := d.call(ctx, http.MethodPatch, to.path+"?$select="+d.id+","+mergedColumn+","+masterColumn, values, header)
	switch {
	case failure != nil:
		lead.Fail(*failure)
	case answer.Status == http.StatusOK, answer.Status == http.StatusCreated, answer.Status == http.StatusNoContent:
		record := recordIn(answer)
		id := d.idOf(answer, record)
		if id == "" && answer.Status == http.StatusNoContent {
			var failed bool
			if record, failed = d.read(ctx, lead, to.path); failed {
				return nil
			}
			id, _ = record[d.id].(string)
		}
		if on := d.master(record); on != nil {
			return on
		}
		if id == "" {
			lead.Fail(answer.Outcome(crm.Unknown, "Dynamics' answer does not name the record"))
			return nil
		}
		outcome := answer.Outcome(crm.Delivered, "")
		outcome.RecordID, outcome.RecordURL = id, d.recordURL(id)
		lead.Fail(outcome)
	default:
		d.refuse(answer, lead)
	}
	return nil
}

// recordIn returns the record in an answer; nil if there is none.
func recordIn(answer *crm.Answer) (record map[string]any) {
	if json.Unmarshal(answer.Body, &record) != nil {
		return nil
	}
	return record
}

// idOf returns the identifier in an answer: from its record or, if it has none, from its OData-EntityId header.
func (d *destination) idOf(answer *crm.Answer, record map[string]any) string {
	if id, _ := record[d.id].(string); id != "" {
		return id
	}
	if answer.Status != http.StatusNoContent {
		return ""
	}
	if found := identifier.FindStringSubmatch(answer.Header.Get("OData-EntityId")); found != nil {
		return found[1]
	}
	return ""
}

// lookUp returns the newest open record with the lead's address or, failing that, the one into which the newest was merged; nil if
// there is neither. failed reports whether the lookup failed; the lead's outcome then says why.
func (d *destination) lookUp(ctx context.Context, lead *draft.Draft) (found *target, failed bool) {
	query := url.Values{
		"$select": {d.id + "," + mergedColumn + "," + masterColumn}, "$top": {"1"}, "$orderby": {"statecode asc,createdon desc"},
		"$filter": {email + " eq '" + strings.ReplaceAll(lead.Text(email), "'", "''") + "' and (statecode eq 0 or " + mergedColumn + " eq true)"},
	}
	answer, failure := d.call(ctx, http.MethodGet, d.set+"?"+strings.ReplaceAll(query.Encode(), "+", "%20"), nil, nil)
	if failure != nil {
		lead.Fail(*failure)
		return nil, true
	}
	if answer.Status != http.StatusOK {
		lead.Fail(brokenDown(answer))
		return nil, true
	}
	var list struct {
		Value *[]map[string]any `json:"value"`
	}
	if json.Unmarshal(answer.Body, &list) != nil || list.Value == nil {
		lead.Fail(answer.Outcome(crm.Unknown, "the server answered 200, but not like Dynamics; check dynamics.url"))
		return nil, true
	}
	if len(*list.Value) == 0 {
		return nil, false
	}
	record := (*list.Value)[0]
	if into := d.master(record); into != nil {
		return into, false
	}
	id, _ := record[d.id].(string)
	if id == "" {
		return nil, false
	}
	to := d.under(id)
	return &to, false
}

// read reads a record; nil if there is none. failed reports whether reading failed; the lead's outcome then says why.
func (d *destination) read(ctx context.Context, lead *draft.Draft, path string) (record map[string]any, failed bool) {
	columns := []string{d.id, mergedColumn, masterColumn}
	for _, column := range slices.Sorted(maps.Keys(lead.Values)) {
		columns = append(columns, readAs(column))
	}
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
	for column := range lead.Values {
		record[column] = record[readAs(column)]
	}
	return record, false
}
