// Package draft handles leads for CRMs whose records are JSON objects: what to send for a lead, the outcome so far, and what had to
// be left out or filled in before the CRM accepted it. A property that was renamed or removed must not cost a lead.
package draft

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/mapping"
)

// Draft is a lead that is being delivered. It is not safe for concurrent use.
type Draft struct {
	// Item is the item from the worker.
	Item crm.Item
	// Values are what to send, by property.
	Values map[string]any
	// Outcome is the outcome so far.
	Outcome crm.Outcome
	// Flaws are properties that the CRM did not accept, if Outcome is Refused: the lead can be sent without them.
	Flaws []string
	// Missing are properties without which the CRM does not create a record, if Outcome is Refused.
	Missing []string

	dropped []string
	why     crm.Outcome // of the first one dropped
	placed  []string    // properties that were filled in
}

// Read decodes what [Encode] wrote. If that is impossible, the outcome is Refused.
func Read(item crm.Item) *Draft {
	d := &Draft{Item: item}
	if err := json.Unmarshal(item.Payload, &d.Values); err != nil || d.Values == nil {
		d.Outcome = crm.Outcome{Kind: crm.Refused, Reason: "not sent: what was stored for it is not an object of properties"}
	}
	return d
}

// ReadAll decodes a batch. ready are the drafts that can be sent.
func ReadAll(batch []crm.Item) (all, ready []*Draft) {
	for _, item := range batch {
		d := Read(item)
		all = append(all, d)
		if d.Outcome.Kind != crm.Refused {
			ready = append(ready, d)
		}
	}
	return all, ready
}

// Text returns a value as trimmed text; empty if there is none.
func (d *Draft) Text(property string) string {
	if d.Values[property] == nil {
		return ""
	}
	return strings.TrimSpace(text(d.Values[property]))
}

// text formats a value. Large numbers are written out: 100000000, not 1e+08.
func text(value any) string {
	if n, ok := value.(float64); ok {
		return strconv.FormatFloat(n, 'f', -1, 64)
	}
	return fmt.Sprint(value)
}

// LeadID returns the lead's identifier, which is the same for every attempt and revision.
func (d *Draft) LeadID() string { return d.Item.LeadID() }

// Fail sets the outcome and clears Flaws and Missing.
func (d *Draft) Fail(outcome crm.Outcome) { d.Outcome, d.Flaws, d.Missing = outcome, nil, nil }

// Lead is a draft, or a type that embeds one.
type Lead interface{ draft() *Draft }

func (d *Draft) draft() *Draft { return d }

// FailAll sets the outcome of leads that were sent in one call.
func FailAll[L Lead](leads []L, outcome crm.Outcome) {
	outcome = Whole(outcome, leads)
	for _, lead := range leads {
		lead.draft().Fail(outcome)
	}
}

// Whole returns the outcome of a call as it applies to each of its leads. If there are several, it has no body: the answer may
// quote several people, and no lead may store data of another.
func Whole[L Lead](outcome crm.Outcome, leads []L) crm.Outcome {
	if len(leads) > 1 {
		outcome.Body = ""
	}
	return outcome
}

// InRounds sends leads, then sends those again that the CRM refused because of some property: without that property or, if it was
// missing, with its placeholder. Properties in keep are never left out. CRMs do not report all problems at once, so this repeats;
// each round has fewer leads or properties to send.
func InRounds[L Lead](leads []L, placeholders map[string]string, keep []string, send func([]L)) {
	for len(leads) > 0 {
		send(leads)
		var again, rest []L
		for _, lead := range leads {
			if lead.draft().mend(placeholders, keep) {
				again = append(again, lead)
			} else {
				rest = append(rest, lead)
			}
		}
		if Withhold(again, rest...) {
			return
		}
		leads = again
	}
}

// mend changes what to send after a refusal, and reports whether there is something new to try.
func (d *Draft) mend(placeholders map[string]string, keep []string) bool {
	if d.Outcome.Kind != crm.Refused || len(d.Flaws)+len(d.Missing) == 0 {
		return false
	}
	for _, property := range d.Missing {
		if placeholders[property] == "" || d.Text(property) != "" || slices.Contains(d.placed, property) {
			return false
		}
	}
	for _, property := range d.Flaws {
		if _, sent := d.Values[property]; !sent || slices.Contains(keep, property) {
			return false
		}
	}
	for _, property := range d.Missing {
		d.Values[property] = placeholders[property]
		d.placed = append(d.placed, property)
	}
	for _, property := range d.Flaws {
		if len(d.dropped) == 0 {
			d.why = d.Outcome
		}
		delete(d.Values, property)
		d.dropped = append(d.dropped, property)
	}
	return true
}

// EachUntilHalted sends leads one by one until the CRM wants no more. It sends none if the outcome of a lead in before halts.
func EachUntilHalted[L Lead](leads []L, send func(L), before ...L) {
	if Withhold(leads, before...) {
		return
	}
	for i, lead := range leads {
		send(lead)
		if Withhold(leads[i+1:], lead) {
			return
		}
	}
}

// Withhold reports whether the outcome of a lead in before halts. If so, it sets the outcome of leads to withheld.
func Withhold[L Lead](leads []L, before ...L) bool {
	for _, sent := range before {
		if outcome := sent.draft().Outcome; outcome.Halts() {
			for _, lead := range leads {
				d := lead.draft()
				d.Fail(outcome.Withheld())
				d.Outcome.Progress = d.Item.Progress // still true
			}
			return true
		}
	}
	return false
}

// Told returns the outcomes, with the properties that were left out.
func Told[L Lead](leads []L) []crm.Outcome {
	outcomes := make([]crm.Outcome, len(leads))
	for i, lead := range leads {
		d := lead.draft()
		outcomes[i] = d.Outcome
		if d.Outcome.Kind == crm.Delivered && len(d.dropped) > 0 {
			outcomes[i].Dropped, outcomes[i].Reason, outcomes[i].Property = d.dropped, d.why.Reason, d.why.Property
		}
	}
	return outcomes
}

// Drop leaves out a property without asking the CRM.
func (d *Draft) Drop(property string, why crm.Outcome) {
	if len(d.dropped) == 0 {
		d.why = why
	}
	delete(d.Values, property)
	d.dropped = append(d.dropped, property)
}

// Given returns the lead's own values, without placeholders.
func (d *Draft) Given() map[string]any {
	given := maps.Clone(d.Values)
	for _, property := range d.placed {
		delete(given, property)
	}
	return given
}

// Blanks returns the lead's own values of properties that are blank in a record.
func (d *Draft) Blanks(record map[string]any) map[string]any {
	blanks := d.Given()
	maps.DeleteFunc(blanks, func(property string, _ any) bool { return !IsBlank(record[property]) })
	return blanks
}

// IsBlank reports whether a property of a record has no value: null, an empty text, or an empty list.
func IsBlank(value any) bool {
	list, several := value.([]any)
	return value == nil || value == "" || several && len(list) == 0
}

// Encode renders properties as a JSON object with sorted keys. Numbers and bools keep their types. Several values of one property
// become what join returns for them, or stay a list if join is nil.
func Encode(properties []mapping.Property, join func([]any) any) ([]byte, error) {
	object := make(map[string]any, len(properties))
	for _, p := range properties {
		value, err := plain(p.Value)
		if err != nil {
			return nil, fmt.Errorf("property %s: %w", p.Name, err)
		}
		if list, ok := value.([]any); ok && join != nil {
			value = join(list)
		}
		object[p.Name] = value
	}
	return crm.Marshal(object)
}

// By returns a function that joins values to one text, which is how most CRMs want several options of a property.
func By(separator string) func([]any) any {
	return func(values []any) any {
		texts := make([]string, len(values))
		for i, value := range values {
			texts[i] = text(value)
		}
		return strings.Join(texts, separator)
	}
}

// plain returns the value if it can be sent.
func plain(value any) (any, error) {
	switch v := value.(type) {
	case string, bool:
		return v, nil
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, fmt.Errorf("%v is not a number that can be sent", v)
		}
		return v, nil
	case []any:
		for _, item := range v {
			if _, err := plain(item); err != nil {
				return nil, err
			}
		}
		return v, nil
	}
	return nil, fmt.Errorf("a %T cannot be sent", value)
}

// IsCode reports whether s is a CRM's error code, such as INVALID_FIELD or 0x80040333, and not a text that may contain personal
// data.
func IsCode(s string) bool {
	if hex, ok := strings.CutPrefix(s, "0x"); ok {
		return hex != "" && len(hex) <= 16 && strings.Trim(hex, "0123456789abcdefABCDEF") == ""
	}
	return len(s) > 3 && len(s) <= 64 && strings.Contains(s, "_") && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == ""
}

// InBrackets returns a code as a suffix for a reason; empty if it is not a code.
func InBrackets(code string) string {
	if !IsCode(code) {
		return ""
	}
	return " (" + code + ")"
}
