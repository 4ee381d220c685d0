package journal

import (
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// maxText bounds each text of an event that no store wrote, in bytes: more than the longest that leadgate writes there, a CRM's
// answer of 4 KiB.
const maxText = 8 << 10

// makeLegible makes of every text in a message one that can be passed on: what is no UTF-8 cannot, and would end all watches.
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
