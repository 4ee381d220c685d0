package mapping

import (
	"maps"
	"slices"
	"strconv"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/structpb"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

// Field is a field of a lead, in a form for people to read.
type Field struct {
	// Name is the field's name in the configuration, such as source.utm_source or custom.budget.
	Name string
	// Value is a text as it is, and anything else as JSON.
	Value string
}

// Flatten returns the fields of a lead that are set, in the order of the message's declaration.
func Flatten(lead *leadgatev1.Lead) []Field {
	if lead == nil {
		return nil
	}
	return flatten(lead.ProtoReflect(), "")
}

func flatten(message protoreflect.Message, prefix string) []Field {
	var all []Field
	fields := message.Descriptor().Fields()
	for i := range fields.Len() {
		field := fields.Get(i)
		if !message.Has(field) {
			continue
		}
		name, value := prefix+string(field.Name()), message.Get(field)
		switch {
		case field.IsMap():
			values := map[string]string{}
			value.Map().Range(func(key protoreflect.MapKey, value protoreflect.Value) bool {
				values[key.String()] = inWords(value.Message().Interface())
				return true
			})
			for _, key := range slices.Sorted(maps.Keys(values)) {
				all = append(all, Field{name + "." + key, values[key]})
			}
		case field.IsList():
			for n := range value.List().Len() {
				consent, _ := value.List().Get(n).Message().Interface().(*leadgatev1.Consent) // a lead has no other lists
				all = append(all, flattenConsent(name+"."+consent.GetPurpose()+".", consent)...)
			}
		case field.Message() != nil:
			all = append(all, flatten(value.Message(), name+".")...)
		default:
			all = append(all, Field{name, value.String()})
		}
	}
	return all
}

// flattenConsent returns the parts of a consent that are set. It always includes granted: a refusal must not look like consent.
func flattenConsent(prefix string, consent *leadgatev1.Consent) []Field {
	all := []Field{{prefix + "granted", strconv.FormatBool(consent.GetGranted())}}
	at := ""
	if consent.GetTime() != nil {
		at = consent.GetTime().AsTime().Format(time.RFC3339)
	}
	for _, part := range []Field{
		{"text", consent.GetText()}, {"text_version", consent.GetTextVersion()}, {"time", at},
		{"page_url", consent.GetPageUrl()}, {"ip", consent.GetIp()},
	} {
		if part.Value != "" {
			all = append(all, Field{prefix + part.Name, part.Value})
		}
	}
	return all
}

func inWords(message proto.Message) string {
	if value, ok := message.(*structpb.Value); ok {
		if text, ok := value.GetKind().(*structpb.Value_StringValue); ok {
			return text.StringValue
		}
	}
	text, err := protojson.Marshal(message)
	if err != nil { // JSON has no infinity, for example
		return err.Error()
	}
	return string(text)
}

// Difference returns the fields in which two leads differ, with their values before and after; empty if a field was not set.
func Difference(before, after *leadgatev1.Lead) []*leadgatev1.Change {
	was, is := Flatten(before), Flatten(after)
	var changes []*leadgatev1.Change
	seen := map[string]bool{}
	for _, field := range append(slices.Clip(was), is...) {
		if seen[field.Name] {
			continue
		}
		seen[field.Name] = true
		if from, to := joined(was, field.Name), joined(is, field.Name); from != to {
			changes = append(changes, &leadgatev1.Change{LeadField: field.Name, From: from, To: to})
		}
	}
	return changes
}

// joined returns the values of a field, which may occur several times, separated by commas.
func joined(fields []Field, name string) string {
	var text string
	for _, field := range fields {
		if field.Name != name {
			continue
		}
		if text != "" {
			text += ", "
		}
		text += field.Value
	}
	return text
}
