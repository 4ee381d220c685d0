package config

import (
	"errors"
	"strconv"
	"strings"

	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/reflect/protoreflect"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
)

// rules reports violations of the rules in proto/leadgate/config. An error is a fault of the rules, not of the file.
func (r *review) rules(cfg *configv1.Config) error {
	err := protovalidate.Validate(cfg)
	var invalid *protovalidate.ValidationError
	if !errors.As(err, &invalid) {
		return err
	}
	schema := cfg.ProtoReflect().Descriptor()
	for _, v := range invalid.Violations {
		p := pathOf(v.Proto.GetField())
		switch choices := choices(schema, v.Proto.GetField()); {
		case v.Proto.GetForKey() && v.Proto.GetRuleId() == "string.in":
			r.onKey(p, "unknown key %q%s", p[len(p)-1], suggest(p[len(p)-1], allowed(v)))
		case v.Proto.GetForKey():
			r.onKey(p, "%q: %s", p[len(p)-1], Plain(v.Proto.GetMessage()))
		case choices != nil && r.partUnclear(p[:len(p)-1]), choices == nil && r.partUnclear(p): // already reported
		case choices != nil:
			r.on(p, "%s lacks its kind, one of %s", p[:len(p)-1].owner(), strings.Join(choices, ", "))
		case !r.find(p).exact:
			r.on(p, "%s lacks %s", p[:len(p)-1].owner(), p.name())
		default:
			r.on(p, "%s: %s", p.name(), messageOf(v))
		}
	}
	return nil
}

// choices returns the fields of the oneof that a violation is about; nil if it is about a field.
func choices(schema protoreflect.MessageDescriptor, field *validate.FieldPath) []string {
	for _, element := range field.GetElements() {
		name := protoreflect.Name(element.GetFieldName())
		if oneof := schema.Oneofs().ByName(name); oneof != nil {
			return namesOf(oneof.Fields())
		}
		next := schema.Fields().ByName(name)
		if next != nil && next.IsMap() {
			next = next.MapValue()
		}
		if next == nil || next.Message() == nil {
			return nil
		}
		schema = next.Message()
	}
	return nil
}

// messageOf returns the message of a violation.
func messageOf(v *protovalidate.Violation) string {
	if v.Proto.GetRuleId() != "string.in" {
		return Plain(v.Proto.GetMessage())
	}
	return "unknown word " + strconv.Quote(v.FieldValue.String()) + suggest(v.FieldValue.String(), allowed(v))
}

// allowed returns the permitted words, without the empty one, which stands for the default.
func allowed(v *protovalidate.Violation) (words []string) {
	for list, i := v.RuleValue.List(), 0; i < list.Len(); i++ {
		if word := list.Get(i).String(); word != "" {
			words = append(words, word)
		}
	}
	return words
}

func pathOf(field *validate.FieldPath) path {
	var p path
	for _, element := range field.GetElements() {
		p = append(p, element.GetFieldName())
		switch element.WhichSubscript() {
		case validate.FieldPathElement_Index_case:
			p = append(p, strconv.FormatUint(element.GetIndex(), 10))
		case validate.FieldPathElement_StringKey_case:
			p = append(p, element.GetStringKey())
		}
	}
	return p
}
