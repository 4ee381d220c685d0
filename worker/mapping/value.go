package mapping

import (
	"google.golang.org/protobuf/types/known/structpb"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

// of returns the field's value in a lead; nil if the lead does not have it.
func (f field) of(lead *leadgatev1.Lead) any {
	if f.custom != "" {
		return plain(lead.GetCustom()[f.custom])
	}
	if f.purpose != "" {
		return f.ofConsent(lead)
	}
	message := lead.ProtoReflect()
	last := len(f.path) - 1
	for _, within := range f.path[:last] {
		message = message.Get(within).Message() // empty if it is not set
	}
	return text(message.Get(f.path[last]).String())
}

// plain converts the value of a custom field to a Go type; nil if it is empty.
func plain(value *structpb.Value) any {
	switch kind := value.GetKind().(type) {
	case *structpb.Value_StringValue:
		return text(kind.StringValue)
	case *structpb.Value_NumberValue:
		return kind.NumberValue
	case *structpb.Value_BoolValue:
		return kind.BoolValue
	case *structpb.Value_ListValue:
		var list []any
		for _, item := range kind.ListValue.GetValues() {
			if v := plain(item); v != nil {
				list = append(list, v)
			}
		}
		if len(list) > 0 {
			return list
		}
	}
	return nil
}

func text(s string) any {
	if s == "" {
		return nil
	}
	return s
}
