package config

import (
	"errors"
	"iter"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/leadgate/leadgate/worker/spelling"
)

// shape checks that the file has the shape of the message: known keys in the spelling of the schema, each at most once, with values
// of the right kind. Decoding alone would accept duplicate keys, keys without a value and other spellings, and its errors name
// messages of the schema instead of keys of the file.
func (r *review) shape(schema protoreflect.MessageDescriptor, env Environment) {
	s := shape{review: r, env: env, file: schema}
	s.message("the file", r.root, schema, nil)
}

type shape struct {
	*review
	env  Environment
	file protoreflect.MessageDescriptor
}

// message checks a mapping with the keys of a message. around is the message that contains it as a field; nil if it is in a list or
// a map.
func (s *shape) message(name string, node *yaml.Node, schema, around protoreflect.MessageDescriptor) {
	if !s.is(yaml.MappingNode, name, node) {
		return
	}
	kinds := map[protoreflect.FullName]string{} // the key that is set, by oneof
	for key, value := range s.unique(name, node) {
		field := schema.Fields().ByName(protoreflect.Name(key.Value))
		if field == nil {
			wayOut := s.belongs(key.Value, name, schema, around)
			if wayOut == "" {
				wayOut = suggest(key.Value, namesOf(schema.Fields()))
			}
			s.at(key, "unknown key %q%s", key.Value, wayOut)
			s.mark(node, partly)
			continue
		}
		if oneof := field.ContainingOneof(); oneof != nil {
			if other := kinds[oneof.FullName()]; other != "" {
				s.at(key, "%s has %s already, and takes one of %s", name, other, strings.Join(namesOf(oneof.Fields()), ", "))
			}
			kinds[oneof.FullName()] = key.Value
		}
		s.field(key, value, field)
	}
}

// belongs returns a hint where an unknown key belongs, which was found in the message called within; empty if there is no such
// place.
func (s *shape) belongs(key, within string, schema, around protoreflect.MessageDescriptor) string {
	has := func(m protoreflect.MessageDescriptor) bool {
		return m != nil && m.Fields().ByName(protoreflect.Name(key)) != nil
	}
	var under []string
	for i := range schema.Fields().Len() {
		if part := schema.Fields().Get(i); !part.IsMap() && !part.IsList() && has(part.Message()) {
			under = append(under, string(part.Name()))
		}
	}
	switch {
	case len(under) > 0:
		return "; it belongs under " + strings.Join(under, " or ")
	case has(around):
		return "; it belongs beside " + within + ", not within it"
	case has(s.file):
		return "; it belongs at the top of the file, beside forms and destinations"
	}
	return ""
}

func (s *shape) field(key, value *yaml.Node, field protoreflect.FieldDescriptor) {
	switch {
	case field.IsMap():
		if s.is(yaml.MappingNode, key.Value, value) {
			for name, item := range s.unique(key.Value, value) {
				s.single(name.Value, item, field.MapValue(), nil)
			}
		}
	case field.IsList():
		if s.is(yaml.SequenceNode, key.Value, value) {
			for _, item := range value.Content {
				s.single(key.Value, item, field, nil)
			}
		}
	default:
		s.single(key.Value, value, field, field.ContainingMessage())
	}
}

// single checks a value, an entry of a list, or a value of a map; for the last two, around is nil.
func (s *shape) single(name string, node *yaml.Node, field protoreflect.FieldDescriptor, around protoreflect.MessageDescriptor) {
	if message := field.Message(); message != nil && message.FullName() != "google.protobuf.Duration" {
		s.message(name, node, message, around)
		return
	}
	if !s.is(yaml.ScalarNode, name, node) {
		return
	}
	if around != nil && isZero(node, field) && !takesZero(field) {
		s.doubt(node, "%s", notZero(name, node))
		return
	}
	switch field.Kind() {
	case protoreflect.MessageKind:
		if _, err := ParseDuration(node.Value); err != nil {
			s.doubt(node, "%s: %v", name, err)
		}
	case protoreflect.BoolKind:
		if node.Tag != "!!bool" || node.Value != "true" && node.Value != "false" {
			s.not(node, name, "true or false")
		}
	case protoreflect.Int32Kind:
		_, err := strconv.ParseInt(node.Value, 10, 32)
		switch {
		case errors.Is(err, strconv.ErrRange):
			s.not(node, name, "a whole number of at most ten digits")
		case err != nil || !isNumber(node):
			s.not(node, name, "a whole number")
		}
	case protoreflect.DoubleKind:
		if _, err := strconv.ParseFloat(node.Value, 64); err != nil || !isNumber(node) {
			s.not(node, name, "a number")
		}
	case protoreflect.StringKind:
		secrecy := secrecyOf(field, name)
		if err := checkSecrecy(secrecy, name, node.Value, s.env); err != nil {
			s.doubt(node, "%v", err)
		} else if secret, err := s.env.resolve(node.Value); err == nil && secrecy == credential && strings.TrimSpace(secret) != secret {
			s.hintAt(node, "what %s refers to begins or ends with white space, which is sent with it", name)
		}
		if node.Style == 0 && isTight(node.LineComment) {
			s.hintAt(node, "%s ends before #, where a comment begins; if that belongs to it, put the whole into quotes", name)
		}
	}
}

// isTight reports whether a comment looks like a part of the value before it, as in: reason: we are #1.
func isTight(comment string) bool {
	return len(comment) > 1 && !strings.ContainsRune("# \t!", rune(comment[1]))
}

// not reports that a value is not what it must be.
func (s *shape) not(node *yaml.Node, name, what string) {
	if node.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0 {
		s.doubt(node, "%s is %s, without quotes, not %q", name, what, node.Value)
		return
	}
	s.doubt(node, "%s is %s, not %q", name, what, node.Value)
}

// plainNumber matches numbers that everybody reads alike: 010 is ten for some and eight for others.
var plainNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)?(\.[0-9]+)?([eE][-+]?[0-9]+)?$`)

func isNumber(node *yaml.Node) bool {
	return (node.Tag == "!!int" || node.Tag == "!!float") && plainNumber.MatchString(node.Value)
}

// isZero reports whether the message cannot distinguish a value from an absent one.
func isZero(node *yaml.Node, field protoreflect.FieldDescriptor) bool {
	if field.Kind() == protoreflect.StringKind || node.Value == "" {
		return node.Value == ""
	}
	number, err := strconv.ParseFloat(node.Value, 64)
	return err == nil && number == 0 && isNumber(node)
}

// takesZero reports whether a field may be set to its zero value. If its rules make zero the default, whoever writes it means
// something else, or a program had nothing to write.
func takesZero(field protoreflect.FieldDescriptor) bool {
	rules, _ := proto.GetExtension(field.Options(), validate.E_Field).(*validate.FieldRules)
	return rules.GetIgnore() != validate.Ignore_IGNORE_IF_ZERO_VALUE && !slices.Contains(rules.GetString().GetIn(), "")
}

func notZero(name string, node *yaml.Node) string {
	if node.Value == "" {
		return name + " is empty: give it a value, or leave it out"
	}
	return name + " cannot be 0; leave it out for the default"
}

// is checks the kind of a node.
func (s *shape) is(kind yaml.Kind, name string, node *yaml.Node) bool {
	switch {
	case node.Kind == yaml.AliasNode:
		s.doubt(node, "%s: anchors and aliases are not read; write the value out", name)
	case node.Style&yaml.TaggedStyle != 0:
		s.doubt(node, "%s: tags such as %s are not read; leave it out", name, node.Tag)
	case node.Tag == "!!null" && isTight(node.LineComment):
		s.doubt(node, "%s has no value: what begins with # is a comment; put it into quotes", name)
	case node.Tag == "!!null":
		s.doubt(node, "%s has no value: give it one, or leave it out", name)
	case node.Kind != kind:
		s.doubt(node, "%s takes %s, not %s", name, inWords(kind), inWords(node.Kind))
	default:
		return true
	}
	return false
}

func inWords(kind yaml.Kind) string {
	switch kind {
	case yaml.MappingNode:
		return "keys with values"
	case yaml.SequenceNode:
		return "a list"
	}
	return "a single value"
}

// unique yields the entries of a mapping with valid keys that are not repeated, and reports the others.
func (s *shape) unique(name string, node *yaml.Node) iter.Seq2[*yaml.Node, *yaml.Node] {
	return func(yield func(key, value *yaml.Node) bool) {
		first := map[string][2]*yaml.Node{}
		for key, value := range entries(node) {
			if key.Tag == "!!merge" {
				s.doubt(value, "<<: anchors and aliases are not read; write the value out")
				s.mark(node, partly)
				continue
			}
			if key.Kind != yaml.ScalarNode {
				s.at(key, "%s: a key is a single word", name)
				s.mark(node, partly)
				continue
			}
			if before, twice := first[key.Value]; twice {
				s.at(key, "%s is given twice; the first is in line %d", key.Value, before[0].Line)
				s.mark(before[1], wholly)
				s.mark(node, partly)
				continue
			}
			first[key.Value] = [2]*yaml.Node{key, value}
			if value.LineComment == "" { // the parser attaches the comment after no value to the key
				value.LineComment = key.LineComment
			}
			if !yield(key, value) {
				return
			}
		}
	}
}

func namesOf(fields interface {
	Len() int
	Get(i int) protoreflect.FieldDescriptor
}) []string {
	var names []string
	for i := range fields.Len() {
		names = append(names, string(fields.Get(i).Name()))
	}
	return names
}

// suggest completes a message about an unknown name: with the name that was probably meant, or with all known names.
func suggest(name string, known []string) string {
	if near := spelling.Nearest(name, known); near != "" {
		return "; did you mean " + strconv.Quote(near) + "?"
	}
	if len(known) == 0 {
		return ""
	}
	return "; it is one of " + strings.Join(known, ", ")
}
