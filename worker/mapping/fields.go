package mapping

import (
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/spelling"
)

// customPrefix begins the names of custom fields.
const customPrefix = "custom."

// field is a field of a lead: a path of the message, a custom field, or a part of a consent.
type field struct {
	path   []protoreflect.FieldDescriptor
	custom string // empty if it is not a custom field
	// purpose and part name a part of a consent; empty if it is not one.
	purpose, part string
}

// Fields returns the names of all lead fields that hold a single text, sorted: those of leadgate.v1.Lead, and those of the messages
// in it, such as source.utm_source. Custom fields (custom.NAME) are not included, because each business names its own.
func Fields() []string {
	var names []string
	walk(descriptor(), nil, func(path []protoreflect.FieldDescriptor) {
		names = append(names, nameOf(path))
	})
	slices.Sort(names)
	return names
}

// Check returns an error if a path is not the name of a lead field, such as email, source.utm_source or custom.budget. The error
// suggests the name that was probably meant.
func Check(path string) error {
	_, err := parse(path)
	return err
}

func descriptor() protoreflect.MessageDescriptor {
	return (*leadgatev1.Lead)(nil).ProtoReflect().Descriptor()
}

// walk visits the text fields of a message and of the messages in it. visit may keep the path.
func walk(message protoreflect.MessageDescriptor, above []protoreflect.FieldDescriptor, visit func([]protoreflect.FieldDescriptor)) {
	fields := message.Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		path := append(slices.Clone(above), f)
		switch {
		case f.IsList(), f.IsMap():
		case f.Kind() == protoreflect.StringKind:
			visit(path)
		case f.Kind() == protoreflect.MessageKind:
			walk(f.Message(), path, visit)
		}
	}
}

func nameOf(path []protoreflect.FieldDescriptor) string {
	names := make([]string, len(path))
	for i, f := range path {
		names[i] = string(f.Name())
	}
	return strings.Join(names, ".")
}

func parse(path string) (field, error) {
	if strings.HasPrefix(path, "=") {
		return field{}, fmt.Errorf("%q: an expression has its place under properties of a destination; name a lead field here, such as email", path)
	}
	if name, ok := strings.CutPrefix(path, customPrefix); ok {
		if !isCustomName(name) {
			return field{}, fmt.Errorf("%q is not the name of a custom field; after %q come lower case letters, digits and underscores, a letter first, at most %d",
				path, customPrefix, maxCustomName)
		}
		return field{custom: name}, nil
	}
	if rest, ok := strings.CutPrefix(path, consentPrefix); ok {
		return parseConsent(rest)
	}
	var found field
	walk(descriptor(), nil, func(p []protoreflect.FieldDescriptor) {
		if nameOf(p) == path {
			found.path = p
		}
	})
	if found.path == nil {
		return field{}, unknown(path)
	}
	return found, nil
}

func unknown(path string) error {
	if near := spelling.Nearest(path, Fields()); near != "" {
		return fmt.Errorf("unknown lead field %q; did you mean %q?", path, near)
	}
	return fmt.Errorf("unknown lead field %q; fields of your own are custom.NAME, the others are %s", path, strings.Join(Fields(), ", "))
}

// The limit in lead.proto, in the rule lead.custom.name; a test checks that the two agree.
const maxCustomName = 63

func isCustomName(name string) bool {
	if name == "" || len(name) > maxCustomName || name[0] < 'a' || name[0] > 'z' {
		return false
	}
	return strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
}
