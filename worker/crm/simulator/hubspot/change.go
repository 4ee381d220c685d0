package hubspot

import (
	"cmp"
	"fmt"
	"net/http"
	"time"

	"github.com/leadgate/leadgate/worker/crm/simulator"
)

// Limit implements simulator.Limited. The headers are those of an account that has used up its calls.
func (a *api) Limit(w http.ResponseWriter, day bool) {
	over := tenSecondly
	spent := &usage{tenSecondly: DefaultTenSecondly, daily: DefaultDaily}
	if day {
		over, spent.today = daily, DefaultDaily
		spent.day = a.options.Now().UTC().Truncate(24 * time.Hour)
	}
	spent.count(w.Header(), a.options.Now())
	if !day {
		w.Header().Set("X-HubSpot-RateLimit-Remaining", "0")
	}
	a.answer(w, http.StatusTooManyRequests, limitReached(over))
}

// types maps the simulator's types to HubSpot's.
var types = map[simulator.Type]string{
	simulator.Text: typeString, simulator.Email: typeString, simulator.Number: typeNumber, simulator.Integer: typeNumber,
	simulator.Boolean: typeBool, simulator.Date: typeDate, simulator.Choice: typeEnumeration,
}

// Fields implements simulator.Fielded.
func (a *api) Fields() []simulator.Field {
	a.mu.Lock()
	defer a.mu.Unlock()
	var fields []simulator.Field
	for _, p := range a.schema.list(false) {
		f := simulator.Field{Name: p.Name, Label: p.Label, Type: simulator.Text, ReadOnly: p.readOnly(), Unique: p.HasUniqueValue}
		for kind, own := range types {
			if own == p.Type && kind != simulator.Email && kind != simulator.Integer {
				f.Type = kind
			}
		}
		for _, o := range p.Options {
			if f.Options == nil {
				f.Options = map[string]string{}
			}
			f.Options[o.Value] = o.Label
		}
		fields = append(fields, f)
	}
	return fields
}

// ChangeFields implements simulator.Fielded. HubSpot has no required properties and no lengths.
func (a *api) ChangeFields(change simulator.FieldChange) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(change.Require) > 0 || len(change.Length) > 0 {
		return fmt.Errorf("HubSpot's properties are not required, and have no length")
	}
	for old, name := range change.Rename {
		p := a.schema.get(old)
		if p == nil {
			return fmt.Errorf("there is no property %q", old)
		}
		renamed := *p
		renamed.Name = name
		delete(a.schema.properties, old)
		a.schema.add(&renamed)
	}
	for _, name := range change.Remove {
		p := a.schema.get(name)
		if p == nil {
			return fmt.Errorf("there is no property %q", name)
		}
		delete(a.schema.properties, name)
	}
	for _, name := range change.ReadOnly {
		p := a.schema.get(name)
		if p == nil {
			return fmt.Errorf("there is no property %q", name)
		}
		p.Modification = map[string]bool{"readOnlyValue": true}
	}
	for name, kind := range change.Type {
		p := a.schema.get(name)
		if p == nil || types[kind] == "" {
			return fmt.Errorf("there is no property %q, or no type %q", name, kind)
		}
		p.Type = types[kind]
	}
	for _, f := range change.Add {
		p := &property{Name: f.Name, Label: f.Label, Type: types[f.Type], HasUniqueValue: f.Unique}
		p.Type = cmp.Or(p.Type, typeString)
		for value, label := range f.Options {
			p.Options = append(p.Options, option{Label: label, Value: value})
		}
		a.schema.add(p)
	}
	return nil
}
