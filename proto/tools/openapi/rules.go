package main

import (
	"fmt"
	"strconv"

	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/leadgate/leadgate/proto/tools/rules"
)

func itoa(n int) string { return strconv.Itoa(n) }

// message returns the message of the API with that name; nil if there is none.
func message(name string) protoreflect.MessageDescriptor {
	found, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(apiPackage + name))
	if err != nil {
		return nil
	}
	described, _ := found.(protoreflect.MessageDescriptor)
	return described
}

// methodOf returns an rpc.
func methodOf(service, name string) protoreflect.MethodDescriptor {
	found, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(apiPackage + service + "." + name))
	if err != nil {
		fail(fmt.Errorf("there is no rpc %s.%s: %w", service, name, err))
	}
	return found.(protoreflect.MethodDescriptor)
}

// constrainMessage adds a message's rules to its schema, as far as a schema can express them. It may be laxer than they are, never
// stricter.
func constrainMessage(schema object, of protoreflect.MessageDescriptor) {
	properties, _ := schema["properties"].(object)
	if of == nil || properties == nil {
		return
	}
	var required []any
	for i := range of.Fields().Len() {
		field := of.Fields().Get(i)
		property, ok := properties[field.JSONName()].(object)
		if !ok {
			continue
		}
		constrain(property, field)
		if isRequired(field) {
			required = append(required, field.JSONName())
		}
	}
	if len(required) > 0 {
		schema["required"] = required
	}
}

// isRequired reports whether the rules refuse a message without the field.
func isRequired(field protoreflect.FieldDescriptor) bool {
	of := rules.Of(field)
	if of.GetIgnore() != validate.Ignore_IGNORE_UNSPECIFIED {
		return false
	}
	text := of.GetString()
	return of.GetRequired() || text.GetMinLen() > 0 || text.GetUuid() || of.GetRepeated().GetMinItems() > 0
}

func constrainParameters(operation object, of protoreflect.MessageDescriptor) {
	parameters, _ := operation["parameters"].([]any)
	for _, p := range parameters {
		parameter := p.(object)
		field := of.Fields().ByJSONName(parameter["name"].(string))
		if field == nil {
			field = of.Fields().ByTextName(parameter["name"].(string))
		}
		if schema, ok := parameter["schema"].(object); ok && field != nil {
			constrain(schema, field)
		}
	}
}

// constrain adds a field's rules to its schema.
func constrain(schema object, field protoreflect.FieldDescriptor) {
	if _, isRef := schema["$ref"]; isRef {
		return
	}
	if !field.IsList() && field.Message() != nil && field.Message().FullName() == "google.protobuf.Duration" {
		schema["pattern"], schema["examples"] = `^-?[0-9]+(\.[0-9]{1,9})?s$`, []any{"2.5s"}
	}
	of := rules.Of(field)
	if text := of.GetString(); text != nil {
		constrainText(schema, text)
	}
	if number := of.GetInt32(); number != nil {
		if number.HasGte() {
			schema["minimum"] = number.GetGte()
		}
		if number.HasLte() {
			schema["maximum"] = number.GetLte()
		}
	}
	if list := of.GetRepeated(); list != nil {
		if list.HasMinItems() {
			schema["minItems"] = list.GetMinItems()
		}
		if list.HasMaxItems() {
			schema["maxItems"] = list.GetMaxItems()
		}
	}
	if pairs := of.GetMap(); pairs.HasMaxPairs() {
		schema["maxProperties"] = pairs.GetMaxPairs()
	}
	if pattern := rules.Pattern(of); pattern != "" && field.Kind() == protoreflect.StringKind && !field.IsList() {
		if of.GetIgnore() == validate.Ignore_IGNORE_IF_ZERO_VALUE {
			pattern = "^$|" + pattern
		}
		schema["pattern"] = pattern
	}
}

func constrainText(schema object, text *validate.StringRules) {
	if text.HasMinLen() {
		schema["minLength"] = text.GetMinLen()
	}
	if text.HasMaxLen() {
		schema["maxLength"] = text.GetMaxLen()
	}
	for format, is := range map[string]bool{"email": text.GetEmail(), "uuid": text.GetUuid(), "uri": text.GetUri()} {
		if is {
			schema["format"] = format
		}
	}
}
