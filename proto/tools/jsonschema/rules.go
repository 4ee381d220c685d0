package main

import (
	"regexp"

	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/leadgate/leadgate/proto/tools/rules"
)

// isRequired reports whether a field's rules refuse its absence. Lists are never required: a form without destinations uses the
// only one.
func isRequired(field protoreflect.FieldDescriptor) bool {
	of := rules.Of(field)
	if field.IsList() || field.IsMap() || field.ContainingOneof() != nil || of.GetIgnore() != validate.Ignore_IGNORE_UNSPECIFIED {
		return false
	}
	return of.GetString().GetMinLen() > 0 || of.GetString().GetUri() || rules.Pattern(of) != ""
}

// constrain adds a field's rules to a schema, as far as a schema can express them. It may be laxer than they are, never stricter.
func constrain(s *schema, of *validate.FieldRules) {
	text := of.GetString()
	s.MinLength, s.MaxLength = text.GetMinLen(), text.GetMaxLen()
	for _, word := range text.GetIn() {
		if word != "" { // stands for the default, which is left out of the file
			s.Enum = append(s.Enum, word)
		}
	}
	switch s.Pattern = rules.Pattern(of); {
	case text.GetPrefix() != "":
		s.Pattern = "^" + regexp.QuoteMeta(text.GetPrefix())
	case text.GetPattern() != "":
		s.Pattern = text.GetPattern()
	}
	if text.GetUri() {
		s.Format = "uri"
	}
	if number := of.GetInt32(); number != nil {
		s.Minimum, s.Maximum = bound(number.HasGte(), number.GetGte()), bound(number.HasLte(), number.GetLte())
	}
	if number := of.GetDouble(); number != nil {
		s.Minimum, s.Maximum = bound(number.HasGte(), number.GetGte()), bound(number.HasLte(), number.GetLte())
		s.ExclusiveMinimum, s.ExclusiveMaximum = bound(number.HasGt(), number.GetGt()), bound(number.HasLt(), number.GetLt())
	}
	if s.Minimum != nil && *s.Minimum < 0 && of.GetIgnore() == validate.Ignore_IGNORE_IF_ZERO_VALUE { // 0 is the default, to be left out
		s.Not = &schema{Const: new(float64)}
	}
}

func bound[N int32 | float64](is bool, n N) *float64 {
	if !is {
		return nil
	}
	f := float64(n)
	return &f
}
