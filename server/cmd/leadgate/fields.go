package main

import (
	"fmt"
	"io"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/structpb"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	leadfields "github.com/leadgate/leadgate/worker/mapping"
	"github.com/leadgate/leadgate/worker/spelling"
)

// setField sets a text field of a lead by name, such as email, source.utm_source or custom.budget.
func setField(lead *leadgatev1.Lead, p pair) error {
	if name, ok := strings.CutPrefix(p.name, "custom."); ok {
		if lead.Custom == nil {
			lead.Custom = map[string]*structpb.Value{}
		}
		lead.Custom[name] = structpb.NewStringValue(p.value)
		return nil
	}
	message := lead.ProtoReflect()
	path := strings.Split(p.name, ".")
	for _, name := range path[:len(path)-1] {
		field := message.Descriptor().Fields().ByName(protoreflect.Name(name))
		if field == nil || field.Message() == nil || field.IsList() || field.IsMap() {
			return unknownField(p.name)
		}
		message = message.Mutable(field).Message()
	}
	field := message.Descriptor().Fields().ByName(protoreflect.Name(path[len(path)-1]))
	if field == nil || field.Kind() != protoreflect.StringKind || field.IsList() {
		return unknownField(p.name)
	}
	message.Set(field, protoreflect.ValueOfString(p.value))
	return nil
}

func unknownField(name string) error {
	if near := spelling.Nearest(name, leadfields.Fields()); near != "" {
		return usageError{fmt.Errorf("a lead has no field %q; did you mean %q? A field of your own is written custom.%s", name, near, name)}
	}
	return usageError{fmt.Errorf("a lead has no field %q; a field of your own is written custom.%s", name, name)}
}

// printFields writes the fields of a lead that are set, one per line.
func printFields(w io.Writer, lead *leadgatev1.Lead) {
	for _, field := range leadfields.Flatten(lead) {
		fmt.Fprintf(w, "  %-20s %s\n", field.Name, field.Value)
	}
}
