package pipedrive

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/crm/draft"
)

// person finds and updates the lead's person, or creates one.
func (d *destination) person(ctx context.Context, e *errand) (*crm.Answer, bool) {
	field, term := "email", e.Text(emailProperty)
	if term == "" {
		field, term = "phone", e.Text(phoneProperty)
	}
	if e.done.Person == 0 && term != "" {
		id, failure := d.find(ctx, e, field, term)
		if failure != nil {
			e.Fail(*failure)
			return nil, false
		}
		e.done.Person, e.found = id, id != 0
	}
	if e.done.Person == 0 && term == "" && !e.Item.Unanswered.IsZero() {
		e.Fail(crm.Outcome{Kind: crm.Undecided, Reason: "an earlier answer was lost, and the lead has neither address nor phone number to look for its person in Pipedrive"})
		return nil, false
	}
	for looked := false; e.done.Person != 0; looked = true {
		answer, there, ok := d.updatePerson(ctx, e)
		if there || !ok {
			return answer, ok
		}
		gone := e.done.Person // deleted, or merged into another, which now has its addresses
		d.persons.put(term, 0)
		e.done, e.found = progress{}, true
		if looked || term == "" {
			break
		}
		var failure *crm.Outcome
		if e.done.Person, failure = d.findInstead(ctx, field, term, gone); failure != nil {
			e.Fail(*failure)
			return nil, false
		}
	}
	answer, ok := d.createPerson(ctx, e)
	if ok && term != "" {
		d.persons.put(term, e.done.Person)
	}
	return answer, ok
}

// find returns the person with an address or phone number; 0 if there is none.
func (d *destination) find(ctx context.Context, e *errand, field, term string) (int64, *crm.Outcome) {
	if id := d.persons.get(term); id != 0 {
		return id, nil
	}
	id, failure := d.search(ctx, field, term, 0)
	if id != 0 || failure != nil {
		return id, failure
	}
	if now := d.env.Now(); now.Before(d.started.Add(d.lag)) || !e.Item.Unanswered.IsZero() && now.Before(e.Item.Unanswered.Add(2*d.lag)) {
		return d.findRecent(ctx, term)
	}
	return 0, nil
}

// findInstead returns the person that has an address or phone number now, after the one that had it is gone; 0 if there is none.
// Search may still find the old one, and not yet know what another inherited from it.
func (d *destination) findInstead(ctx context.Context, field, term string, gone int64) (int64, *crm.Outcome) {
	id, failure := d.search(ctx, field, term, gone)
	if id != 0 || failure != nil {
		return id, failure
	}
	return d.findRecent(ctx, term)
}

// searchLimit is how many persons with one address or phone number are considered.
const searchLimit = 5

// search searches for a person, other than but, by address or phone number; 0 if there is none.
func (d *destination) search(ctx context.Context, field, term string, but int64) (int64, *crm.Outcome) {
	var found struct {
		Items *[]struct {
			Item struct {
				ID int64 `json:"id"`
			} `json:"item"`
		} `json:"items"`
	}
	query := url.Values{"term": {term}, "fields": {field}, "exact_match": {"true"}, "limit": {strconv.Itoa(searchLimit)}}
	answer, failure := d.get(ctx, "/api/v2/persons/search?"+query.Encode(), &found)
	if failure != nil {
		return 0, failure
	}
	if found.Items == nil {
		outcome := answer.Outcome(crm.Unknown, "the server answered 200, but not like Pipedrive; check pipedrive.base_url")
		return 0, &outcome
	}
	for _, of := range *found.Items {
		if id := of.Item.ID; id != but {
			d.persons.put(term, id)
			return id, nil
		}
	}
	return 0, nil
}

// entry is an address or phone number of a person.
type entry struct {
	Value   string `json:"value"`
	Primary bool   `json:"primary"`
	Label   string `json:"label,omitempty"`
}

// is reports whether the entry is an address or phone number, in any notation: +1 (415) 555-0132 equals +14155550132.
func (e entry) is(value string) bool {
	if strings.EqualFold(strings.TrimSpace(e.Value), value) {
		return true
	}
	number := digits(value)
	return number != "" && number == digits(e.Value)
}

// digits returns the digits of an international phone number; empty for any other text.
func digits(text string) string {
	number, ok := strings.CutPrefix(strings.TrimSpace(text), "+")
	if !ok || strings.Trim(number, "0123456789 ()-./") != "" {
		return ""
	}
	return strings.NewReplacer(" ", "", "(", "", ")", "", "-", "", ".", "", "/", "").Replace(number)
}

// known is a person in Pipedrive's form.
type known struct {
	ID     int64   `json:"id"`
	Emails []entry `json:"emails"`
	Phones []entry `json:"phones"`
}

// maxRecent is how many recently changed persons are searched.
const maxRecent = 500

// findRecent searches the persons that were created or changed recently, which search may not find yet.
func (d *destination) findRecent(ctx context.Context, term string) (int64, *crm.Outcome) {
	since := d.env.Now().Add(-3 * d.lag).UTC().Format(time.RFC3339)
	query := url.Values{"updated_since": {since}, "sort_by": {"update_time"}, "sort_direction": {"desc"}, "limit": {strconv.Itoa(maxRecent)}}
	var persons []known
	if _, failure := d.get(ctx, "/api/v2/persons?"+query.Encode(), &persons); failure != nil {
		return 0, failure
	}
	for _, person := range persons {
		for _, has := range append(person.Emails, person.Phones...) {
			if has.is(term) {
				d.persons.put(term, person.ID)
				return person.ID, nil
			}
		}
	}
	return 0, nil
}

// name returns the person's name or, failing that, the address or phone number; empty if there is none.
func (e *errand) name() string {
	if name := e.Text("person.name"); name != "" {
		return name
	}
	name := strings.TrimSpace(e.Text("person.first_name") + " " + e.Text("person.last_name"))
	for _, otherwise := range []string{emailProperty, phoneProperty} {
		if name == "" {
			name = e.Text(otherwise)
		}
	}
	return name
}

// personValues returns the person's values by Pipedrive's names, except the name, addresses and phone numbers.
func (e *errand) personValues() map[string]any {
	values, custom := map[string]any{}, map[string]any{}
	for name, value := range e.of("person") {
		switch {
		case name == "email" || name == "phone" || name == "first_name" || name == "last_name" || name == "name":
		case isHash(name):
			custom[name] = value
		default:
			values[name] = value
		}
	}
	if len(custom) > 0 {
		values["custom_fields"] = custom
	}
	return values
}

// isHash reports whether a name is that of a custom field: forty hexadecimal digits.
func isHash(name string) bool {
	return len(name) == 40 && strings.Trim(name, "0123456789abcdef") == ""
}

func (d *destination) createPerson(ctx context.Context, e *errand) (*crm.Answer, bool) {
	values := e.personValues()
	values["name"] = e.name()
	if values["name"] == "" {
		values["name"] = e.title()
	}
	for list, property := range map[string]string{"emails": emailProperty, "phones": phoneProperty} {
		if text := e.Text(property); text != "" {
			values[list] = []entry{{Value: text, Primary: true, Label: "work"}}
		}
	}
	var made known
	answer, ok := d.send(ctx, e, "person", http.MethodPost, "/api/v2/persons", values, &made)
	if ok && made.ID == 0 {
		e.Fail(answer.Outcome(crm.Unknown, "Pipedrive's answer does not name the person"))
		return answer, false
	}
	e.done.Person, e.made, e.found = made.ID, ok, false
	return answer, ok
}

// updatePerson writes what is new to the person. Addresses and phone numbers are added to the existing ones. there reports whether
// the person still exists and still has the address it was found by.
func (d *destination) updatePerson(ctx context.Context, e *errand) (answer *crm.Answer, there, ok bool) {
	path := "/api/v2/persons/" + strconv.FormatInt(e.done.Person, 10)
	answer, failure := d.call(ctx, http.MethodGet, path, nil)
	if failure != nil {
		e.Fail(*failure)
		return nil, true, false
	}
	if answer.Status == http.StatusNotFound && isReply(answer) {
		return nil, false, true
	}
	var lists known
	var has map[string]any
	for _, into := range []any{&lists, &has} {
		if failure := d.read(answer, into); failure != nil {
			e.Fail(*failure)
			return nil, true, false
		}
	}
	if has["is_deleted"] == true || e.found && e.isMoved(has, lists.Emails) {
		return nil, false, true
	}
	changes := e.personValues()
	if name := e.of("person"); name["name"] != nil || name["first_name"] != nil || name["last_name"] != nil {
		changes["name"] = e.name()
	}
	custom, _ := changes["custom_fields"].(map[string]any)
	hasCustom, _ := has["custom_fields"].(map[string]any)
	reduce(custom, hasCustom, e.fill)
	delete(changes, "custom_fields")
	reduce(changes, has, e.fill)
	if len(custom) > 0 {
		changes["custom_fields"] = custom
	}
	add(changes, "emails", lists.Emails, e.Text(emailProperty))
	add(changes, "phones", lists.Phones, e.Text(phoneProperty))
	if len(changes) == 0 {
		return answer, true, true
	}
	answer, ok = d.send(ctx, e, "person", http.MethodPatch, path, changes, nil)
	return answer, true, ok
}

// isMoved reports whether a person no longer has the lead's address: somebody corrected it, or moved it to another person.
func (e *errand) isMoved(has map[string]any, emails []entry) bool {
	_, told := has["emails"].([]any)
	email := e.Text(emailProperty)
	return told && email != "" && !slices.ContainsFunc(emails, func(has entry) bool { return has.is(email) })
}

// reduce removes from changes what is unchanged and, if fill is set, what already has a value.
func reduce(changes, has map[string]any, fill bool) {
	for name, value := range changes {
		if there := has[name]; reflect.DeepEqual(there, value) || fill && !draft.IsBlank(there) {
			delete(changes, name)
		}
	}
}

// add adds a value to a list unless it is there already.
func add(changes map[string]any, list string, has []entry, value string) {
	if value == "" {
		return
	}
	if slices.ContainsFunc(has, func(e entry) bool { return e.is(value) }) {
		return
	}
	changes[list] = append(append([]entry{}, has...), entry{Value: value, Primary: len(has) == 0, Label: "work"})
}

// isReply reports whether an answer is from Pipedrive itself.
func isReply(answer *crm.Answer) bool {
	var reply struct {
		Success *bool `json:"success"`
	}
	return json.Unmarshal(answer.Body, &reply) == nil && reply.Success != nil
}
