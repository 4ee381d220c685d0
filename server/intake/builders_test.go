package intake_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"buf.build/go/protovalidate"
	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/reflect/protoreflect"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/server/intake"
)

// builderSample is what a form builder sends (testdata/builders), and the lead that it must become without any mapping.
type builderSample struct {
	Builder     string
	ContentType string `yaml:"content_type"`
	Body        string
	Lead        map[string]string
	Unmapped    []string
}

func TestTheFormsOfEveryBuilderNeedNoMapping(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/builders/*.yaml")
	if err != nil || len(files) < 8 {
		t.Fatalf("%d samples, %v", len(files), err)
	}
	form, err := intake.NewForm("contact", &configv1.Form{DefaultRegion: "US", Destinations: []string{"crm"}})
	if err != nil {
		t.Fatal(err)
	}
	german, err := intake.NewForm("contact", &configv1.Form{DefaultRegion: "DE", Destinations: []string{"crm"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			t.Parallel()
			sample := readSample(t, file)
			used := form
			if sample.Lead["country"] == "DE" {
				used = german
			}
			result := used.Lead(&leadgatev1.Submission{Fields: sample.decode(t)})
			if diff := cmp.Diff(sample.Lead, told(result.Lead)); diff != "" {
				t.Errorf("the lead:\n%s", diff)
			}
			if diff := cmp.Diff(sample.Unmapped, append([]string{}, result.Unmapped...)); diff != "" {
				t.Errorf("unmapped:\n%s", diff)
			}
			if err := protovalidate.Validate(result.Lead); err != nil || len(result.Violations)+len(result.Omitted)+len(result.Waiting)+len(result.Drift) > 0 {
				t.Errorf("%v, violations %v, omitted %v, waiting %v, drift %v", err, result.Violations, result.Omitted, result.Waiting, result.Drift)
			}
		})
	}
}

func readSample(t testing.TB, file string) builderSample {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var sample builderSample
	if err := yaml.Unmarshal(text, &sample); err != nil {
		t.Fatal(err)
	}
	if strings.HasPrefix(sample.ContentType, typeForm) { // wrapped for readability
		sample.Body = strings.ReplaceAll(strings.ReplaceAll(sample.Body, " ", ""), "\n", "")
	}
	if intake.IsMultipart(sample.ContentType) {
		sample.Body = strings.ReplaceAll(sample.Body, "\n", "\r\n")
	}
	return sample
}

func (s builderSample) decode(t testing.TB) []*leadgatev1.Submission_Field {
	t.Helper()
	if intake.IsMultipart(s.ContentType) {
		fields, _, err := intake.DecodeMultipart(s.ContentType, strings.NewReader(s.Body), limit)
		if err != nil {
			t.Fatal(err)
		}
		return fields
	}
	fields, err := intake.Decode(s.ContentType, []byte(s.Body))
	if err != nil {
		t.Fatal(err)
	}
	return fields
}

// told returns a lead's fields, by path, without the form's name.
func told(lead *leadgatev1.Lead) map[string]string {
	all := map[string]string{}
	var add func(prefix string, message protoreflect.Message)
	add = func(prefix string, message protoreflect.Message) {
		message.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
			name := prefix + string(field.Name())
			switch {
			case field.IsMap():
				for custom, value := range lead.GetCustom() {
					all["custom."+custom] = asText(value)
				}
			case field.IsList():
			case field.Message() != nil:
				add(name+".", value.Message())
			case name != "source.form":
				all[name] = value.String()
			}
			return true
		})
	}
	add("", lead.ProtoReflect())
	return all
}
