// Command thirdparty prints the third-party schemas that leadgate's schemas import, from the descriptors that are linked in. So
// they always match the versions in go.mod, and generating code needs no schema registry.
//
// Usage: go run ./proto/tools/thirdparty OUT_DIR
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	_ "buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"github.com/jhump/protoreflect/v2/protoprint"
	_ "google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// marks matches the tokens needed to find where a list of messages in an option begins, continues and ends.
var marks = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|\bcel: \[\s*|[{}]|,\s*|\s*\]`)

// withoutLists rewrites an option's cel: [{…}, {…}] as cel: {…}, cel: {…}, which is equivalent in protobuf. protobufjs, and so
// @grpc/proto-loader and other JavaScript tools, cannot parse lists of messages.
func withoutLists(text string) string {
	list, depth := false, 0
	return marks.ReplaceAllStringFunc(text, func(mark string) string {
		switch {
		case strings.HasPrefix(mark, "cel:"):
			list = true
			return "cel: "
		case !list:
		case mark == "{":
			depth++
		case mark == "}":
			depth--
		case depth > 0:
		case mark[0] == ',':
			return ", cel: "
		default: // the end of the list
			list = false
			return ""
		}
		return mark
	})
}

var files = []string{
	"buf/validate/validate.proto",
	"google/api/annotations.proto",
	"google/api/http.proto",
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "thirdparty:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("want one argument, the output directory")
	}
	var p protoprint.Printer
	for _, name := range files {
		fd, err := protoregistry.GlobalFiles.FindFileByPath(name)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		text, err := p.PrintProtoToString(fd)
		if err != nil {
			return fmt.Errorf("print %s: %w", name, err)
		}
		text = withoutLists(text)
		path := filepath.Join(args[0], name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}
