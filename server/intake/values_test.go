package intake_test

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"buf.build/go/protovalidate"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	"github.com/leadgate/leadgate/server/intake"
)

// setting is the context of a value. testdata/values/README.md explains the notation.
type setting struct {
	field, region, country, page string
	value                        *configv1.Value
}

func TestValuesComeOutAsTheTablesSay(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/values/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	cases := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var in setting
		var form *intake.Form
		for i, line := range strings.Split(string(text), "\n") {
			at := filepath.Base(file) + ":" + strconv.Itoa(i+1)
			if strings.HasPrefix(line, "## ") {
				in = readSetting(t, at, line)
				form = in.form(t)
				continue
			}
			raw, want, ok := strings.Cut(line, " → ")
			if !ok {
				if line != "" {
					t.Errorf("%s: %q has no arrow", at, line)
				}
				continue
			}
			cases++
			raw, want = readable(raw), readable(want)
			got := in.comesOut(t, form, raw)
			if got != want {
				t.Errorf("%s: %q becomes %q, want %q", at, raw, got, want)
			}
			if strings.HasPrefix(got, "(") || in.field == intake.FullName || strings.Contains(got, "float64") || strings.Contains(got, "bool ") {
				continue
			}
			if again := in.comesOut(t, form, got); again != got {
				t.Errorf("%s: %q becomes %q when it is put in again", at, got, again)
			}
		}
	}
	if cases < 300 {
		t.Errorf("only %d cases were read", cases)
	}
}

func readSetting(t *testing.T, at, line string) setting {
	t.Helper()
	parts := strings.Split(strings.TrimPrefix(line, "## "), " | ")
	in := setting{field: parts[0], value: &configv1.Value{}}
	for _, part := range parts[1:] {
		name, rest, _ := strings.Cut(part, " ")
		switch name {
		case "form":
			in.region = strings.TrimPrefix(rest, "in ")
		case "lead":
			in.country = strings.TrimPrefix(rest, "in ")
		case "page:":
			in.page = "https://www.example.com/" + rest
		case "type:":
			in.value.Type = rest
		case "default:":
			in.value.Default = rest
		case "max_length:":
			most, err := strconv.ParseInt(rest, 10, 32)
			if err != nil {
				t.Fatalf("%s: %v", at, err)
			}
			in.value.MaxLength = int32(most)
		case "enum:":
			in.value.Enum = map[string]string{}
			for _, pair := range strings.Split(rest, ", ") {
				from, to, _ := strings.Cut(pair, "=")
				in.value.Enum[from] = to
			}
		default:
			t.Fatalf("%s: %q is not known", at, part)
		}
	}
	return in
}

// form returns a form that maps the field, in that context.
func (s setting) form(t *testing.T) *intake.Form {
	return newForm(t, func(cfg *configv1.Form) {
		cfg.Fields = map[string]string{"contact": "email", "where": "country"}
		if s.field == "email" {
			cfg.Fields = map[string]string{}
		}
		if s.field == "country" {
			delete(cfg.Fields, "where")
		}
		cfg.Fields["value"] = s.field
		cfg.DefaultRegion = s.region
		cfg.Values = map[string]*configv1.Value{s.field: s.value}
	})
}

// comesOut returns what the lead has for a value.
func (s setting) comesOut(t *testing.T, form *intake.Form, raw string) string {
	t.Helper()
	submission := submission("contact", "someone@example.com", "where", s.country, "value", raw)
	submission.PageUrl = s.page
	result := form.Lead(submission)
	refused := len(result.Violations) > 0
	var broken *protovalidate.ValidationError
	if err := protovalidate.Validate(result.Lead); errors.As(err, &broken) {
		refused = true
	}
	if refused {
		return "(refused)"
	}
	lead := result.Lead
	out := told(lead)[s.field]
	if s.field == intake.FullName {
		out = lead.GetFirstName() + " | " + lead.GetLastName()
	}
	if out == "" {
		return "(left out)"
	}
	return out
}

var codePoint = regexp.MustCompile(`⟨[0-9A-F]{4,5}⟩`)

// readable decodes the notation of the tables for invisible characters.
func readable(text string) string {
	text = strings.ReplaceAll(text, "⏎", "\n")
	return codePoint.ReplaceAllStringFunc(text, func(code string) string {
		number, err := strconv.ParseInt(strings.Trim(code, "⟨⟩"), 16, 32)
		if err != nil {
			return code
		}
		return string(rune(number))
	})
}
