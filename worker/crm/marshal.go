package crm

import (
	"bytes"
	"encoding/json"
)

// Marshal is like json.Marshal but does not escape HTML: the result goes to a CRM and is read by operators.
func Marshal(value any) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}
