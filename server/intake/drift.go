package intake

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	spell "github.com/leadgate/leadgate/worker/spelling"
)

// How many unmapped fields are compared with the missing ones. A page has few; an attack may have many.
const maxCompared = 30

// Drift is an unmapped field that looks like one that is missing: somebody renamed it.
type Drift struct {
	// Field is the page's name of it.
	Field string
	// LeadField is the lead field that it probably maps to.
	LeadField string
	// Missing is the field that used to map to it; empty if none is configured.
	Missing string
	// Line is what to add under fields of the form, such as company: company.
	Line string
	// Taken means that auto_map used it.
	Taken bool
}

// How likely it is that a field is another one under a new name.
const (
	likenessNone = iota
	likenessSpelling
	likenessCore
	likenessMeaning
	likenessSame
)

// findDrift compares the unmapped fields with the lead fields for which nothing was submitted. Each is matched once, the likeliest
// first.
func (r *Result) findDrift() {
	strangers := r.strangers[:min(len(r.strangers), maxCompared)]
	if len(strangers) == 0 {
		return
	}
	var missing []*target
	for _, t := range r.form.targets {
		if r.picked[t.index].field == "" && (len(t.fields) > 0 || t.required) {
			missing = append(missing, t)
		}
	}
	if len(missing) == 0 {
		return
	}
	var pairs []likePair
	for _, field := range strangers {
		name := newLikeName(r.form.known, field.GetName())
		for _, t := range missing {
			if likeness := r.likeness(name, field, t); likeness > likenessNone {
				pairs = append(pairs, likePair{likeness, field, t})
			}
		}
	}
	slices.SortStableFunc(pairs, func(a, b likePair) int { return cmp.Compare(b.likeness, a.likeness) })
	taken := map[any]bool{}
	for _, pair := range pairs {
		if !taken[pair.field] && !taken[pair.target] {
			taken[pair.field], taken[pair.target] = true, true
			r.drifted(pair.field, pair.target)
		}
	}
}

// likePair is an unmapped field and a target that it may be meant for.
type likePair struct {
	likeness int
	field    *leadgatev1.Submission_Field
	target   *target
}

// likeName is the name of an unmapped field, prepared for comparisons.
type likeName struct{ folded, core, meaning string }

func newLikeName(known *dictionary, name string) likeName {
	return likeName{fold(name), known.core(name), known.meaning(name)}
}

func (r *Result) drifted(field *leadgatev1.Submission_Field, t *target) {
	d := Drift{Field: field.GetName(), LeadField: t.path, Line: yamlKey(field.GetName()) + ": " + t.path, Taken: r.form.autoMap}
	if len(t.fields) > 0 {
		d.Missing = t.fields[0]
	}
	r.Drift = append(r.Drift, d)
	if !r.form.autoMap {
		return
	}
	for i, stranger := range r.strangers {
		if stranger == field {
			r.adopt(i, t, whyDrift)
			return
		}
	}
}

// likeness returns how much a field looks like those that map to a target, by its name and its value.
func (r *Result) likeness(name likeName, field *leadgatev1.Submission_Field, t *target) int {
	best := likenessNone
	for _, other := range append(t.fields[:len(t.fields):len(t.fields)], lastPart(t.path)) {
		if name.folded != "" && fold(other) == name.folded {
			best = likenessSame
			break
		}
		switch core := r.form.known.core(other); {
		case core == "" || name.core == "":
		case core == name.core:
			best = max(best, likenessCore)
		case len(name.core) >= 4 && len(name.core) <= len(core)+3 && spell.Nearest(name.core, []string{core}) != "":
			best = max(best, likenessSpelling)
		}
	}
	switch meaning := name.meaning; {
	case best == likenessSame:
	case meaning == t.path, meaning != "" && t.custom == "" && sharesName(meaning, t.path):
		best = likenessMeaning
	case meaning != "" && best < likenessCore: // it means something else
		return likenessNone
	}
	if best > likenessNone && !fits(field, t) {
		return likenessNone
	}
	return best
}

// sharesName reports whether a field with a meaning can stand for path: a full name includes both parts.
func sharesName(meaning, path string) bool {
	return meaning == FullName && (path == pathFirstName || path == pathLastName)
}

// lastPart returns the part of a path that could be a field's name.
func lastPart(path string) string {
	return path[strings.LastIndexByte(path, '.')+1:]
}

// fits reports whether the target could take a field's value.
func fits(field *leadgatev1.Submission_Field, t *target) bool {
	value := ""
	for _, v := range field.GetValues() {
		if value, _ = t.clean(v); value != "" {
			break
		}
	}
	switch {
	case value == "":
		return false
	case t.path == pathEmail:
		return strings.Contains(value, "@")
	case t.path == pathPhone:
		return strings.ContainsAny(value, "0123456789") && !strings.Contains(value, "@")
	case t.path == pathCountry:
		return readCountry(value) != ""
	case t.path == pathWebsite:
		return readWebsite(value) != ""
	case t.value != nil && t.value.kind != typeString:
		_, err := t.value.read(value, "")
		return err == nil
	}
	return !isPlainAddress(value) // names and companies are no addresses
}

// yamlKey returns a field's name as a key of the configuration file.
func yamlKey(name string) string {
	simple := name != "" && isLetter(name[0])
	for i := range len(name) {
		c := name[i]
		simple = simple && (isLetter(c) || '0' <= c && c <= '9' || c == '_' || c == '-' || c == '.')
	}
	switch strings.ToLower(name) {
	case "y", "n", "yes", "no", "on", "off", "true", "false", "null":
		simple = false
	}
	if simple {
		return name
	}
	return strconv.Quote(name)
}

// String describes the drift for people.
func (d Drift) String() string {
	came := fmt.Sprintf("the page sends %s, which nothing maps and which looks like %s", d.Field, d.LeadField)
	if d.Missing != "" && d.Missing != d.LeadField {
		came = fmt.Sprintf("the page sends %s, which nothing maps, and no longer sends %s, which is mapped to %s", d.Field, d.Missing, d.LeadField)
	}
	if d.Taken {
		return came + "; auto_map uses it; to map it yourself, add under fields: " + d.Line
	}
	return came + "; add under fields: " + d.Line
}
