package http

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// pointer is a JSON pointer (RFC 6901): the keys and indices that lead to a value.
type pointer []string

func parsePointer(s string) (pointer, error) {
	if !strings.HasPrefix(s, "/") {
		return nil, fmt.Errorf("%q is not a JSON pointer; it begins with a slash, as in /data/id", s)
	}
	steps := strings.Split(s[1:], "/")
	for i, step := range steps {
		if strings.Contains(strings.NewReplacer("~0", "", "~1", "").Replace(step), "~") {
			return nil, fmt.Errorf("%q is not a JSON pointer; ~ is written ~0, and / within a key is written ~1", s)
		}
		steps[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(step)
	}
	return steps, nil
}

// raw returns the part of a document that the pointer refers to; nil if there is none.
func (p pointer) raw(document []byte) json.RawMessage {
	value := json.RawMessage(bytes.TrimPrefix(document, []byte("\xef\xbb\xbf")))
	for _, step := range p {
		var object map[string]json.RawMessage
		var array []json.RawMessage
		switch {
		case json.Unmarshal(value, &object) == nil:
			value = object[step]
		case json.Unmarshal(value, &array) == nil:
			i, ok := index(step, len(array))
			if !ok {
				return nil
			}
			value = array[i]
		default:
			return nil
		}
	}
	return value
}

// index parses an index into an array of length n.
func index(step string, n int) (int, bool) {
	i, err := strconv.Atoi(step)
	return i, err == nil && strconv.Itoa(i) == step && i >= 0 && i < n
}

// text returns the string or number that the pointer refers to, as a string; empty if there is none.
func (p pointer) text(document []byte) string {
	decoder := json.NewDecoder(bytes.NewReader(p.raw(document)))
	decoder.UseNumber() // identifiers may have more digits than a float64 holds
	var value any
	if decoder.Decode(&value) != nil {
		return ""
	}
	switch found := value.(type) {
	case string:
		return found
	case json.Number:
		return found.String()
	}
	return ""
}
