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

// text returns the string or number that the pointer leads to in a document, as a string; empty if there is none.
func (p pointer) text(document []byte) string {
	decoder := json.NewDecoder(bytes.NewReader(document))
	decoder.UseNumber() // identifiers may have more digits than a float64 keeps
	var value any
	if decoder.Decode(&value) != nil {
		return ""
	}
	for _, step := range p {
		switch within := value.(type) {
		case map[string]any:
			value = within[step]
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || strconv.Itoa(i) != step || i < 0 || i >= len(within) {
				return ""
			}
			value = within[i]
		default:
			return ""
		}
	}
	switch found := value.(type) {
	case string:
		return found
	case json.Number:
		return found.String()
	}
	return ""
}
