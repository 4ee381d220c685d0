package http

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"text/template"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/mapping"
)

const jsonType = "application/json"

// body says how a lead is written.
type body struct {
	contentType string
	template    *template.Template
	expression  *expression
	form        bool
}

func newBody(cfg *configv1.HTTPBody) (body, error) {
	b := body{contentType: cfg.GetContentType()}
	var err error
	switch kind := cfg.GetKind().(type) {
	case *configv1.HTTPBody_Cel:
		b.expression, err = compile(kind.Cel, "properties")
	case *configv1.HTTPBody_Template:
		b.template, err = template.New("body").Funcs(escapes).Parse(kind.Template)
	case *configv1.HTTPBody_Form:
		b.form = true
	}
	switch {
	case b.contentType != "":
	case b.form:
		b.contentType = "application/x-www-form-urlencoded"
	default:
		b.contentType = jsonType
	}
	return b, err
}

// escapes are functions for templates, so that a value stays a value whatever it contains.
var escapes = template.FuncMap{
	"json": func(value string) (string, error) {
		written, err := crm.Marshal(value)
		return string(written), err
	},
	"xml": func(value string) string {
		var out bytes.Buffer
		xml.EscapeText(&out, []byte(value)) //nolint:errcheck // a buffer takes everything
		return out.String()
	},
	"query": url.QueryEscape,
}

// isJSON reports whether the body is JSON.
func (b body) isJSON() bool {
	kind, _, _ := strings.Cut(b.contentType, ";")
	kind = strings.TrimSpace(strings.ToLower(kind))
	return kind == jsonType || strings.HasSuffix(kind, "+json")
}

// isText reports whether bodies are stored as text.
func (b body) isText() bool { return b.form || b.template != nil && !b.isJSON() }

// write renders the body of a lead.
func (b body) write(properties []mapping.Property) ([]byte, error) {
	switch {
	case b.expression != nil:
		value, err := b.expression.json(map[string]any{"properties": object(properties)})
		if err != nil {
			return nil, fmt.Errorf("http.body.cel: %w", err)
		}
		return value, nil
	case b.template != nil:
		var out bytes.Buffer
		if err := b.template.Option("missingkey=zero").Execute(&out, texts(properties)); err != nil {
			return nil, errors.New("http.body.template cannot be filled in for this lead")
		}
		if !b.isJSON() {
			return out.Bytes(), nil
		}
		var compact bytes.Buffer
		if err := json.Compact(&compact, out.Bytes()); err != nil {
			return nil, fmt.Errorf("http.body.template gives no JSON for this lead (%w); write {{json .email}}, without quotes around it", err)
		}
		return compact.Bytes(), nil
	case b.form:
		return form(properties)
	}
	return crm.Marshal(object(properties))
}
