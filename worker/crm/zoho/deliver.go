package zoho

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/crm/draft"
)

// searchLag is how long search may miss a new record. Zoho does not say; search uses an index of its own.
const searchLag = time.Minute

// clockSkew is the largest assumed difference between Zoho's clock and leadgate's.
const clockSkew = 5 * time.Minute

// errand is a lead that is being delivered.
type errand struct {
	*draft.Draft
	fill bool // fill only the record's blanks
	// twin is the record that has the lead's value of a unique field, and should be updated instead. diverted means that this was
	// done; it is done at most once.
	twin     string
	diverted bool
}

// checksMember is the member of a request that names the fields to check for duplicates.
const checksMember = "duplicate_check_fields"

// progress is stored with the attempt.
type progress struct {
	// Unfound is when a late lead's record was first searched for and not found.
	Unfound time.Time `json:"unfound"`
}

// Deliver implements crm.Destination.
func (d *destination) Deliver(ctx context.Context, batch []crm.Item, mode leadgatev1.DeliveryMode) []crm.Outcome {
	all, ready := draft.ReadAll(batch)
	fill := mode == leadgatev1.DeliveryMode_DELIVERY_MODE_FILL_BLANKS
	uncheckable := d.uncheckable()
	var keyed, nameless []*errand
	for _, read := range ready {
		lead := &errand{Draft: read, fill: fill}
		if lead.Text(email) == "" && lead.Item.Email != "" {
			lead.Values[email] = lead.Item.Email
		}
		d.leaveOut(lead)
		switch {
		case !d.isKeyed(lead):
			nameless = append(nameless, lead)
		case uncheckable != "":
			lead.Fail(crm.Outcome{Kind: crm.Retry, Reason: "not sent: " + uncheckable})
		default:
			keyed = append(keyed, lead)
		}
	}
	if fill {
		draft.EachUntilHalted(keyed, func(lead *errand) { d.one(lead, func(lead *errand) { d.fill(ctx, lead) }) })
	} else {
		d.inRounds(keyed, func(group []*errand) { d.write(ctx, d.module+"/upsert", group, true) })
	}
	draft.EachUntilHalted(nameless, func(lead *errand) {
		d.one(lead, func(lead *errand) { d.create(ctx, lead) })
	}, keyed...)
	return draft.Told(all)
}

func (d *destination) one(lead *errand, send func(*errand)) {
	d.inRounds([]*errand{lead}, func(one []*errand) { send(one[0]) })
}

func (d *destination) inRounds(leads []*errand, send func([]*errand)) {
	draft.InRounds(leads, d.placeholders, d.checks, func(leads []*errand) {
		for _, lead := range leads {
			lead.twin, lead.diverted = "", false
		}
		send(leads)
	})
}

// uncheckable says why Zoho cannot check for duplicates, as far as the schema is known; empty if it can. Without the check fields,
// every lead would become a new record.
func (d *destination) uncheckable() string {
	known := d.known.Load()
	if known == nil {
		return ""
	}
	for _, field := range d.checks {
		switch p := known.Property(field); {
		case p == nil:
			return "Zoho has no field " + field + ", or hides it from the user; correct zoho.duplicate_check"
		case p.ReadOnly:
			return "Zoho's field " + field + " is read-only; correct zoho.duplicate_check"
		}
	}
	return ""
}

// isKeyed reports whether the lead has a value that Zoho checks for duplicates.
func (d *destination) isKeyed(lead *errand) bool {
	for _, field := range d.checks {
		if lead.Text(field) != "" {
			return true
		}
	}
	return false
}

// leaveOut leaves out what Zoho would ignore silently, as far as the schema is known.
func (d *destination) leaveOut(lead *errand) {
	known := d.known.Load()
	if known == nil {
		return
	}
	for field := range lead.Values {
		switch p := known.Property(field); {
		case slices.Contains(d.checks, field):
		case p == nil:
			lead.Drop(field, crm.Outcome{Property: field, Reason: "Zoho has no field " + field + ", or hides it from the user; correct it under properties"})
		case p.ReadOnly:
			lead.Drop(field, crm.Outcome{Property: field, Reason: "Zoho's field " + field + " is read-only; take it out of properties"})
		}
	}
}

// write sends leads in one call.
func (d *destination) write(ctx context.Context, path string, leads []*errand, upsert bool) {
	records := make([]map[string]any, len(leads))
	for i, lead := range leads {
		records[i] = lead.Values
	}
	d.send(ctx, http.MethodPost, path, records, leads, upsert)
}

func (d *destination) send(ctx context.Context, method, path string, records []map[string]any, leads []*errand, upsert bool) {
	body := map[string]any{"data": records}
	if upsert {
		body[checksMember] = d.checks
	}
	if d.cfg.GetAutomations() == "none" {
		body["trigger"] = []string{}
	}
	if d.cfg.GetAssignmentRule() != "" && method == http.MethodPost { // an existing record keeps its owner
		body["lar_id"] = d.cfg.GetAssignmentRule()
	}
	answer, failure := d.call(ctx, method, path, body)
	switch {
	case failure != nil:
		draft.FailAll(leads, *failure)
	case answer.Status >= 200 && answer.Status < 300:
		d.readResults(answer, leads)
	default:
		d.refusedAll(answer, leads)
	}
	var settled, clashing []*errand
	for _, lead := range leads {
		if lead.twin != "" && !lead.diverted {
			clashing = append(clashing, lead)
		} else {
			settled = append(settled, lead)
		}
	}
	draft.EachUntilHalted(clashing, func(lead *errand) { d.divert(ctx, lead) }, settled...)
}

// divert updates the lead's twin, except the fields that are checked for duplicates.
func (d *destination) divert(ctx context.Context, lead *errand) {
	lead.diverted = true
	values, record := lead.Given(), map[string]any{"id": lead.twin}
	if lead.fill {
		var failed bool
		if record, failed = d.lookUp(ctx, lead, d.module+"/"+url.PathEscape(lead.twin), time.Time{}); failed {
			return
		}
		if record == nil {
			lead.Fail(crm.Outcome{Kind: crm.Retry, Reason: goneMeanwhile})
			return
		}
		values = lead.Blanks(record)
	}
	for _, field := range d.checks {
		delete(values, field)
	}
	d.change(ctx, lead, record, values)
}

// create creates a record for a lead without a key. If an earlier answer was lost, it searches for the record first.
func (d *destination) create(ctx context.Context, lead *errand) {
	if lost := lead.Item.Unanswered; !lost.IsZero() {
		phone := lead.Text(phoneField)
		if phone == "" {
			lead.Fail(crm.Outcome{Kind: crm.Undecided, Reason: "an earlier answer was lost, and the lead has neither address nor phone number to look for it in Zoho"})
			return
		}
		record, failed := d.search(ctx, lead, phoneField, phone, lost.Add(-clockSkew))
		switch {
		case failed:
			return
		case record != nil:
			d.change(ctx, lead, record, lead.Given())
			return
		case d.env.Now().Before(lost.Add(searchLag)):
			lead.Fail(crm.Outcome{Kind: crm.Retry, Reason: "an earlier answer was lost, and Zoho's search may not know the record yet; it is looked for again"})
			return
		}
	}
	d.write(ctx, d.module, []*errand{lead}, false)
}

// fill writes the lead's values where the record is blank. There is a record, because a newer lead of the person was delivered. If
// search does not find it, it may not know it yet; after searchLag, the record must be gone, and the lead becomes a new one.
func (d *destination) fill(ctx context.Context, lead *errand) {
	for _, field := range d.checks {
		value := lead.Text(field)
		if value == "" {
			continue
		}
		if record, failed := d.search(ctx, lead, field, value, time.Time{}); failed {
			return
		} else if record != nil {
			d.change(ctx, lead, record, lead.Blanks(record))
			return
		}
	}
	var done progress
	_ = json.Unmarshal([]byte(lead.Item.Progress), &done) // on error it counts as the first search
	if done.Unfound.IsZero() {
		done.Unfound = d.env.Now()
	}
	if d.env.Now().Before(done.Unfound.Add(searchLag)) {
		kept, _ := json.Marshal(done)
		lead.Fail(crm.Outcome{Kind: crm.Retry, Progress: string(kept), Reason: "not sent: a newer lead of the person was delivered, and Zoho's search may not know its record yet; it is looked for again"})
		return
	}
	d.write(ctx, d.module+"/upsert", []*errand{lead}, true)
}

// change writes values to a known record.
func (d *destination) change(ctx context.Context, lead *errand, record map[string]any, values map[string]any) {
	id, _ := record["id"].(string)
	if len(values) == 0 {
		lead.Fail(crm.Outcome{Kind: crm.Delivered, RecordID: id, RecordURL: d.recordURL(id), Status: http.StatusOK})
		return
	}
	d.send(ctx, http.MethodPut, d.module+"/"+url.PathEscape(id), []map[string]any{values}, []*errand{lead}, false)
}

// search finds a record by the value of a field, created since the given time unless that is zero; nil if there is none. failed
// reports whether the search failed; the lead's outcome then says why.
func (d *destination) search(ctx context.Context, lead *errand, field, value string, since time.Time) (record map[string]any, failed bool) {
	query := url.Values{}
	switch field {
	case email:
		query.Set("email", value)
	case phoneField:
		query.Set("phone", value)
	default:
		query.Set("criteria", "("+field+":equals:"+inCriteria.Replace(value)+")")
	}
	return d.lookUp(ctx, lead, d.module+"/search?"+query.Encode(), since)
}

// inCriteria escapes special characters in search criteria.
var inCriteria = strings.NewReplacer(`\`, `\\`, `(`, `\(`, `)`, `\)`, `,`, `\,`)

// lookUp returns the first record that a path yields, like search. If it fails, the outcome is never Unknown: nothing was written,
// and the next attempt must still know which answer was lost.
func (d *destination) lookUp(ctx context.Context, lead *errand, path string, since time.Time) (record map[string]any, failed bool) {
	defer func() {
		if failed && lead.Outcome.Kind == crm.Unknown {
			lead.Outcome.Kind = crm.Retry
		}
	}()
	answer, failure := d.call(ctx, http.MethodGet, path, nil)
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
		d.refusedAll(answer, []*errand{lead})
		return nil, true
	case json.Unmarshal(answer.Body, &found) != nil || len(found.Data) == 0 || found.Data[0]["id"] == nil:
		lead.Fail(answer.Outcome(crm.Unknown, "the server answered 200, but not like Zoho"))
		return nil, true
	}
	for _, record := range found.Data {
		text, _ := record["Created_Time"].(string)
		if made, err := time.Parse(time.RFC3339, text); since.IsZero() || err != nil || !made.Before(since) {
			return record, false
		}
	}
	return nil, false
}
