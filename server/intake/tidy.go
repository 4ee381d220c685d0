package intake

import (
	"maps"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

// Tidy corrects in place what a backend may send in an untidy form: it trims white space around every text, lower-cases the e-mail
// address and upper-cases the country, normalizes times whose nanoseconds are out of range, removes custom fields that are null,
// and sets granted to false in a consent that does not say. Everything else stays as sent. Tidy is idempotent; it ignores a nil
// lead.
func Tidy(lead *leadgatev1.Lead) {
	if lead == nil {
		return
	}
	maps.DeleteFunc(lead.Custom, func(_ string, value *structpb.Value) bool { return isNull(value) })
	trim(lead.ProtoReflect())
	lead.Email = strings.ToLower(lead.Email)
	lead.Country = strings.ToUpper(lead.Country)
	for _, consent := range lead.Consents {
		if consent != nil && consent.Granted == nil {
			consent.Granted = proto.Bool(false)
		}
		if at := consent.GetTime(); at != nil && !at.IsValid() {
			consent.Time = timestamppb.New(at.AsTime())
		}
	}
}

func isNull(value *structpb.Value) bool {
	_, null := value.GetKind().(*structpb.Value_NullValue)
	return null
}

// trim trims white space around every text of a message, at any depth.
func trim(message protoreflect.Message) {
	message.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		switch {
		case field.IsMap():
			if field.MapValue().Message() != nil {
				value.Map().Range(func(_ protoreflect.MapKey, item protoreflect.Value) bool {
					trim(item.Message())
					return true
				})
			}
		case field.IsList():
			if field.Message() != nil {
				for i := range value.List().Len() {
					trim(value.List().Get(i).Message())
				}
			}
		case field.Message() != nil:
			trim(value.Message())
		case field.Kind() == protoreflect.StringKind:
			if text := value.String(); text != strings.TrimSpace(text) {
				message.Set(field, protoreflect.ValueOfString(strings.TrimSpace(text)))
			}
		}
		return true
	})
}
