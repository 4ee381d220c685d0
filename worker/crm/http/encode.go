package http

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/mapping"
	"github.com/leadgate/leadgate/worker/spelling"
)

// envelope is the payload of a lead if the request contains more than JSON: values for the URL and the headers, or a body that is
// text. Otherwise the payload is the JSON to send.
type envelope struct {
	// Shape marks an envelope: the configuration may have changed when it is opened.
	Shape  string            `json:"leadgate"`
	Values map[string]string `json:"values,omitempty"`
	JSON   json.RawMessage   `json:"json,omitempty"`
	Text   *string           `json:"text,omitempty"`
}

const shape = "envelope"

// enveloped reports whether payloads are envelopes.
func (d *destination) enveloped() bool { return d.body.isText() || len(d.placeholders()) > 0 }

// placeholders returns the properties that the URL and the headers refer to.
func (d *destination) placeholders() []string {
	names := slices.Clone(d.url.names())
	for _, p := range d.headers {
		if p != nil { // it may have failed to parse
			names = append(names, p.names()...)
		}
	}
	return names
}

// CheckProperties implements crm.Selective.
func (d *destination) CheckProperties(names []string) error {
	var problems []error
	check := func(key string, p *pattern) {
		for _, name := range p.names() {
			if slices.Contains(names, name) {
				continue
			}
			wayOut := "there are " + strings.Join(names, ", ")
			if near := spelling.Nearest(name, names); near != "" {
				wayOut = "did you mean {" + near + "}?"
			}
			problems = append(problems, fmt.Errorf("http.%s: {%s} is no property of the destination, so that no lead could be sent; %s", key, name, wayOut))
		}
	}
	check("url", d.url)
	for name, p := range d.headers {
		check("headers."+name, p)
	}
	return errors.Join(problems...)
}

// Encode implements crm.Destination.
func (d *destination) Encode(properties []mapping.Property) ([]byte, error) {
	written, err := d.body.write(properties)
	if err != nil || !d.enveloped() {
		return written, err
	}
	e := envelope{Shape: shape, JSON: written}
	if d.body.isText() {
		text := string(written)
		e.JSON, e.Text = nil, &text
	}
	texts := texts(properties)
	for _, name := range d.placeholders() {
		if texts[name] == "" {
			return nil, fmt.Errorf("the lead has no value for {%s}, which http.url or http.headers need", name)
		}
		if e.Values == nil {
			e.Values = map[string]string{}
		}
		e.Values[name] = texts[name]
	}
	return crm.Marshal(e)
}

// open decodes a payload. One that another configuration produced is accepted if this one could have produced it.
func (d *destination) open(payload []byte) (values map[string]string, body []byte, err error) {
	var e envelope
	if json.Unmarshal(payload, &e) != nil || e.Shape != shape {
		e = envelope{JSON: payload}
	}
	for _, name := range d.placeholders() {
		if e.Values[name] == "" {
			return nil, nil, fmt.Errorf("it was stored without {%s}", name)
		}
	}
	switch {
	case e.Text != nil && d.body.isText():
		return e.Values, []byte(*e.Text), nil
	case e.Text == nil && !d.body.isText():
		return e.Values, e.JSON, nil
	}
	return nil, nil, errors.New("it was stored with a body of another kind")
}

// object returns the properties as a JSON object.
func object(properties []mapping.Property) map[string]any {
	values := make(map[string]any, len(properties))
	for _, p := range properties {
		values[p.Name] = p.Value
	}
	return values
}

// texts returns the properties as text. Several values are joined by commas.
func texts(properties []mapping.Property) map[string]string {
	values := make(map[string]string, len(properties))
	for _, p := range properties {
		values[p.Name] = text(p.Value)
	}
	return values
}

func text(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case []any:
		items := make([]string, len(v))
		for i, item := range v {
			items[i] = text(item)
		}
		return strings.Join(items, ", ")
	}
	return fmt.Sprint(value)
}

// form encodes the properties like a browser. Several values become several fields with the same name.
func form(properties []mapping.Property) ([]byte, error) {
	values := url.Values{}
	for _, p := range properties {
		items, several := p.Value.([]any)
		if !several {
			items = []any{p.Value}
		}
		for _, item := range items {
			if n, ok := item.(float64); ok && (math.IsNaN(n) || math.IsInf(n, 0)) {
				return nil, fmt.Errorf("property %s: %v is not a number that can be sent", p.Name, n)
			}
			values.Add(p.Name, text(item))
		}
	}
	return []byte(values.Encode()), nil
}
