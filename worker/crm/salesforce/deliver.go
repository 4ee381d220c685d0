package salesforce

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/crm/draft"
)

// errand is a lead that is being delivered.
type errand struct {
	*draft.Draft
	fill bool // fill only the record's blanks
	// diverted means that the lead was written to a record other than that of its key, or to a new one despite its key. That
	// happens at most once, because records may refer to each other in circles.
	diverted bool
}

// Deliver implements crm.Destination.
func (d *destination) Deliver(ctx context.Context, batch []crm.Item, mode leadgatev1.DeliveryMode) []crm.Outcome {
	all, ready := draft.ReadAll(batch)
	fill := mode == leadgatev1.DeliveryMode_DELIVERY_MODE_FILL_BLANKS
	var keyed, nameless []*errand
	for _, read := range ready {
		lead := &errand{Draft: read, fill: fill}
		if d.setKey(lead); lead.Text(d.key) != "" {
			keyed = append(keyed, lead)
		} else {
			nameless = append(nameless, lead)
		}
	}
	if fill {
		draft.EachUntilHalted(keyed, func(lead *errand) {
			d.inRounds([]*errand{lead}, func(one []*errand) { d.fill(ctx, one[0], d.keyPath(one[0].Text(d.key))) })
		})
	} else {
		d.inRounds(keyed, func(group []*errand) { d.upsert(ctx, group) })
	}
	draft.EachUntilHalted(nameless, func(lead *errand) {
		d.inRounds([]*errand{lead}, func(one []*errand) { d.create(ctx, one[0]) })
	}, keyed...)
	return draft.Told(all)
}

// setKey adds the lead's key to its values, whatever the mapping says. If Email is the key, it is the address. If an external ID
// is, it is the value mapped to it, or else the address, or else the lead's identifier.
func (d *destination) setKey(lead *errand) {
	if lead.Text(d.key) == "" && lead.Item.Email != "" {
		lead.Values[d.key] = lead.Item.Email
	}
	if lead.Text(d.key) == "" && d.key != email {
		lead.Values[d.key] = lead.LeadID()
	}
}

func (d *destination) inRounds(leads []*errand, send func([]*errand)) {
	draft.InRounds(leads, d.placeholders, []string{d.key}, func(leads []*errand) {
		for _, lead := range leads {
			lead.diverted = false
		}
		send(leads)
	})
}

// upsert sends leads: several as a collection, a single one by its key.
func (d *destination) upsert(ctx context.Context, leads []*errand) {
	if len(leads) > 1 && !d.oneByOne.Load() && d.collection(ctx, leads) {
		return
	}
	draft.EachUntilHalted(leads, func(lead *errand) { d.single(ctx, lead) })
}

// single upserts a lead by its key.
func (d *destination) single(ctx context.Context, lead *errand) {
	key := lead.Text(d.key)
	if strings.HasSuffix(strings.ToLower(key), ".inc") { // Salesforce takes it for a file name in the URL (contracts, salesforce.md §2.1)
		if id, failed := d.lookUp(ctx, lead, d.key, key, time.Time{}); failed || id != "" {
			if id != "" {
				d.change(ctx, lead, id)
			}
			return
		}
		d.insert(ctx, lead)
		return
	}
	values := maps.Clone(lead.Values)
	delete(values, d.key)
	if answer, token := d.send(ctx, http.MethodPatch, d.keyPath(key), values, lead); answer != nil {
		d.readSingle(ctx, answer, token, lead)
	}
}

func (d *destination) keyPath(key string) string {
	return "sobjects/" + d.object + "/" + url.PathEscape(d.key) + "/" + url.PathEscape(key)
}

// readSingle sets the outcome from the answer to an upsert, creation or update of a single lead.
func (d *destination) readSingle(ctx context.Context, answer *crm.Answer, token crm.Token, lead *errand) {
	switch answer.Status {
	case http.StatusOK, http.StatusCreated:
		var r result
		switch {
		case json.Unmarshal(answer.Body, &r) != nil:
			lead.Fail(answer.Outcome(crm.Unknown, "the server answered, but not like Salesforce; check salesforce.url"))
		case !r.Success || r.ID == "":
			lead.Fail(answer.Outcome(crm.Unknown, "Salesforce's answer does not name the record"))
		default:
			lead.Fail(delivered(answer, token, r.ID))
		}
	case http.StatusNoContent: // an update, before API version 46.0
		d.readBack(ctx, lead)
	case http.StatusMultipleChoices:
		d.several(answer, lead, idsOf(answer.Body)).take(ctx)
	default:
		d.refused(ctx, answer, lead)
	}
}

// readBack looks up the identifier of a record that was updated, because the answer did not contain it.
func (d *destination) readBack(ctx context.Context, lead *errand) {
	answer, token, failure := d.call(ctx, http.MethodGet, d.keyPath(lead.Text(d.key))+"?fields=Id", nil)
	if failure != nil {
		failure.Kind = crm.Unknown
		lead.Fail(*failure)
		return
	}
	var record struct {
		ID string `json:"Id"`
	}
	if answer.Status != http.StatusOK || json.Unmarshal(answer.Body, &record) != nil || record.ID == "" {
		lead.Fail(answer.Outcome(crm.Unknown, "the lead was updated, but its record cannot be found"))
		return
	}
	lead.Fail(delivered(answer, token, record.ID))
}

// create creates a record for a lead without a key. If an earlier answer was lost, it searches for the record first.
func (d *destination) create(ctx context.Context, lead *errand) {
	if !lead.Item.Unanswered.IsZero() {
		phone := lead.Text("Phone")
		if phone == "" {
			lead.Fail(crm.Outcome{Kind: crm.Undecided, Reason: "an earlier answer was lost, and the lead has neither address nor phone number to look for it in Salesforce; configure salesforce.external_id"})
			return
		}
		id, failed := d.lookUp(ctx, lead, "Phone", phone, lead.Item.Unanswered)
		if failed {
			return
		}
		if id != "" {
			d.change(ctx, lead, id)
			return
		}
	}
	d.insert(ctx, lead)
}

func (d *destination) insert(ctx context.Context, lead *errand) {
	if answer, token := d.send(ctx, http.MethodPost, "sobjects/"+d.object, lead.Values, lead); answer != nil {
		d.readSingle(ctx, answer, token, lead)
	}
}

// change updates a record that was found by other means than its key. The record may have a different key.
func (d *destination) change(ctx context.Context, lead *errand, id string) {
	lead.diverted = true
	if lead.fill {
		d.fill(ctx, lead, recordPath(d.object, id))
		return
	}
	values := lead.Given()
	if d.key != email {
		delete(values, d.key)
	}
	d.patch(ctx, lead, id, values)
}

func recordPath(object, id string) string { return "sobjects/" + object + "/" + url.PathEscape(id) }

// isRecord reports whether a path identifies a record by its identifier and not by its key.
func (d *destination) isRecord(path string) bool {
	id, is := strings.CutPrefix(path, recordPath(d.object, ""))
	return is && id != "" && !strings.Contains(id, "/")
}

// patch writes values to a record.
func (d *destination) patch(ctx context.Context, lead *errand, id string, values map[string]any) {
	answer, token := d.send(ctx, http.MethodPatch, recordPath(d.object, id), values, lead)
	switch {
	case answer == nil:
	case answer.Status == http.StatusNoContent, answer.Status == http.StatusOK:
		lead.Fail(delivered(answer, token, id))
	default:
		d.refused(ctx, answer, lead)
	}
}

// clockSkew is the largest assumed difference between Salesforce's clock and leadgate's.
const clockSkew = 5 * time.Minute

// lookUp finds the newest record with a value, created after since unless that is zero. failed reports whether the lookup failed;
// the lead's outcome then says why. It is never Unknown: nothing was written, and the next attempt must still know which answer was
// lost.
func (d *destination) lookUp(ctx context.Context, lead *errand, field, value string, since time.Time) (id string, failed bool) {
	defer func() {
		if failed && lead.Outcome.Kind == crm.Unknown {
			lead.Outcome.Kind = crm.Retry
		}
	}()
	quoted := strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(value)
	soql := "SELECT Id, CreatedDate FROM " + d.object + " WHERE " + field + " = '" + quoted + "' ORDER BY CreatedDate DESC LIMIT 1"
	answer, _, failure := d.call(ctx, http.MethodGet, "query?q="+url.QueryEscape(soql), nil)
	if failure != nil {
		lead.Fail(*failure)
		return "", true
	}
	var found struct {
		Done    *bool `json:"done"`
		Records []struct {
			ID      string `json:"Id"`
			Created string `json:"CreatedDate"`
		} `json:"records"`
	}
	switch {
	case answer.Status != http.StatusOK:
		lead.Fail(d.failed(answer))
		return "", true
	case json.Unmarshal(answer.Body, &found) != nil || found.Done == nil:
		lead.Fail(answer.Outcome(crm.Unknown, "the server answered 200, but not like Salesforce; check salesforce.url"))
		return "", true
	case len(found.Records) == 0:
		return "", false
	}
	created, err := time.Parse("2006-01-02T15:04:05.000-0700", found.Records[0].Created)
	if !since.IsZero() && err == nil && created.Before(since.Add(-clockSkew)) {
		return "", false
	}
	return found.Records[0].ID, false
}

// fill writes the lead's values where the record at a path is blank.
func (d *destination) fill(ctx context.Context, lead *errand, path string) {
	answer, token, failure := d.call(ctx, http.MethodGet, path, nil)
	switch {
	case failure != nil:
		lead.Fail(*failure)
		return
	case answer.Status == http.StatusNotFound && !lead.diverted:
		d.single(ctx, lead)
		return
	case answer.Status == http.StatusMultipleChoices:
		d.several(answer, lead, idsOf(answer.Body)).take(ctx)
		return
	case answer.Status != http.StatusOK:
		d.refused(ctx, answer, lead)
		return
	}
	var record map[string]any
	id := ""
	if json.Unmarshal(answer.Body, &record) == nil {
		id, _ = record["Id"].(string)
	}
	if id == "" {
		lead.Fail(answer.Outcome(crm.Unknown, "Salesforce's answer does not name the record"))
		return
	}
	blanks := lead.Blanks(record)
	delete(blanks, d.key)
	if len(blanks) == 0 {
		outcome := delivered(answer, token, id)
		outcome.Body = "" // the whole record is not the lead's
		lead.Fail(outcome)
		return
	}
	d.patch(ctx, lead, id, blanks)
}

// send makes a call that writes a lead. If there is no answer, it sets the lead's outcome and returns nil.
func (d *destination) send(ctx context.Context, method, path string, values map[string]any, lead *errand) (*crm.Answer, crm.Token) {
	answer, token, failure := d.call(ctx, method, path, values)
	if failure != nil {
		lead.Fail(*failure)
		return nil, token
	}
	return answer, token
}

// delivered returns the outcome of a lead that was written to a record.
func delivered(answer *crm.Answer, token crm.Token, id string) crm.Outcome {
	outcome := answer.Outcome(crm.Delivered, "")
	outcome.RecordID = id
	outcome.RecordURL = token.BaseURL + "/" + url.PathEscape(id)
	return outcome
}

// idsOf returns the records that match a key, from a list of their paths.
func idsOf(body []byte) []string {
	var addresses []string
	_ = json.Unmarshal(body, &addresses) // leaves none on error
	for i, address := range addresses {
		addresses[i] = address[strings.LastIndex(address, "/")+1:]
	}
	return addresses
}
