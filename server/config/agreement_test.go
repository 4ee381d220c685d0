package config_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/leadgate/leadgate/server/config"
)

// everyKey returns the documents of testdata/every_key.yaml.
func everyKey(t *testing.T) []*yaml.Node {
	t.Helper()
	text, err := os.ReadFile("testdata/every_key.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var files []*yaml.Node
	for decoder := yaml.NewDecoder(bytes.NewReader(text)); ; {
		file := &yaml.Node{}
		switch err := decoder.Decode(file); {
		case errors.Is(err, io.EOF):
			return files
		case err != nil:
			t.Fatal(err)
		}
		files = append(files, file.Content[0])
	}
}

// editorsSchema returns the schema for editors, compiled as strictly as editors apply it.
func editorsSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	schema, err := compiler.Compile("../../gen/jsonschema/leadgate.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

var coreNumber = regexp.MustCompile(`^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`)

// instance converts a node as an editor does: by the core schema of YAML 1.2, which has fewer notations for numbers than our
// parser, and no dates.
func instance(node *yaml.Node) any {
	switch node.Kind {
	case yaml.MappingNode:
		object := map[string]any{}
		for i := 0; i+1 < len(node.Content); i += 2 {
			object[node.Content[i].Value] = instance(node.Content[i+1])
		}
		return object
	case yaml.SequenceNode:
		list := []any{}
		for _, item := range node.Content {
			list = append(list, instance(item))
		}
		return list
	}
	switch {
	case node.Tag == "!!null":
		return nil
	case node.Tag == "!!bool":
		return node.Value == "true" || node.Value == "True"
	case (node.Tag == "!!int" || node.Tag == "!!float") && coreNumber.MatchString(node.Value):
		number, _ := strconv.ParseFloat(node.Value, 64)
		return number
	}
	return node.Value
}

// mistakes are values that people and programs write by mistake. In some places some of them are valid.
var mistakes = []string{
	`""`, `x`, `0`, `1`, `-1`, `"1"`, `1.5`, `.5`, `"0.5"`, `007`, `+1`, `1_000`, `1e3`, `.inf`, `999999999999`, `true`, `"true"`, `True`, `yes`, `~`,
	`[]`, `[x]`, `[1]`, `[~]`, `[""]`, `{}`, `{ x: y }`, `{ x: 1 }`, `{ x: ~ }`, `{ x: "" }`, `0s`, `90s`, `"90s"`, `1d12h`, `+1h`, `.5h`, `1.5h`, `90`,
	`2026-01-01`, `09:00`, `!!str x`, `!!int "1"`, `!vault x`, `!!binary eA==`, `https://x.example.com`, `javascript:void(0)`,
}

// ofShape matches problems with the kind of a value, all of which an editor can see, too.
var ofShape = regexp.MustCompile(`unknown key|unknown word|takes (keys|a list|a single)|is true or false|is a (whole )?number|has no unit|is not a duration|has no value|is empty:|cannot be 0`)

// ofSpelling matches problems with numbers and booleans in a notation that editors accept and the checker does not.
var ofSpelling = regexp.MustCompile(`not "(007|\+1|1e3|True)"`)

// While somebody types, the schema must report only what leadgate check would report. Every key gets some of the mistakes; with
// LEADGATE_SOAK=1, all.
func TestTheEditorsSchemaAndTheCheckerAgree(t *testing.T) {
	t.Parallel()
	schema := editorsSchema(t)
	variables := map[string]string{"A": "of the environment variable A, which is long", "B": "of the environment variable B, which is long", "W": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}
	certificate, key := pair(t)
	env := environment(variables, map[string]string{"tls.crt": certificate, "tls.key": key})
	tried, every := 0, 11 // not a divisor of the number of mistakes, so that keys get different ones
	if os.Getenv("LEADGATE_SOAK") == "1" {
		every = 1
	}
	seen := map[string]bool{}
	walkSchema(func(path, _ string) { seen[path] = false })
	for _, file := range everyKey(t) {
		agree := func(what string) (checked error) {
			text, err := yaml.Marshal(file)
			if err != nil {
				t.Fatal(err)
			}
			_, checked = config.Parse("f", text, env)
			edited := schema.Validate(instance(file))
			switch {
			case checked == nil && edited != nil:
				t.Errorf("%s: the checker takes it, the schema does not: %v", what, edited)
			case checked != nil && edited == nil && ofShape.MatchString(checked.Error()) && !ofSpelling.MatchString(checked.Error()):
				t.Errorf("%s: the schema takes it, the checker does not: %v", what, checked)
			}
			return checked
		}
		if err := agree("as it is"); err != nil {
			t.Fatalf("a good file is refused: %v", err)
		}
		var visit func(node *yaml.Node, path, name string)
		visit = func(node *yaml.Node, path, name string) {
			if _, known := seen[path]; known {
				seen[path] = true
			}
			before := *node
			if name != "" {
				for _, mistake := range mistakes {
					if tried++; tried%every != 0 {
						continue
					}
					*node = *parsed(t, mistake)
					_ = agree(fmt.Sprintf("%s: %s", name, mistake))
				}
			}
			*node = before
			switch node.Kind {
			case yaml.MappingNode:
				node.Content = append(slices.Clone(before.Content), parsed(t, "xyz"), parsed(t, "z"))
				_ = agree(name + " with a key xyz")
				for i := 0; i+1 < len(before.Content); i += 2 {
					key := before.Content[i].Value
					node.Content = slices.Delete(slices.Clone(before.Content), i, i+2)
					_ = agree(name + " without " + key)
					node.Content = before.Content
					within := path + "." + key
					if _, known := seen[within]; !known {
						within = path + ".*"
					}
					visit(before.Content[i+1], within, strings.TrimPrefix(name+"."+key, "."))
				}
			case yaml.SequenceNode:
				for _, item := range before.Content {
					visit(item, path, name+"[]")
				}
			}
		}
		visit(file, "", "")
	}
	for _, path := range slices.Sorted(maps.Keys(seen)) {
		if !seen[path] && !strings.Contains(path, ".alerts.destinations.*.") && !strings.Contains(path, ".alerts.forms.*.") {
			t.Errorf("testdata/every_key.yaml lacks %s", path)
		}
	}
}

func parsed(t *testing.T, text string) *yaml.Node {
	t.Helper()
	document := &yaml.Node{}
	if err := yaml.Unmarshal([]byte(text), document); err != nil {
		t.Fatal(err)
	}
	return document.Content[0]
}

// pair returns a certificate and its key, in PEM.
func pair(t *testing.T) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
}
