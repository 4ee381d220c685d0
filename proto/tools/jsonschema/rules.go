package main

import (
	"regexp"
	"strings"

	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// rules are a field's rules; nil if it has none.
type rules = *validate.FieldRules

func rulesOf(field protoreflect.FieldDescriptor) rules {
	rules, _ := proto.GetExtension(field.Options(), validate.E_Field).(*validate.FieldRules)
	return rules
}

// isRequired reports whether a field's rules refuse its absence. Lists are never required: a form without destinations uses the
// only one.
func isRequired(field protoreflect.FieldDescriptor) bool {
	rules := rulesOf(field)
	if field.IsList() || field.IsMap() || field.ContainingOneof() != nil || rules.GetIgnore() != validate.Ignore_IGNORE_UNSPECIFIED {
		return false
	}
	return rules.GetString().GetMinLen() > 0 || rules.GetString().GetUri() || patternOf(rules) != ""
}

// constrain adds a field's rules to a schema, as far as a schema can express them. It may be laxer than they are, never stricter.
func constrain(s *schema, rules rules) {
	text := rules.GetString()
	s.MinLength, s.MaxLength = text.GetMinLen(), text.GetMaxLen()
	for _, word := range text.GetIn() {
		if word != "" { // stands for the default, which is left out of the file
			s.Enum = append(s.Enum, word)
		}
	}
	switch s.Pattern = patternOf(rules); {
	case text.GetPrefix() != "":
		s.Pattern = "^" + regexp.QuoteMeta(text.GetPrefix())
	case text.GetPattern() != "":
		s.Pattern = text.GetPattern()
	}
	if text.GetUri() {
		s.Format = "uri"
	}
	if number := rules.GetInt32(); number != nil {
		s.Minimum, s.Maximum = bound(number.HasGte(), number.GetGte()), bound(number.HasLte(), number.GetLte())
	}
	if number := rules.GetDouble(); number != nil {
		s.Minimum, s.Maximum = bound(number.HasGte(), number.GetGte()), bound(number.HasLte(), number.GetLte())
		s.ExclusiveMinimum, s.ExclusiveMaximum = bound(number.HasGt(), number.GetGt()), bound(number.HasLt(), number.GetLt())
	}
	if s.Minimum != nil && *s.Minimum < 0 && rules.GetIgnore() == validate.Ignore_IGNORE_IF_ZERO_VALUE { // 0 is the default, to be left out
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

// patternOf returns the pattern of a rule of the form this.matches('…'); empty if there is none.
func patternOf(rules rules) string {
	for _, rule := range rules.GetCel() {
		pattern, ok := strings.CutPrefix(rule.GetExpression(), "this.matches('")
		if pattern, whole := strings.CutSuffix(pattern, "')"); ok && whole && !strings.Contains(pattern, "'") {
			return strings.ReplaceAll(pattern, `\\`, `\`) // unescape it from CEL
		}
	}
	return ""
}
