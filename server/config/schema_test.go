package config_test

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/leadgate/leadgate/server/config"
)

// jsonSchema is what the editors' schema says of one value, as far as these tests look at it.
type jsonSchema struct {
	Reference            string                 `json:"$ref"`
	AllOf                []*jsonSchema          `json:"allOf"`
	Type                 string                 `json:"type"`
	Pattern              string                 `json:"pattern"`
	Enum                 []string               `json:"enum"`
	Items                *jsonSchema            `json:"items"`
	Properties           map[string]*jsonSchema `json:"properties"`
	AdditionalProperties json.RawMessage        `json:"additionalProperties"`
	Definitions          map[string]*jsonSchema `json:"definitions"`
}

func TestTheEditorsSchemaTakesTheExample(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../gen/jsonschema/leadgate.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	root := &jsonSchema{}
	if err := json.Unmarshal(text, root); err != nil {
		t.Fatal(err)
	}
	var example any
	if err := yaml.Unmarshal([]byte(config.Example), &example); err != nil {
		t.Fatal(err)
	}
	root.expect(t, root, "", example)
	if string(root.AdditionalProperties) != "false" {
		t.Error("unknown keys are taken")
	}
}

// expect checks a value of the example.
func (s *jsonSchema) expect(t *testing.T, root *jsonSchema, path string, value any) {
	t.Helper()
	if len(s.AllOf) > 0 {
		s = root.Definitions[strings.TrimPrefix(s.AllOf[0].Reference, "#/definitions/")]
	}
	if s == nil {
		t.Fatalf("%s is not in the schema", path)
	}
	kind := ""
	switch value := value.(type) {
	case map[string]any:
		kind = "object"
		for key, item := range value {
			within := s.Properties[key]
			if within == nil && string(s.AdditionalProperties) != "false" {
				within = &jsonSchema{}
				if err := json.Unmarshal(s.AdditionalProperties, within); err != nil {
					t.Fatalf("%s: %v", path, err)
				}
			}
			within.expect(t, root, path+"."+key, item)
		}
	case []any:
		kind = "array"
		for _, item := range value {
			s.Items.expect(t, root, path+"[]", item)
		}
	case string:
		kind = "string"
		if !regexp.MustCompile(s.Pattern).MatchString(value) || s.Enum != nil && !slices.Contains(s.Enum, value) {
			t.Errorf("%s: %q is not taken", path, value)
		}
	case bool:
		kind = "boolean"
	case int:
		if kind = "integer"; s.Type == "number" {
			kind = s.Type
		}
	case float64:
		kind = "number"
	}
	if kind != s.Type {
		t.Errorf("%s is %s in the schema, %T in the example", path, s.Type, value)
	}
}
