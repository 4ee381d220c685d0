package server

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// place is the path to a value in the JSON of a message: field names and list indexes.
type place []any

// String returns a place in the usual notation, such as leads[0].lead.phone.
func (p place) String() string {
	var b strings.Builder
	for _, step := range p {
		switch step := step.(type) {
		case string:
			b.WriteString("." + step)
		case int:
			b.WriteString("[" + strconv.Itoa(step) + "]")
		}
	}
	return strings.TrimPrefix(b.String(), ".")
}

// placeAt finds the value that begins at a line and column, in characters from 1. The body must be valid JSON up to there. ok is false if
// no value begins there.
func placeAt(body []byte, line, column int) (at place, ok bool) {
	offset := offsetOf(body, line, column)
	read := json.NewDecoder(bytes.NewReader(body))
	key := false // whether the next string is a field name
	for {
		token, err := read.Token()
		if err != nil {
			return nil, false
		}
		found := read.InputOffset() > offset
		switch token {
		case json.Delim('}'), json.Delim(']'):
			at = at[:len(at)-1]
		default:
			if name, named := token.(string); named && key {
				at[len(at)-1], key = name, false
				if found {
					return nil, false
				}
				continue
			}
			if n := len(at) - 1; n >= 0 {
				if index, ok := at[n].(int); ok {
					at[n] = index + 1
				}
			}
			if found {
				return at, true
			}
		}
		switch token {
		case json.Delim('{'):
			at = append(at, "")
		case json.Delim('['):
			at = append(at, -1)
		}
		if len(at) == 0 {
			return nil, false // after the value
		}
		_, key = at[len(at)-1].(string)
	}
}

// offsetOf returns the offset of a line and column in a text, in bytes.
func offsetOf(text []byte, line, column int) (offset int64) {
	for _, c := range string(text) {
		switch {
		case line == 1 && column == 1:
			return offset
		case line == 1:
			column--
		case c == '\n':
			line--
		}
		offset += int64(utf8.RuneLen(c))
	}
	return offset
}

// takes describes what a message's JSON takes at a place; empty if unknown.
func takes(message protoreflect.MessageDescriptor, at place) string {
	var field protoreflect.FieldDescriptor
	within := false // whether field is the item of a list, rather than the list
	for _, step := range at {
		if field != nil && (field.IsList() || field.IsMap()) && !within {
			if within = true; field.IsMap() {
				field, within = field.MapValue(), false
			}
			continue
		}
		if field != nil {
			message = field.Message()
		}
		name, named := step.(string)
		if message == nil || !named {
			return ""
		}
		if field = message.Fields().ByJSONName(name); field == nil {
			field = message.Fields().ByTextName(name)
		}
		if within = false; field == nil {
			return ""
		}
	}
	if field == nil {
		return "an object"
	}
	return taken(field, within)
}

// taken describes what a field takes, or an item of it.
func taken(field protoreflect.FieldDescriptor, item bool) string {
	switch {
	case field.IsList() && !item:
		return "a list"
	case field.IsMap():
		return "an object"
	}
	switch field.Kind() {
	case protoreflect.StringKind:
		return "a string, in quotes"
	case protoreflect.BoolKind:
		return "true or false, without quotes"
	case protoreflect.EnumKind:
		var names []string
		for i := 1; i < field.Enum().Values().Len(); i++ { // the first is UNSPECIFIED
			names = append(names, string(field.Enum().Values().Get(i).Name()))
		}
		return "one of " + strings.Join(names, ", ")
	case protoreflect.MessageKind:
		switch field.Message().FullName() {
		case "google.protobuf.Timestamp":
			return `a time, such as "2026-11-01T12:00:00Z"`
		case "google.protobuf.Duration":
			return `a number of seconds, such as "7200s"`
		}
		return "an object"
	}
	return "a number"
}
