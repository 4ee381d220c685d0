package intake

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The deepest nesting of a field in JSON.
const maxDepth = 16

// addJSON adds the fields of a JSON object.
func (l *fieldList) addJSON(body []byte, read *decoder) error {
	body = read.document(body)
	if !utf8.Valid(body) { // the standard library would replace invalid bytes
		return errors.New("it is not UTF-8")
	}
	if err := checkJSON(body); err != nil {
		return err
	}
	object := jsonText(body).trimmed()
	f := flattener{fields: l}
	if object[0] == '[' {
		l.expect(strings.Count(string(object), "{"))
		if listed, err := f.list(object, 0); listed {
			return err
		}
		object = cmp.Or(object.only(), object)
	}
	if object[0] != '{' {
		return errors.New("it must be a JSON object of the form's fields")
	}
	l.expect(1 + strings.Count(string(object), `":`) + strings.Count(string(object), `" :`))
	if f.listed(object) {
		return f.err
	}
	return f.object("", object, 0)
}

// checkJSON finds all syntax errors, even after the value, so that jsonText is valid.
func checkJSON(body []byte) error {
	if json.Valid(body) {
		return nil
	}
	var value json.RawMessage
	err := json.Unmarshal(body, &value)
	if syntax := (*json.SyntaxError)(nil); errors.As(err, &syntax) {
		return fmt.Errorf("it is not JSON, at byte %d: %w", syntax.Offset, err)
	}
	return err
}

// flattener adds the contents of JSON values to the fields of a submission.
type flattener struct {
	fields *fieldList
	err    error
}

// object adds the members of an object, with the prefix before their names.
func (f *flattener) object(prefix string, object jsonText, depth int) error {
	for name, value := range object.members() {
		if err := f.value(prefix+name, value, depth); err != nil {
			return err
		}
	}
	return nil
}

// value adds a value: a scalar, the scalars of a list, or the contents of an object or of a list of objects.
func (f *flattener) value(name string, value jsonText, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("field %q is nested more than %d deep", clip(name), maxDepth)
	}
	switch value[0] {
	case '{':
		return f.object(name+".", value, depth+1)
	case '[':
		if listed, err := f.list(value, depth+1); listed {
			return err
		}
		if _, err := f.fields.named(name); err != nil { // even if the list is empty
			return err
		}
		i := 0
		for item := range value.items() {
			within := name
			if item[0] == '{' || item[0] == '[' {
				within += "." + strconv.Itoa(i)
			}
			if err := f.value(within, item, depth+1); err != nil {
				return err
			}
			i++
		}
		return nil
	}
	return f.fields.add(name, value.scalar())
}
