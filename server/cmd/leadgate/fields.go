package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/structpb"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

// setField sets one text field of a lead by its name: email, source.utm_source, custom.budget.
func setField(lead *leadgatev1.Lead, p pair) error {
	if name, ok := strings.CutPrefix(p.name, "custom."); ok {
		if lead.Custom == nil {
			lead.Custom = map[string]*structpb.Value{}
		}
		lead.Custom[name] = structpb.NewStringValue(p.value)
		return nil
	}
	message := lead.ProtoReflect()
	path := strings.Split(p.name, ".")
	for _, name := range path[:len(path)-1] {
		field := message.Descriptor().Fields().ByName(protoreflect.Name(name))
		if field == nil || field.Message() == nil || field.IsList() || field.IsMap() {
			return unknownField(p.name)
		}
		message = message.Mutable(field).Message()
	}
	field := message.Descriptor().Fields().ByName(protoreflect.Name(path[len(path)-1]))
	if field == nil || field.Kind() != protoreflect.StringKind || field.IsList() {
		return unknownField(p.name)
	}
	message.Set(field, protoreflect.ValueOfString(p.value))
	return nil
}

func unknownField(name string) error {
	return usageError{fmt.Errorf("a lead has no field %q; the business's own fields are written custom.%s", name, name)}
}

// printFields writes the fields of a lead that are set, one a line, by the names that the configuration has for them.
func printFields(w io.Writer, lead *leadgatev1.Lead) {
	for _, p := range fieldsOf(lead.ProtoReflect(), "") {
		fmt.Fprintf(w, "  %-20s %s\n", p.name, p.value)
	}
}

func fieldsOf(message protoreflect.Message, prefix string) []pair {
	var pairs []pair
	fields := message.Descriptor().Fields()
	for i := range fields.Len() {
		field := fields.Get(i)
		if !message.Has(field) {
			continue
		}
		name, value := prefix+string(field.Name()), message.Get(field)
		switch {
		case field.IsMap():
			values := map[string]string{}
			value.Map().Range(func(key protoreflect.MapKey, value protoreflect.Value) bool {
				values[name+"."+key.String()] = asText(value.Message().Interface())
				return true
			})
			for _, custom := range slices.Sorted(maps.Keys(values)) {
				pairs = append(pairs, pair{custom, values[custom]})
			}
		case field.IsList():
			for n := range value.List().Len() {
				pairs = append(pairs, pair{name, asText(value.List().Get(n).Message().Interface())})
			}
		case field.Message() != nil:
			pairs = append(pairs, fieldsOf(value.Message(), name+".")...)
		default:
			pairs = append(pairs, pair{name, value.String()})
		}
	}
	return pairs
}

// asText is a value as JSON has it, without the quotes of a text.
func asText(message proto.Message) string {
	if text, ok := message.(*structpb.Value); ok {
		if s, ok := text.GetKind().(*structpb.Value_StringValue); ok {
			return s.StringValue
		}
	}
	text, err := protojson.Marshal(message)
	if err != nil {
		return err.Error()
	}
	return string(text)
}
