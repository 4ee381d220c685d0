package server

import (
	"fmt"
	"regexp"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/leadgate/leadgate/worker/spelling"
)

var unknownName = regexp.MustCompile(`unknown field "([^"]*)"`)

// hint suggests what an unknown field name in a message's JSON was meant to be: a field elsewhere in the message, one with a similar
// name, or a custom field. It returns "" if there is nothing to suggest.
func hint(complaint string, message protoreflect.MessageDescriptor) string {
	found := unknownName.FindStringSubmatch(complaint)
	if found == nil {
		return ""
	}
	places, names := fieldsWithin(message)
	name := found[1]
	if place, ok := places[name]; ok {
		if place == "" {
			return "; it stands at the top, beside the others"
		}
		return fmt.Sprintf("; it belongs in %q", place)
	}
	if near := spelling.Nearest(name, names); near != "" {
		return fmt.Sprintf("; did you mean %q?", near)
	}
	if place, ok := places["custom"]; ok {
		return fmt.Sprintf("; fields of your own go into %q", strings.TrimPrefix(place+".custom", "."))
	}
	return ""
}

// fieldsWithin lists the JSON names of a message's fields, including nested messages, each with the first place where it occurs: email in
// lead, utmSource in lead.source, and the message's own fields in "".
func fieldsWithin(message protoreflect.MessageDescriptor) (places map[string]string, names []string) {
	type level struct {
		place   string
		message protoreflect.MessageDescriptor
	}
	places, seen := map[string]string{}, map[protoreflect.FullName]bool{}
	for next := []level{{"", message}}; len(next) > 0; next = next[1:] {
		at := next[0]
		if seen[at.message.FullName()] || at.message.FullName().Parent() == "google.protobuf" {
			continue
		}
		seen[at.message.FullName()] = true
		for i := range at.message.Fields().Len() {
			field := at.message.Fields().Get(i)
			if _, ok := places[field.JSONName()]; !ok {
				places[field.JSONName()], places[string(field.Name())] = at.place, at.place
				names = append(names, field.JSONName())
			}
			if field.Message() != nil && !field.IsMap() {
				next = append(next, level{strings.TrimPrefix(at.place+"."+field.JSONName(), "."), field.Message()})
			}
		}
	}
	return places, names
}
