package intake

import (
	"errors"
	"fmt"
	"strings"

	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/structpb"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

// Paths that are treated in a way of their own, and the first parts of paths with two.
const (
	pathEmail    = "email"
	pathPhone    = "phone"
	pathCountry  = "country"
	pathMessage  = "message"
	customPrefix = "custom."
	sourcePrefix = "source."
)

// target is a place in a lead. What places there are, and how much text they take, is read from lead.proto.
type target struct {
	path   string   // such as company, custom.budget, source.utm_source
	fields []string // the form's fields that lead here, sorted
	index  int      // among the form's targets
	clean  func(string) string

	custom string                       // the name of a field of the business's own, or
	field  protoreflect.FieldDescriptor // a text field of Lead, or of Source
	// most is how many characters a field of Source takes, 0 for any number. Text is cut to it, because a visitor can mend
	// neither the address of a page nor a campaign's parameters. What the visitor wrote is never cut.
	most int
}

// mappable returns the target of a path that forms may map.
func mappable(path string) (*target, error) {
	if setByLeadgate(path) {
		return nil, fmt.Errorf("%s is set by leadgate; leave it out", path)
	}
	return newTarget(path)
}

func setByLeadgate(path string) bool {
	return path == "source.form" || path == "source.ip" || path == "source.user_agent"
}

func newTarget(path string) (*target, error) {
	t := &target{path: path, clean: line}
	switch path {
	case pathEmail:
		t.clean = address
	case pathMessage:
		t.clean = paragraphs
	}
	if name, ok := strings.CutPrefix(path, customPrefix); ok {
		t.custom = name
		return t, nil
	}
	if name, ok := strings.CutPrefix(path, sourcePrefix); ok {
		t.field = textField((*leadgatev1.Source)(nil), name)
		t.most = maxLen(t.field)
	} else {
		t.field = textField((*leadgatev1.Lead)(nil), path)
	}
	if t.field == nil {
		return nil, fmt.Errorf("%q is not a field of a lead; there are %s and custom.NAME", path, strings.Join(textFields(), ", "))
	}
	return t, nil
}

// textField finds a text field of a message by its name, nil if there is none.
func textField(of proto.Message, name string) protoreflect.FieldDescriptor {
	field := of.ProtoReflect().Descriptor().Fields().ByName(protoreflect.Name(name))
	if field == nil || field.Kind() != protoreflect.StringKind || field.IsList() {
		return nil
	}
	return field
}

// textFields are the paths that forms may map, but for the business's own.
func textFields() []string {
	var paths []string
	add := func(prefix string, of proto.Message) {
		fields := of.ProtoReflect().Descriptor().Fields()
		for i := range fields.Len() {
			name := string(fields.Get(i).Name())
			if textField(of, name) != nil && !setByLeadgate(prefix+name) {
				paths = append(paths, prefix+name)
			}
		}
	}
	add("", (*leadgatev1.Lead)(nil))
	add(sourcePrefix, (*leadgatev1.Source)(nil))
	return paths
}

// maxLen is the string.max_len of a field's rules, 0 if it has none.
func maxLen(field protoreflect.FieldDescriptor) int {
	if field == nil {
		return 0
	}
	rules, _ := proto.GetExtension(field.Options(), validate.E_Field).(*validate.FieldRules)
	return int(rules.GetString().GetMaxLen())
}

// checkCustom asks the rules of lead.proto whether a lead that breaks no other could hold all the business's own fields
// that a form maps.
func checkCustom(targets []*target) error {
	lead := &leadgatev1.Lead{Email: "ada@example.com", Custom: map[string]*structpb.Value{}}
	for _, t := range targets {
		if t.field == nil {
			lead.Custom[t.custom] = structpb.NewStringValue("")
		}
	}
	err := protovalidate.Validate(lead)
	if broken := (*protovalidate.ValidationError)(nil); errors.As(err, &broken) {
		var faults []error
		for _, v := range broken.Violations {
			faults = append(faults, fmt.Errorf("%s: %s", configured(protovalidate.FieldPathString(v.Proto.GetField())), v.Proto.GetMessage()))
		}
		return errors.Join(faults...)
	}
	return err
}

// configured writes a path of protovalidate as the configuration does: custom["budget"] as custom.budget.
func configured(path string) string {
	if name, ok := strings.CutPrefix(path, `custom["`); ok {
		name, _, _ = strings.Cut(name, `"`)
		return customPrefix + name
	}
	return path
}

// cleaned returns the values as a lead keeps them, without those that are empty.
func (t *target) cleaned(values []string) []string {
	kept := make([]string, 0, len(values))
	for _, value := range values {
		if value = t.clean(value); value != "" {
			kept = append(kept, value)
		}
	}
	return kept
}

// bounded reports whether maxField holds for fields that lead here: not for the message, which lead.proto lets be longer,
// and not where text is cut.
func (t *target) bounded() bool { return t.path != pathMessage && t.most == 0 }

// set puts values into a lead, which has a source: all of them into a field of the business's own, the first into others.
func (t *target) set(lead *leadgatev1.Lead, values ...string) {
	switch {
	case t.field == nil:
		if lead.Custom == nil {
			lead.Custom = map[string]*structpb.Value{}
		}
		lead.Custom[t.custom] = customValue(values)
	case strings.HasPrefix(t.path, sourcePrefix):
		lead.Source.ProtoReflect().Set(t.field, protoreflect.ValueOfString(cut(values[0], t.most)))
	default:
		lead.ProtoReflect().Set(t.field, protoreflect.ValueOfString(values[0]))
	}
}

// customValue is a string, or a list of strings where there are several.
func customValue(values []string) *structpb.Value {
	if len(values) == 1 {
		return structpb.NewStringValue(values[0])
	}
	list := make([]*structpb.Value, len(values))
	for i, value := range values {
		list[i] = structpb.NewStringValue(value)
	}
	return structpb.NewListValue(&structpb.ListValue{Values: list})
}
