package intake

import "strings"

// resolve finds where a form's field leads: by its name as configured, by another spelling of the same name, or, in a form
// without configured fields, by the dictionary. It is nil for a field that leads nowhere.
func (f *Form) resolve(name string) *target {
	if t := f.byField[name]; t != nil {
		return t
	}
	if t := f.bySpelling[spelling(name)]; t != nil {
		return t
	}
	if indexed := listName(name); indexed != name {
		if t := f.bySpelling[spelling(indexed)]; t != nil {
			return t
		}
	}
	if f.dictionary == nil {
		return nil
	}
	return f.byPath[f.dictionary.meaning(name)]
}

// ignores says whether a form's field is not kept: it is listed in some spelling, and not mapped by this very name.
func (f *Form) ignores(name string) bool {
	if len(f.ignored) == 0 || f.byField[name] != nil {
		return false
	}
	if _, ok := f.ignored[spelling(name)]; ok {
		return true
	}
	_, ok := f.ignored[spelling(listName(name))]
	return ok
}

// spelling is what two ways to write one name have in common: contact[email] and contact.email, tags[] and tags, Email and
// email.
func spelling(name string) string {
	plain := true
	for i := range len(name) {
		if c := name[i]; c == '[' || c == ']' || 'A' <= c && c <= 'Z' {
			plain = false
			break
		}
	}
	if plain {
		return name
	}
	name = strings.TrimSuffix(name, "[]")
	name = strings.ReplaceAll(strings.ReplaceAll(name, "][", "."), "[", ".")
	return strings.ToLower(strings.ReplaceAll(name, "]", ""))
}

// listName is the name of the list that a name is an entry of: tags for tags[0] and tags.0, or the name itself.
func listName(name string) string {
	inner := strings.TrimSuffix(name, "]")
	at := strings.LastIndexAny(inner, "[.")
	if at <= 0 || at == len(inner)-1 || strings.Trim(inner[at+1:], "0123456789") != "" {
		return name
	}
	return name[:at]
}

// gravity reads the name of a part of a Gravity Forms field, input_1.3 or input_1_3: its field, and its part.
func gravity(name string) (field, part string, ok bool) {
	rest, ok := strings.CutPrefix(name, "input_")
	if !ok {
		return "", "", false
	}
	field, part, ok = strings.Cut(strings.Replace(rest, ".", "_", 1), "_")
	digits := field + part
	return field, part, ok && part != "" && field != "" && strings.Trim(digits, "0123456789") == ""
}

// gravityPath is what a part of a field of Gravity Forms means. The parts of a name and of an address have numbers that
// never change; an address has a part 1 or 5, a name has not.
func gravityPath(part string, isAddress bool) string {
	if isAddress {
		switch part {
		case "1":
			return "street"
		case "3":
			return "city"
		case "4":
			return pathRegion
		case "5":
			return pathPostalCode
		case "6":
			return pathCountry
		}
		return ""
	}
	switch part {
	case "3":
		return pathFirstName
	case "6":
		return pathLastName
	}
	return ""
}
