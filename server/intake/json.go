package intake

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// addJSON adds the fields of a JSON object.
func (l *fieldList) addJSON(body []byte) error {
	if !utf8.Valid(body) { // the standard library would replace what is not
		return errors.New("it is not UTF-8")
	}
	if err := checkJSON(body); err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if token, err := d.Token(); err != nil || token != json.Delim('{') {
		return errors.New("it must be a JSON object of the form's fields")
	}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return err
		}
		name, _ := token.(string) // keys are strings
		values, err := readValues(d)
		if err != nil {
			return fmt.Errorf("field %q: %w", clip(name), err)
		}
		if err := l.add(name, values...); err != nil {
			return err
		}
	}
	return nil
}

// checkJSON finds every fault of syntax, what follows the value included, so that reading token by token meets none.
func checkJSON(body []byte) error {
	var value json.RawMessage
	err := json.Unmarshal(body, &value)
	if syntax := (*json.SyntaxError)(nil); errors.As(err, &syntax) {
		return fmt.Errorf("it is not JSON, at byte %d: %w", syntax.Offset, err)
	}
	return err
}

// readValues reads a scalar or a list of scalars.
func readValues(d *json.Decoder) ([]string, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	if token != json.Delim('[') {
		value, err := scalar(token)
		return []string{value}, err
	}
	var values []string
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return nil, err
		}
		value, err := scalar(token)
		if err != nil {
			return nil, err
		}
		values = append(values, value)
	}
	_, err = d.Token() // the closing bracket
	return values, err
}

// scalar is a value as the form of a page would have sent it.
func scalar(token json.Token) (string, error) {
	switch value := token.(type) {
	case string:
		return value, nil
	case json.Number:
		return value.String(), nil
	case bool:
		return strconv.FormatBool(value), nil
	case nil:
		return "", nil
	}
	return "", errors.New("must be a string, a number, a boolean or a list of these, not an object or a list in a list")
}
