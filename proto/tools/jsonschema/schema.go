package main

import (
	"math"
	"strings"

	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/leadgate/leadgate/proto/tools/rules"
)

// schema is a JSON Schema, as far as needed. Maps are encoded in key order.
type schema struct {
	Schema               string             `json:"$schema,omitempty"`
	Title                string             `json:"title,omitempty"`
	Description          string             `json:"description,omitempty"`
	Reference            string             `json:"$ref,omitempty"`
	AllOf                []*schema          `json:"allOf,omitempty"`
	Type                 any                `json:"type,omitempty"` // a word, or several
	Properties           map[string]*schema `json:"properties,omitempty"`
	PropertyNames        *schema            `json:"propertyNames,omitempty"`
	AdditionalProperties any                `json:"additionalProperties,omitempty"` // false, or a schema
	Required             []string           `json:"required,omitempty"`
	OneOf                []*schema          `json:"oneOf,omitempty"`
	Items                *schema            `json:"items,omitempty"`
	MinItems             uint64             `json:"minItems,omitempty"`
	UniqueItems          bool               `json:"uniqueItems,omitempty"`
	Enum                 []string           `json:"enum,omitempty"`
	Pattern              string             `json:"pattern,omitempty"`
	Format               string             `json:"format,omitempty"`
	MinLength            uint64             `json:"minLength,omitempty"`
	MaxLength            uint64             `json:"maxLength,omitempty"`
	Minimum              *float64           `json:"minimum,omitempty"`
	Maximum              *float64           `json:"maximum,omitempty"`
	ExclusiveMinimum     *float64           `json:"exclusiveMinimum,omitempty"`
	ExclusiveMaximum     *float64           `json:"exclusiveMaximum,omitempty"`
	Not                  *schema            `json:"not,omitempty"`
	Const                *float64           `json:"const,omitempty"`
	Examples             []string           `json:"examples,omitempty"`
	Definitions          map[string]*schema `json:"definitions,omitempty"`
}

// The syntax of durations in server/config: 500ms, 1h30m, 30d.
const durationPattern = `^([0-9]+d)?([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))*$`

// builder builds the schemas of messages. Nested messages become definitions.
type builder struct{ definitions map[string]*schema }

func (b *builder) message(m *protogen.Message) *schema {
	s := &schema{
		Type: "object", Description: comment(m.Comments), Properties: map[string]*schema{}, AdditionalProperties: false,
	}
	for _, field := range m.Fields {
		s.Properties[string(field.Desc.Name())] = b.field(field)
		if isRequired(field.Desc) {
			s.Required = append(s.Required, string(field.Desc.Name()))
		}
	}
	for _, oneof := range m.Oneofs {
		for _, field := range oneof.Fields {
			s.OneOf = append(s.OneOf, &schema{Required: []string{string(field.Desc.Name())}})
		}
	}
	return s
}

func (b *builder) field(f *protogen.Field) *schema {
	of := rules.Of(f.Desc)
	var s *schema
	switch {
	case f.Desc.IsMap():
		s = &schema{Type: "object", AdditionalProperties: b.single(f.Message.Fields[1], of.GetMap().GetValues())}
		if keys := of.GetMap().GetKeys(); keys != nil {
			s.PropertyNames = &schema{}
			constrain(s.PropertyNames, keys)
		}
	case f.Desc.IsList():
		s = &schema{
			Type: "array", Items: b.single(f, of.GetRepeated().GetItems()),
			MinItems: of.GetRepeated().GetMinItems(), UniqueItems: of.GetRepeated().GetUnique(),
		}
	default:
		s = b.single(f, of)
	}
	s.Description = comment(f.Comments)
	return s
}

// single returns the schema of a single value of a field, without the field's comment.
func (b *builder) single(f *protogen.Field, of *validate.FieldRules) *schema {
	s := &schema{}
	switch f.Desc.Kind() {
	case protoreflect.MessageKind:
		if f.Message.Desc.FullName() == "google.protobuf.Duration" {
			return &schema{Type: "string", Pattern: durationPattern, MinLength: 2, Examples: []string{"90s", "24h", "30d"}}
		}
		name := string(f.Message.Desc.Name())
		if b.definitions[name] == nil {
			b.definitions[name] = b.message(f.Message)
		}
		// Draft 7 ignores everything next to a $ref, such as the description.
		return &schema{AllOf: []*schema{{Reference: "#/definitions/" + name}}}
	case protoreflect.BoolKind:
		s.Type = "boolean"
	case protoreflect.Int32Kind:
		s.Type = "integer"
	case protoreflect.DoubleKind:
		s.Type = "number"
	default:
		s.Type = "string"
	}
	constrain(s, of)
	if s.Type == "integer" && s.Maximum == nil {
		s.Maximum = bound[int32](true, math.MaxInt32)
	}
	if s.Type == "string" && s.Enum == nil && s.Format == "" {
		s.Type = []string{"string", "number", "boolean"} // a version such as 7 needs no quotes: leadgate uses it as written
	}
	return s
}

// comment returns a leading comment on one line.
func comment(c protogen.CommentSet) string {
	return strings.Join(strings.Fields(string(c.Leading)), " ")
}
