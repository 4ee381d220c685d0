package journal

import (
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// maxText is the longest text in an event that is not stored, in bytes. The longest that leadgate itself puts there is a CRM's
// answer of 4 KiB.
const maxText = 8 << 10

// makeLegible makes every text in a message one that can be sent: protobuf refuses invalid UTF-8, which would end every watch.
func makeLegible(m protoreflect.Message) {
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.IsMap(): // events have none
		case f.IsList():
			for i := range v.List().Len() {
				switch f.Kind() {
				case protoreflect.StringKind:
					if text := v.List().Get(i).String(); !isLegible(text) {
						v.List().Set(i, protoreflect.ValueOfString(legible(text)))
					}
				case protoreflect.MessageKind:
					makeLegible(v.List().Get(i).Message())
				}
			}
		case f.Kind() == protoreflect.StringKind:
			if text := v.String(); !isLegible(text) {
				m.Set(f, protoreflect.ValueOfString(legible(text)))
			}
		case f.Kind() == protoreflect.MessageKind:
			makeLegible(v.Message())
		}
		return true
	})
}

func isLegible(text string) bool { return len(text) <= maxText && utf8.ValidString(text) }

func legible(text string) string {
	if len(text) > maxText {
		text = text[:maxText-len("…")] + "…"
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}
