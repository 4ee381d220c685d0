package config

import (
	"fmt"
	"maps"
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
)

// Difference returns the names of settings that differ between two configurations, sorted: listen, forms.contact, destinations.crm.
// It compares references, not their content.
func Difference(before, after *configv1.Config) []string {
	names := map[string]struct{}{}
	a, b := before.ProtoReflect(), after.ProtoReflect()
	fields := a.Descriptor().Fields()
	for i := range fields.Len() {
		field := fields.Get(i)
		if !field.IsMap() {
			if !a.Get(field).Equal(b.Get(field)) || a.Has(field) != b.Has(field) {
				names[string(field.Name())] = struct{}{}
			}
			continue
		}
		differing := func(key protoreflect.MapKey, value protoreflect.Value, other protoreflect.Map) {
			if !other.Has(key) || !other.Get(key).Equal(value) {
				names[fmt.Sprintf("%s.%s", field.Name(), key)] = struct{}{}
			}
		}
		inA, inB := a.Get(field).Map(), b.Get(field).Map()
		inA.Range(func(key protoreflect.MapKey, value protoreflect.Value) bool { differing(key, value, inB); return true })
		inB.Range(func(key protoreflect.MapKey, value protoreflect.Value) bool { differing(key, value, inA); return true })
	}
	return slices.Sorted(maps.Keys(names))
}

// Fixed returns the names of settings that differ in after but only take effect at the next start, and sets them in after to the
// values of before.
func Fixed(before, after *configv1.Config) []string {
	var names []string
	keep := func(name string, same bool, restore func()) {
		if !same {
			names = append(names, name)
			restore()
		}
	}
	keep("listen", before.GetListen() == after.GetListen(), func() { after.Listen = before.GetListen() })
	keep("data_dir", before.GetDataDir() == after.GetDataDir(), func() { after.DataDir = before.GetDataDir() })
	keep("cleartext_http2", before.GetCleartextHttp2() == after.GetCleartextHttp2(), func() { after.CleartextHttp2 = before.GetCleartextHttp2() })
	keep("store", proto.Equal(before.GetStore(), after.GetStore()), func() { after.Store = before.GetStore() })
	keep("tls", proto.Equal(before.GetTls(), after.GetTls()), func() { after.Tls = before.GetTls() })
	keep("log.format", before.GetLog().GetFormat() == after.GetLog().GetFormat(), func() { after.Log.Format = before.GetLog().GetFormat() })
	keep("intake.max_body_bytes", before.GetIntake().GetMaxBodyBytes() == after.GetIntake().GetMaxBodyBytes(),
		func() { after.Intake.MaxBodyBytes = before.GetIntake().GetMaxBodyBytes() })
	return names
}
