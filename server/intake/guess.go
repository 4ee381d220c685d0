package intake

import (
	"strings"
	"unicode"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

// takeGravity takes the parts of names and addresses that Gravity Forms sends under numbers.
func (r *Result) takeGravity() {
	if len(r.gravity) == 0 {
		return
	}
	isAddress := map[string]bool{}
	for _, field := range r.gravity {
		if number, part, _ := gravity(field.GetName()); part == "1" || part == "5" {
			isAddress[number] = true
		}
	}
	for _, field := range r.gravity {
		number, part, _ := gravity(field.GetName())
		path := gravityPath(part, isAddress[number])
		if isBesideStreet(path) {
			r.takeBeside(field, path)
			continue
		}
		if t := r.form.byPath[path]; t != nil {
			r.pick(t, field, 0)
			continue
		}
		r.Unmapped = append(r.Unmapped, field.GetName())
		r.strangers = append(r.strangers, field)
	}
}

// guess recognizes values in a form without configured fields: an e-mail address under any name, and a phone number, a long text
// and a name under names that have no meaning.
func (r *Result) guess() {
	if r.form.dictionary == nil || len(r.strangers) == 0 {
		return
	}
	r.guessFor(pathEmail, func(_, value string) bool {
		cleaned, _ := address(value)
		return isPlainAddress(cleaned)
	})
	nameless := func(name string) bool { return r.form.known.isNameless(name) }
	r.guessFor(pathPhone, func(name, value string) bool {
		if !nameless(name) {
			return false
		}
		value, _ = line(value)
		value, _ = narrow(value)
		number, _ := onePhone(value, r.form.region)
		return number != "" && looksLikePhone(value)
	})
	r.guessFor(pathMessage, func(name, value string) bool {
		return nameless(name) && (strings.Contains(strings.TrimSpace(value), "\n") || len(value) > 60 && strings.Count(value, " ") > 5)
	})
	if r.came(pathFirstName) || r.came(pathLastName) {
		return
	}
	r.guessFor(FullName, func(name, value string) bool { return nameless(name) && looksLikeName(value) })
}

// guessFor takes the first unmapped field that answers, for a lead field without a value.
func (r *Result) guessFor(path string, answers func(name, value string) bool) {
	t := r.form.byPath[path]
	if t == nil || r.came(path) {
		return
	}
	for i, field := range r.strangers {
		if len(field.GetValues()) == 1 && field.GetValues()[0] != "" && answers(field.GetName(), field.GetValues()[0]) {
			r.adopt(i, t, whyLooks)
			return
		}
	}
}

func (r *Result) came(path string) bool {
	t := r.form.byPath[path]
	return t != nil && r.picked[t.index].first != ""
}

// adopt takes an unmapped field for a target.
func (r *Result) adopt(i int, t *target, why reasons) {
	field := r.strangers[i]
	r.picked[t.index] = pick{}
	r.pick(t, field, why)
	r.strangers = append(append([]*leadgatev1.Submission_Field(nil), r.strangers[:i]...), r.strangers[i+1:]...)
	for j, name := range r.Unmapped {
		if name == field.GetName() {
			r.Unmapped = append(append([]string(nil), r.Unmapped[:j]...), r.Unmapped[j+1:]...)
			break
		}
	}
}

// looksLikePhone tells a phone number from other numbers, such as a budget: by its first character, by separators, or by its
// length.
func looksLikePhone(value string) bool {
	digits := 0
	for _, r := range value {
		if r >= '0' && r <= '9' {
			digits++
		}
	}
	return digits >= 7 && (strings.ContainsAny(value[:1], "+(0") || strings.ContainsAny(value, " -/.") || digits >= 9)
}

// looksLikeName reports whether a value may be a full name: two to four words of letters, each capitalized or in a script without
// capitals.
func looksLikeName(value string) bool {
	value, _ = plain(value)
	words := strings.Fields(value)
	if len(words) < 2 || len(words) > 4 || len(value) > 60 {
		return false
	}
	for i, word := range words {
		for j, r := range []rune(word) {
			switch {
			case unicode.IsLetter(r) || unicode.IsMark(r):
				if j == 0 && unicode.IsLower(r) && (i == 0 || !isParticle(word)) {
					return false
				}
			case strings.ContainsRune("-.'’", r) && j > 0:
			default:
				return false
			}
		}
	}
	return true
}
