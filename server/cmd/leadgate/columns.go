package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	"github.com/leadgate/leadgate/server/intake"
)

// skipped is the field of a column that is not imported.
const skipped = "-"

// tidy turns a heading into the name of a custom field: lower case letters without accents, digits, and underscores.
func tidy(heading string) string {
	var b strings.Builder
	gap := false
	for _, r := range norm.NFKD.String(strings.ReplaceAll(strings.ToLower(heading), "ß", "ss")) {
		switch {
		case unicode.Is(unicode.Mn, r): // an accent
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			if gap && b.Len() > 0 {
				b.WriteByte('_')
			}
			gap = false
			b.WriteRune(r)
		default:
			gap = true
		}
	}
	return b.String()
}

// columns returns the lead field of each column, as in a form's fields; skipped for none. Headings are matched like the names of
// form fields.
func columns(header []string, mapped, skip []string) ([]string, error) {
	given := map[string]string{} // by heading
	for _, pair := range mapped {
		heading, field, ok := strings.Cut(pair, "=")
		if !ok || heading == "" || field == "" {
			return nil, usageError{fmt.Errorf("--map %q is not COLUMN=FIELD", pair)}
		}
		given[heading] = field
	}
	for _, heading := range skip {
		given[heading] = skipped
	}
	for heading := range given {
		if !slices.Contains(header, heading) {
			return nil, usageError{fmt.Errorf("there is no column %q; the columns are %s", heading, strings.Join(header, ", "))}
		}
	}
	fields := make([]string, len(header))
	for i, heading := range header {
		switch {
		case heading == "" || heading == reasonColumn:
			fields[i] = skipped
		case slices.Contains(header[:i], heading):
			return nil, usageError{fmt.Errorf("two columns are called %q; give one another name", heading)}
		default:
			fields[i] = cmp.Or(given[heading], intake.UsualTarget(heading), customField(tidy(heading)))
		}
	}
	return fields, nil
}

// customField returns the custom field for a column that matches no lead field.
func customField(name string) string {
	if name == "" {
		return skipped
	}
	if name[0] >= '0' && name[0] <= '9' {
		name = "n" + name
	}
	return "custom." + name[:min(len(name), 63)]
}

// formFields returns the columns as the fields of a form.
func formFields(header, fields []string) map[string]string {
	mapped := map[string]string{}
	for i, field := range fields {
		if field != skipped {
			mapped[header[i]] = field
		}
	}
	return mapped
}

// formValues returns how to read the columns with a type, by lead field.
func formValues(header, fields, types []string) (map[string]*configv1.Value, error) {
	values := map[string]*configv1.Value{}
	for _, pair := range types {
		heading, kind, ok := strings.Cut(pair, "=")
		if !ok || heading == "" || kind == "" {
			return nil, usageError{fmt.Errorf("--type %q is not COLUMN=TYPE", pair)}
		}
		if !slices.Contains([]string{"integer", "decimal", "boolean", "date"}, kind) {
			return nil, usageError{fmt.Errorf("--type %s: unknown type %q; it is one of integer, decimal, boolean, date", heading, kind)}
		}
		i := slices.Index(header, heading)
		if i < 0 {
			return nil, usageError{fmt.Errorf("there is no column %q; the columns are %s", heading, strings.Join(header, ", "))}
		}
		if fields[i] == skipped {
			return nil, usageError{fmt.Errorf("--type %s: the column is left out", heading)}
		}
		values[fields[i]] = &configv1.Value{Type: kind}
	}
	return values, nil
}
