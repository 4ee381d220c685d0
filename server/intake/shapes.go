package intake

import (
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

// listings are the members with the name and the value of a field in a list of fields, as form builders document them. The field
// has just that name, wherever the list is nested.
var listings = [...]struct{ name, value string }{
	{"column_id", "string_value"}, // Google's lead forms, in user_column_data
	{"label", "value"},            // Tally
	{"name", "value"},             // HubSpot, Fillout, Netlify
	{"name", "values"},            // Meta's lead ads, in field_data
	{"question", "answer"},        // Calendly
}

// carriers are the form fields in which builders send the whole submission as a JSON object.
var carriers = [...]string{
	"rawRequest", // Jotform
	"data.json",  // Unbounce
}

// addCarried replaces a carrier by the fields in it. As a whole it would be stored with any passwords in it, and with what is to be
// ignored.
func (l *fieldList) addCarried() error {
	for _, name := range carriers {
		at := slices.IndexFunc(l.fields, func(f *leadgatev1.Submission_Field) bool { return f.GetName() == name })
		if at < 0 || len(l.fields[at].GetValues()) != 1 {
			continue
		}
		carried := []byte(l.fields[at].GetValues()[0])
		if !isObject(carried) || !json.Valid(carried) {
			continue
		}
		l.fields = slices.Delete(l.fields, at, at+1)
		if err := (&flattener{fields: l}).object("", jsonText(carried).trimmed(), 0); err != nil {
			return err
		}
	}
	return nil
}

// list adds the fields that a list of objects names. It reports whether the list is one.
func (f *flattener) list(list jsonText, depth int) (bool, error) {
	if !strings.HasPrefix(string(list[list.next(1):]), "{") {
		return false, nil
	}
	for _, members := range listings {
		if !allList(list.items(), members.name, members.value) {
			continue
		}
		i := 0
		for item := range list.items() {
			name := cmp.Or(scalarOf(item.member(members.name)), scalarOf(item.member("key")), scalarOf(item.member("id")), strconv.Itoa(i))
			i++
			if err := f.item(clip(name), item, item.member(members.value), depth); err != nil {
				return true, err
			}
		}
		return true, nil
	}
	return false, nil
}

// item adds a field of a list. Tally sends the identifiers of the selected options along with all options; the field gets the texts
// that the visitor saw.
func (f *flattener) item(name string, item, value jsonText, depth int) error {
	options := item.member("options")
	if options == "" || value[0] == '{' || !allHave(options.items(), "id", "text") {
		return f.value(name, value, depth)
	}
	texts := map[string]string{}
	for option := range options.items() {
		texts[scalarOf(option.member("id"))] = scalarOf(option.member("text"))
	}
	chosen := []jsonText{value}
	if value[0] == '[' {
		chosen = slices.Collect(value.items())
	}
	if len(chosen) == 0 {
		_, err := f.fields.named(name)
		return err
	}
	for _, one := range chosen {
		id := one.scalar()
		if err := f.fields.add(name, cmp.Or(texts[id], id)); err != nil {
			return err
		}
	}
	return nil
}

// listed adds the fields of an object in the format of Elementor's or Typeform's webhook. It reports whether the object is one.
// Elementor's members besides the fields keep their dotted names.
func (f *flattener) listed(object jsonText) bool {
	if !strings.Contains(string(object), `"fields"`) && !strings.Contains(string(object), `"form_response"`) {
		return false
	}
	if fields := object.member("fields").orEmpty(); allHave(valuesOf(fields), "id", "value") { // Elementor's webhook
		f.beside(object, "fields")
		for name, item := range fields.members() {
			f.add(name, item.member("value"))
		}
		return true
	}
	response := object.member("form_response") // Typeform's webhook
	if response == "" || response[0] != '{' {
		return false
	}
	answers := response.member("answers")
	if answers == "" || answers[0] != '[' || !allHave(answers.items(), "type", "field") {
		return false
	}
	titles := typeformTitles(response)
	for name, value := range response.member("hidden").orEmpty().members() {
		f.add(name, value)
	}
	for item := range answers.items() {
		f.typeform(item, titles)
	}
	return true
}

// typeform adds an answer, whose type is the name of the member with the value, under the question's title.
func (f *flattener) typeform(item jsonText, titles map[string]string) {
	value := item.member(item.member("type").scalar())
	switch {
	case value == "":
		return
	case value[0] == '{': // choice {label}, choices {labels}
		for _, name := range []string{"label", "labels", "other"} {
			if label := value.member(name); label != "" {
				value = label
				break
			}
		}
	}
	field := item.member("field").orEmpty()
	name := titles[scalarOf(field.member("id"))]
	if name == "" {
		name = scalarOf(field.member("ref"))
	}
	f.add(clip(name), value)
}

// typeformTitles returns the questions by their identifiers.
func typeformTitles(response jsonText) map[string]string {
	titles := map[string]string{}
	definition := response.member("definition").orEmpty().member("fields")
	if definition == "" {
		return titles
	}
	for item := range definition.items() {
		item = item.orEmpty()
		titles[scalarOf(item.member("id"))] = scalarOf(item.member("title"))
	}
	return titles
}

// beside adds all members except one.
func (f *flattener) beside(object jsonText, but string) {
	for name, value := range object.members() {
		if name != but {
			f.add(name, value)
		}
	}
}

// add adds a value and keeps the first error.
func (f *flattener) add(name string, value jsonText) {
	if f.err == nil {
		f.err = f.value(name, value, 0)
	}
}

// allHave reports whether there are values, and all are objects in which the first member is not empty and the second is present.
func allHave(values func(func(jsonText) bool), name, other string) bool {
	some := false
	for value := range values {
		if value[0] != '{' {
			return false
		}
		if scalarOf(value.member(name)) == "" || value.member(other) == "" {
			return false
		}
		some = true
	}
	return some
}

// allList is the same for lists of fields, some of which may have an empty name: a question without a title.
func allList(items func(func(jsonText) bool), name, other string) bool {
	some := false
	for item := range items {
		if item[0] != '{' || item.member(name) == "" || item.member(other) == "" {
			return false
		}
		some = some || scalarOf(item.member(name)) != ""
	}
	return some
}

func valuesOf(object jsonText) func(func(jsonText) bool) {
	return func(yield func(jsonText) bool) {
		for _, value := range object.members() {
			if !yield(value) {
				return
			}
		}
	}
}

// orEmpty returns the value if it is an object, and otherwise an empty object.
func (t jsonText) orEmpty() jsonText {
	if t == "" || t[0] != '{' {
		return jsonText("{}")
	}
	return t
}

func scalarOf(value jsonText) string {
	if value == "" {
		return ""
	}
	return value.scalar()
}
