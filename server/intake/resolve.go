package intake

import "strings"

// resolve returns the target of a form's field: by its configured name, by another spelling of that name, or by the dictionary if
// the form configures no fields. It returns nil for a field that is not mapped.
func (f *Form) resolve(name string) *target {
	if t := f.byField[name]; t != nil {
		return t
	}
	if _, ok := f.silent[name]; !ok { // it has a purpose of its own
		if t := f.bySpelling[spelling(name)]; t != nil {
			return t
		}
		if indexed := listName(name); indexed != name {
			if t := f.bySpelling[spelling(indexed)]; t != nil {
				return t
			}
		}
	}
	if f.dictionary == nil {
		return nil
	}
	return f.byPath[f.dictionary.meaning(name)]
}

// ignores reports whether a field is not stored: it is listed, in some spelling, and not mapped by this very name.
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

// spelling returns what all ways to write a name have in common: contact[email], contact.email, contact_email and Contact Email;
// tags[] and tags. Separators count: firstname is not first_name.
func spelling(name string) string {
	if !strings.ContainsFunc(name, func(c rune) bool { return strings.ContainsRune(separators, c) || 'A' <= c && c <= 'Z' }) {
		return name
	}
	name = strings.ReplaceAll(strings.TrimSuffix(name, "[]"), "][", ".")
	return strings.ToLower(strings.Map(func(c rune) rune {
		switch {
		case c == ']':
			return -1
		case strings.ContainsRune(separators, c):
			return '.'
		}
		return c
	}, name))
}

// separators separate the words of a name, as does the dot.
const separators = "[] _-"

// listName returns the name of the list to which an entry belongs: tags for tags[0] and tags.0. It returns other names unchanged.
func listName(name string) string {
	inner := strings.TrimSuffix(name, "]")
	at := strings.LastIndexAny(inner, "[.")
	if at <= 0 || at == len(inner)-1 || strings.Trim(inner[at+1:], "0123456789") != "" {
		return name
	}
	return name[:at]
}

// gravity parses the name of a part of a Gravity Forms field, input_1.3 or input_1_3, or 1.3 in its webhook.
func gravity(name string) (field, part string, ok bool) {
	rest, ok := strings.CutPrefix(name, "input_")
	if !ok && (name == "" || strings.Trim(name, "0123456789.") != "") {
		return "", "", false
	}
	field, part, ok = strings.Cut(strings.Replace(rest, ".", "_", 1), "_")
	digits := field + part
	return field, part, ok && part != "" && field != "" && strings.Trim(digits, "0123456789") == ""
}

// gravityPath returns what a part of a Gravity Forms field means. The parts of names and addresses have fixed numbers. Only
// addresses have a part 1 or 5.
func gravityPath(part string, isAddress bool) string {
	if isAddress {
		switch part {
		case "1":
			return pathStreet
		case "2":
			return streetLine2
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
