// Package enums has the values of enums as people and queries write them: dead for DELIVERY_STATE_DEAD.
package enums

import (
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// Name is the name of a value, without the part that all of its enum share, in lower case. A value that this version does not know
// is its number.
func Name(value protoreflect.Enum) string {
	values := value.Descriptor().Values()
	of := values.ByNumber(value.Number())
	if of == nil {
		return protoreflect.ValueOfEnum(value.Number()).String()
	}
	return strings.ToLower(strings.TrimPrefix(string(of.Name()), shared(value.Descriptor())))
}

// Words is the name of a value as a text has it: retry wait.
func Words(value protoreflect.Enum) string { return strings.ReplaceAll(Name(value), "_", " ") }

// Names are the names of all values but the first, which is none.
func Names(enum protoreflect.EnumDescriptor) []string {
	var names []string
	for i := 1; i < enum.Values().Len(); i++ {
		names = append(names, strings.ToLower(strings.TrimPrefix(string(enum.Values().Get(i).Name()), shared(enum))))
	}
	return names
}

// Find is the value of a name, in any case; nil if there is none. The first value is found, too.
func Find(enum protoreflect.EnumDescriptor, name string) protoreflect.EnumValueDescriptor {
	return enum.Values().ByName(protoreflect.Name(shared(enum) + strings.ToUpper(name)))
}

// shared is what the names of all values begin with.
func shared(enum protoreflect.EnumDescriptor) string {
	return strings.TrimSuffix(string(enum.Values().Get(0).Name()), "UNSPECIFIED")
}
