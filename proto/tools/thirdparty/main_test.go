package main

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/bufbuild/protocompile"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/descriptorpb"
)

func TestWhatIsPrintedIsWhatIsLinked(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := run([]string{dir}); err != nil {
		t.Fatal(err)
	}
	compiler := protocompile.Compiler{Resolver: protocompile.WithStandardImports(&protocompile.SourceResolver{ImportPaths: []string{dir}})}
	printed, err := compiler.Compile(t.Context(), files...)
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range files {
		linked, err := protoregistry.GlobalFiles.FindFileByPath(name)
		if err != nil {
			t.Fatal(err)
		}
		compiled := &descriptorpb.FileDescriptorProto{} // with the types of options that are linked, instead of those that the compiler created
		encoded, err := proto.MarshalOptions{Deterministic: true}.Marshal(protodesc.ToFileDescriptorProto(printed[i]))
		if err != nil {
			t.Fatal(err)
		}
		if err := proto.Unmarshal(encoded, compiled); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(protodesc.ToFileDescriptorProto(linked), compiled, protocmp.Transform()); diff != "" {
			t.Errorf("%s (-linked, +printed): %s", name, diff[:min(len(diff), 2000)])
		}
	}
}

func TestJavaScriptReadsWhatIsPrinted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := run([]string{dir}); err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if list := regexp.MustCompile(`: \[\s*\{`).Find(text); list != nil {
			t.Errorf("%s has a list of messages, which protobufjs does not read", name)
		}
	}
}
