// Package enums has the values of enums as people write them and in queries: dead for DELIVERY_STATE_DEAD.
package enums

import (
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// Name returns the name of a value in lower case, without the prefix that all names of the enum share. For a value that this
// version does not know it returns the number.
func Name(value protoreflect.Enum) string {
	values := value.Descriptor().Values()
	of := values.ByNumber(value.Number())
	if of == nil {
		return protoreflect.ValueOfEnum(value.Number()).String()
	}
	return strings.ToLower(strings.TrimPrefix(string(of.Name()), shared(value.Descriptor())))
}

// Words returns the name of a value with spaces for underscores: retry wait.
func Words(value protoreflect.Enum) string { return strings.ReplaceAll(Name(value), "_", " ") }

// Names returns the names of all values but the first, which means unspecified.
func Names(enum protoreflect.EnumDescriptor) []string {
	var names []string
	for i := 1; i < enum.Values().Len(); i++ {
		names = append(names, strings.ToLower(strings.TrimPrefix(string(enum.Values().Get(i).Name()), shared(enum))))
	}
	return names
}

// Find returns the value with a name, in upper or lower case; nil if there is none. It also finds the first value.
func Find(enum protoreflect.EnumDescriptor, name string) protoreflect.EnumValueDescriptor {
	return enum.Values().ByName(protoreflect.Name(shared(enum) + strings.ToUpper(name)))
}

// shared returns the prefix of all value names.
func shared(enum protoreflect.EnumDescriptor) string {
	return strings.TrimSuffix(string(enum.Values().Get(0).Name()), "UNSPECIFIED")
}
