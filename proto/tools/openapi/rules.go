package main

import (
	"fmt"
	"strconv"
	"strings"

	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
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

func rulesOf(field protoreflect.FieldDescriptor) *validate.FieldRules {
	rules, _ := proto.GetExtension(field.Options(), validate.E_Field).(*validate.FieldRules)
	return rules
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
	rules := rulesOf(field)
	if rules.GetIgnore() != validate.Ignore_IGNORE_UNSPECIFIED {
		return false
	}
	text := rules.GetString()
	return rules.GetRequired() || text.GetMinLen() > 0 || text.GetUuid() || rules.GetRepeated().GetMinItems() > 0
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
	rules := rulesOf(field)
	if text := rules.GetString(); text != nil {
		constrainText(schema, text)
	}
	if number := rules.GetInt32(); number != nil {
		if number.HasGte() {
			schema["minimum"] = number.GetGte()
		}
		if number.HasLte() {
			schema["maximum"] = number.GetLte()
		}
	}
	if list := rules.GetRepeated(); list != nil {
		if list.HasMinItems() {
			schema["minItems"] = list.GetMinItems()
		}
		if list.HasMaxItems() {
			schema["maxItems"] = list.GetMaxItems()
		}
	}
	if pairs := rules.GetMap(); pairs.HasMaxPairs() {
		schema["maxProperties"] = pairs.GetMaxPairs()
	}
	if pattern := patternOf(rules); pattern != "" && field.Kind() == protoreflect.StringKind && !field.IsList() {
		if rules.GetIgnore() == validate.Ignore_IGNORE_IF_ZERO_VALUE {
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

// patternOf returns the pattern of a rule of the form this.matches('…'); empty if there is none.
func patternOf(rules *validate.FieldRules) string {
	for _, rule := range rules.GetCel() {
		pattern, ok := strings.CutPrefix(rule.GetExpression(), "this.matches('")
		if pattern, whole := strings.CutSuffix(pattern, "')"); ok && whole && !strings.Contains(pattern, "'") {
			return strings.ReplaceAll(pattern, `\\`, `\`) // unescape it from CEL
		}
	}
	return ""
}
