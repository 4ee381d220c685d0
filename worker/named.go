package worker

import (
	"maps"
	"slices"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/mapping"
)

// namedValues returns the values that the configuration itself names for the properties of a destination, by property: what forms
// make of the words that pages send, form defaults, and texts in place of a field, as in lead_source: '= "Web"'. Other values are
// unknown until they come.
func namedValues(destination string, properties map[string]string, compiled *mapping.Mapping, forms map[string]*configv1.Form) map[string][]string {
	named := compiled.Texts()
	for property, source := range properties {
		values := map[string]bool{}
		for _, form := range forms {
			if value := form.GetValues()[source]; value != nil && mayGoTo(form, destination) {
				for _, to := range value.GetEnum() {
					values[to] = true
				}
				values[value.GetDefault()] = true
			}
		}
		delete(values, "")
		if len(values) > 0 {
			named[property] = slices.Sorted(maps.Keys(values))
		}
	}
	return named
}

func mayGoTo(form *configv1.Form, destination string) bool {
	return slices.Contains(form.GetDestinations(), destination) ||
		slices.ContainsFunc(form.GetRoutes(), func(r *configv1.Route) bool { return slices.Contains(r.GetTo(), destination) })
}

// strangers returns the values that are not options of a property.
func strangers(p *crm.Property, values []string) []string {
	if len(p.Options) == 0 || p.Type != crm.Enumeration && p.Type != crm.Enumerations {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(values), func(value string) bool { return p.Option(value) != nil })
}
