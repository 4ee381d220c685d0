package intake

import (
	"google.golang.org/protobuf/reflect/protoreflect"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

// MayBreak says whether a lead that a form made could break the rules of lead.proto for a message or a field: those for what
// is right or left out need not be judged again, which is a third of what judging costs. It is a filter for
// protovalidate.WithFilter; the tests hold it against all rules.
func MayBreak(message protoreflect.Message, of protoreflect.Descriptor) bool {
	lead, ok := message.Interface().(*leadgatev1.Lead)
	if !ok {
		return true
	}
	if _, ok := of.(protoreflect.MessageDescriptor); ok { // the one rule about several fields
		return lead.GetEmail() == "" && lead.GetPhone() == ""
	}
	switch of.Name() {
	case pathPhone, pathCountry, "custom", "consents", "source", "enrichment":
		return false
	}
	return true
}
