package worker

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	"github.com/leadgate/leadgate/worker/crm"
)

// namedValues are the values that a configuration itself names for the properties of a destination, by property: what forms make
// of the words that pages send, what they fill in where nothing came, and texts in place of a field, as in lead_source: '= "Web"'.
// What else may come is not known before it does.
func namedValues(destination string, properties map[string]string, forms map[string]*configv1.Form) map[string][]string {
	named := map[string][]string{}
	for property, source := range properties {
		if text, ok := constant(source); ok {
			named[property] = []string{text}
			continue
		}
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

// constant is the text that an expression is; ok is false if it is anything else.
func constant(source string) (text string, ok bool) {
	expression, ok := strings.CutPrefix(source, "=")
	if expression = strings.TrimSpace(expression); !ok || len(expression) < 2 {
		return "", false
	}
	if inner := expression[1 : len(expression)-1]; expression[0] == '\'' && strings.HasSuffix(expression, "'") && !strings.ContainsAny(inner, `'"\`) {
		expression = `"` + inner + `"`
	}
	text, err := strconv.Unquote(expression)
	return text, err == nil && expression[0] == '"' && text != ""
}

func mayGoTo(form *configv1.Form, destination string) bool {
	return slices.Contains(form.GetDestinations(), destination) ||
		slices.ContainsFunc(form.GetRoutes(), func(r *configv1.Route) bool { return slices.Contains(r.GetTo(), destination) })
}

// strangers are the values that are none of a property's options.
func strangers(p *crm.Property, values []string) []string {
	if len(p.Options) == 0 || p.Type != crm.Enumeration && p.Type != crm.Enumerations {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(values), func(value string) bool { return p.Option(value) != nil })
}
