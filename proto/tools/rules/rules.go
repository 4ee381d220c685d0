// Package rules reads the protovalidate rules of fields, for the tools that turn them into schemas.
package rules

import (
	"strings"

	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Of returns a field's rules; nil if it has none.
func Of(field protoreflect.FieldDescriptor) *validate.FieldRules {
	rules, _ := proto.GetExtension(field.Options(), validate.E_Field).(*validate.FieldRules)
	return rules
}

// Pattern returns the pattern of a rule of the form this.matches('…'); empty if there is none.
func Pattern(rules *validate.FieldRules) string {
	for _, rule := range rules.GetCel() {
		pattern, ok := strings.CutPrefix(rule.GetExpression(), "this.matches('")
		if pattern, whole := strings.CutSuffix(pattern, "')"); ok && whole && !strings.Contains(pattern, "'") {
			return strings.ReplaceAll(pattern, `\\`, `\`) // unescape it from CEL
		}
	}
	return ""
}
