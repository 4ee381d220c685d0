package pipedrive

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/crm/draft"
)

const (
	noteProperty  = "note"
	emailProperty = "person.email"
	phoneProperty = "person.phone"
	titleProperty = "lead.title"
)

// progress is which steps of a lead are done. It is stored with the attempt.
type progress struct {
	Person int64  `json:"person,omitempty"`
	Lead   string `json:"lead,omitempty"`
	Note   bool   `json:"note,omitempty"`
}

// errand is a lead that is being delivered.
type errand struct {
	*draft.Draft
	fill bool
	done progress
	// found means that the person was found by the lead's address or phone number, not by an earlier attempt's progress.
	found bool
	// made means that this attempt created the person, so that there can be no lead yet.
	made bool
}

// Deliver implements crm.Destination.
func (d *destination) Deliver(ctx context.Context, batch []crm.Item, mode leadgatev1.DeliveryMode) []crm.Outcome {
	all, ready := draft.ReadAll(batch)
	draft.EachUntilHalted(ready, func(lead *draft.Draft) {
		if lead.Text(emailProperty) == "" && lead.Item.Email != "" {
			lead.Values[emailProperty] = lead.Item.Email
		}
		e := &errand{Draft: lead, fill: mode == leadgatev1.DeliveryMode_DELIVERY_MODE_FILL_BLANKS}
		_ = json.Unmarshal([]byte(lead.Item.Progress), &e.done) // on error it starts over
		draft.InRounds([]*draft.Draft{lead}, nil, []string{emailProperty, titleProperty}, func([]*draft.Draft) { d.deliver(ctx, e) })
		if kept, err := crm.Marshal(e.done); err == nil && lead.Outcome.Kind != crm.Delivered && e.done != (progress{}) {
			lead.Outcome.Progress = string(kept)
		}
	})
	return draft.Told(all)
}

// deliver does the steps that are left: the person, the lead, the note.
func (d *destination) deliver(ctx context.Context, e *errand) {
	answer, ok := d.person(ctx, e)
	if !ok {
		return
	}
	if answer, ok = d.lead(ctx, e, answer); !ok {
		return
	}
	if !d.note(ctx, e) {
		return
	}
	outcome := crm.Outcome{Kind: crm.Delivered, Status: http.StatusOK}
	if answer != nil {
		outcome = answer.Outcome(crm.Delivered, "")
	}
	outcome.RecordID, outcome.RecordURL = e.done.Lead, d.recordURL(e.done.Lead)
	e.Fail(outcome)
}

// lead creates the lead for the person or, if it exists, updates it. It returns the last answer, to show it; that is the given one
// if no call was needed.
func (d *destination) lead(ctx context.Context, e *errand, answer *crm.Answer) (*crm.Answer, bool) {
	found, ok := d.foundLead(ctx, e)
	if !ok {
		return nil, false
	}
	values := e.of("lead")
	if e.done.Lead, _ = found["id"].(string); e.done.Lead != "" {
		reduce(values, found, e.fill) // skip what it already has
		if len(values) == 0 {
			return answer, true
		}
		return d.send(ctx, e, "lead", http.MethodPatch, "/v1/leads/"+url.PathEscape(e.done.Lead), values, nil)
	}
	if values["title"] == nil {
		values["title"] = e.title()
	}
	values["person_id"], values["origin_id"] = e.done.Person, e.LeadID()
	if labels := d.cfg.GetLeadLabels(); len(labels) > 0 {
		values["label_ids"] = labels
	}
	var made struct {
		ID string `json:"id"`
	}
	answer, ok = d.send(ctx, e, "lead", http.MethodPost, "/v1/leads", values, &made)
	if ok && made.ID == "" {
		e.Fail(answer.Outcome(crm.Unknown, "Pipedrive's answer does not name the lead"))
		return answer, false
	}
	e.done.Lead = made.ID
	return answer, ok
}

// title returns the person's name or, if there is none, a fixed title.
func (e *errand) title() string {
	if name := e.name(); name != "" {
		return name
	}
	return "Website lead"
}

// foundLead returns the lead in Pipedrive that an earlier attempt created; nil if there is none. Even if the progress names one, it
// may have been deleted since.
func (d *destination) foundLead(ctx context.Context, e *errand) (map[string]any, bool) {
	if e.done.Lead != "" {
		lead, ok := d.readLead(ctx, e)
		if lead != nil || !ok {
			return lead, ok
		}
		e.done.Note = false // it was deleted with the lead
	}
	if e.made {
		return nil, true
	}
	return d.findLead(ctx, e)
}

// readLead reads the lead that an earlier attempt created; nil if somebody deleted it.
func (d *destination) readLead(ctx context.Context, e *errand) (lead map[string]any, ok bool) {
	answer, failure := d.call(ctx, http.MethodGet, "/v1/leads/"+url.PathEscape(e.done.Lead), nil)
	if failure == nil {
		if answer.Status == http.StatusNotFound && isReply(answer) {
			return nil, true
		}
		failure = d.read(answer, &lead)
	}
	if failure != nil {
		e.Fail(*failure)
		return nil, false
	}
	return lead, true
}

const (
	// pageOfLeads is how many leads a call reads, and maxLeads how many are searched.
	pageOfLeads = 100
	maxLeads    = 5000
)

// findLead searches the person's leads, newest first, for the one that was created for this lead.
func (d *destination) findLead(ctx context.Context, e *errand) (map[string]any, bool) {
	query := url.Values{"person_id": {strconv.FormatInt(e.done.Person, 10)}, "sort": {"add_time DESC"}, "limit": {strconv.Itoa(pageOfLeads)}}
	for start := 0; start < maxLeads; start += pageOfLeads {
		query.Set("start", strconv.Itoa(start))
		var leads []map[string]any
		if _, failure := d.get(ctx, "/v1/leads?"+query.Encode(), &leads); failure != nil {
			e.Fail(*failure)
			return nil, false
		}
		for _, lead := range leads {
			if lead["origin_id"] == e.LeadID() {
				return lead, true
			}
		}
		if len(leads) < pageOfLeads || e.isYoungerThan(leads[len(leads)-1]) {
			return nil, true
		}
	}
	e.Fail(crm.Outcome{Kind: crm.Undecided, Reason: fmt.Sprintf("the person in Pipedrive has more than %d newer leads, and this one may be behind them", maxLeads)})
	return nil, false
}

// clockSkew is the largest assumed difference between Pipedrive's clock and leadgate's.
const clockSkew = time.Hour

// isYoungerThan reports whether a lead in Pipedrive is older than this one, whose identifier contains its time.
func (e *errand) isYoungerThan(lead map[string]any) bool {
	text, _ := lead["add_time"].(string)
	made, err := time.Parse(time.RFC3339, text)
	id, noID := uuid.Parse(e.LeadID())
	if err != nil || noID != nil || id.Version() != 7 {
		return false
	}
	return made.Before(time.Unix(id.Time().UnixTime()).Add(-clockSkew))
}

// note creates the note unless it exists.
func (d *destination) note(ctx context.Context, e *errand) bool {
	content := e.Text(noteProperty)
	if content == "" || e.done.Note {
		return true
	}
	if !e.made {
		var notes []struct {
			Content string `json:"content"`
		}
		if _, failure := d.get(ctx, "/v1/notes?lead_id="+url.QueryEscape(e.done.Lead)+"&limit=100", &notes); failure != nil {
			e.Fail(*failure)
			return false
		}
		for _, note := range notes {
			if note.Content == asHTML(content) {
				e.done.Note = true
				return true
			}
		}
	}
	_, e.done.Note = d.send(ctx, e, noteProperty, http.MethodPost, "/v1/notes", map[string]any{"content": asHTML(content), "lead_id": e.done.Lead}, nil)
	return e.done.Note
}

// asHTML converts text to the HTML of notes.
func asHTML(text string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "\n", "<br>").Replace(text)
}

// of returns the values of one part, by Pipedrive's names.
func (e *errand) of(wanted string) map[string]any {
	values := map[string]any{}
	for property, value := range e.Values {
		if of, name, ok := part(property); ok && of == wanted {
			values[name] = value
		}
	}
	return values
}

// send makes a call that writes. If it fails, it sets the lead's outcome and returns false.
func (d *destination) send(ctx context.Context, e *errand, of, method, path string, values map[string]any, data any) (*crm.Answer, bool) {
	answer, failure := d.call(ctx, method, path, values)
	if failure != nil {
		e.Fail(*failure)
		return nil, false
	}
	if data == nil {
		data = &map[string]any{}
	}
	if failure := d.read(answer, data); failure != nil {
		e.Fail(*failure)
		e.blame(answer, of)
		return answer, false
	}
	return answer, true
}
