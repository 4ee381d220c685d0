package zoho

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/crm/draft"
)

// searchLag is how long a record may not be found that was made. Zoho does not say; a search is an index of its own.
const searchLag = time.Minute

// Deliver implements crm.Destination.
func (d *destination) Deliver(ctx context.Context, batch []crm.Item, mode leadgatev1.DeliveryMode) []crm.Outcome {
	all, ready := draft.ReadAll(batch)
	var keyed, nameless []*draft.Draft
	for _, lead := range ready {
		if lead.Text(email) == "" && lead.Item.Email != "" {
			lead.Values[email] = lead.Item.Email
		}
		d.leaveOut(lead)
		if d.isKeyed(lead) {
			keyed = append(keyed, lead)
		} else {
			nameless = append(nameless, lead)
		}
	}
	if mode == leadgatev1.DeliveryMode_DELIVERY_MODE_FILL_BLANKS {
		draft.EachUntilHalted(keyed, func(lead *draft.Draft) { d.one(lead, func(lead *draft.Draft) { d.fill(ctx, lead) }) })
	} else {
		draft.InRounds(keyed, d.placeholders, d.checks, func(group []*draft.Draft) { d.write(ctx, d.module+"/upsert", group, true) })
	}
	draft.EachUntilHalted(nameless, func(lead *draft.Draft) {
		d.one(lead, func(lead *draft.Draft) { d.create(ctx, lead) })
	}, keyed...)
	return draft.Told(all)
}

func (d *destination) one(lead *draft.Draft, send func(*draft.Draft)) {
	draft.InRounds([]*draft.Draft{lead}, d.placeholders, d.checks, func(one []*draft.Draft) { send(one[0]) })
}

// isKeyed reports whether Zoho can tell whether it has the lead already.
func (d *destination) isKeyed(lead *draft.Draft) bool {
	for _, field := range d.checks {
		if lead.Text(field) != "" {
			return true
		}
	}
	return false
}

// leaveOut leaves out what Zoho would drop without a word, as far as is known.
func (d *destination) leaveOut(lead *draft.Draft) {
	known := d.known.Load()
	if known == nil {
		return
	}
	for field := range lead.Values {
		switch p := known.Property(field); {
		case p == nil:
			lead.Drop(field, crm.Outcome{Property: field, Reason: "Zoho has no field " + field + ", or hides it from the user; correct it under properties"})
		case p.ReadOnly:
			lead.Drop(field, crm.Outcome{Property: field, Reason: "Zoho's field " + field + " is read-only; take it out of properties"})
		}
	}
}

// write sends leads in one call.
func (d *destination) write(ctx context.Context, path string, leads []*draft.Draft, upsert bool) {
	records := make([]map[string]any, len(leads))
	for i, lead := range leads {
		records[i] = lead.Values
	}
	d.send(ctx, http.MethodPost, path, records, leads, upsert)
}

func (d *destination) send(ctx context.Context, method, path string, records []map[string]any, leads []*draft.Draft, upsert bool) {
	body := map[string]any{"data": records}
	if upsert {
		body["duplicate_check_fields"] = d.checks
	}
	if d.cfg.GetAutomations() == "none" {
		body["trigger"] = []string{}
	}
	if d.cfg.GetAssignmentRule() != "" {
		body["lar_id"] = d.cfg.GetAssignmentRule()
	}
	encoded, err := draft.Marshal(body)
	if err != nil { // it was decoded from JSON before
		draft.FailAll(leads, crm.Outcome{Kind: crm.Refused, Reason: "not sent: it cannot be written as JSON"})
		return
	}
	answer, failure := d.call(ctx, method, path, encoded)
	switch {
	case failure != nil:
		draft.FailAll(leads, draft.Whole(*failure, leads))
	case answer.Status >= 200 && answer.Status < 300:
		d.readResults(answer, leads)
	default:
		d.refusedAll(answer, leads)
	}
}

// create makes a record of a lead that nothing tells apart. Where an earlier answer was lost, it is looked for first.
func (d *destination) create(ctx context.Context, lead *draft.Draft) {
	if lost := lead.Item.Unanswered; !lost.IsZero() {
		phone := lead.Text("Phone")
		if phone == "" {
			lead.Fail(crm.Outcome{Kind: crm.Undecided, Reason: "an earlier answer was lost, and the lead has neither address nor phone number to look for it in Zoho"})
			return
		}
		record, failed := d.search(ctx, lead, "phone", phone)
		switch {
		case failed:
			return
		case record != nil:
			d.change(ctx, lead, record, lead.Values)
			return
		case d.env.Now().Before(lost.Add(searchLag)):
			lead.Fail(crm.Outcome{Kind: crm.Unknown, Reason: "an earlier answer was lost, and Zoho's search may not know the record yet; it is looked for again"})
			return
		}
	}
	d.write(ctx, d.module, []*draft.Draft{lead}, false)
}

// fill writes what the record has nothing in.
func (d *destination) fill(ctx context.Context, lead *draft.Draft) {
	address := lead.Text(email)
	if address == "" {
		d.write(ctx, d.module+"/upsert", []*draft.Draft{lead}, true)
		return
	}
	record, failed := d.search(ctx, lead, "email", address)
	switch {
	case failed:
	case record == nil:
		d.write(ctx, d.module+"/upsert", []*draft.Draft{lead}, true)
	default:
		d.change(ctx, lead, record, lead.Blanks(record))
	}
}

// change writes values to a record that is known.
func (d *destination) change(ctx context.Context, lead *draft.Draft, record map[string]any, values map[string]any) {
	id, _ := record["id"].(string)
	if len(values) == 0 {
		lead.Fail(crm.Outcome{Kind: crm.Delivered, RecordID: id, RecordURL: d.recordURL(id), Status: http.StatusOK})
		return
	}
	d.send(ctx, http.MethodPut, d.module+"/"+url.PathEscape(id), []map[string]any{values}, []*draft.Draft{lead}, false)
}

// search finds a record; nil if there is none. failed reports whether it could not, and the lead has its outcome then.
func (d *destination) search(ctx context.Context, lead *draft.Draft, by, value string) (record map[string]any, failed bool) {
	answer, failure := d.call(ctx, http.MethodGet, d.module+"/search?"+url.Values{by: {value}}.Encode(), nil)
	if failure != nil {
		lead.Fail(*failure)
		return nil, true
	}
	var found struct {
		Data []map[string]any `json:"data"`
	}
	switch {
	case answer.Status == http.StatusNoContent:
		return nil, false
	case answer.Status != http.StatusOK:
		d.refusedAll(answer, []*draft.Draft{lead})
		return nil, true
	case json.Unmarshal(answer.Body, &found) != nil || len(found.Data) == 0 || found.Data[0]["id"] == nil:
		lead.Fail(answer.Outcome(crm.Unknown, "it answered 200, but not as Zoho does"))
		return nil, true
	}
	return found.Data[0], false
}
