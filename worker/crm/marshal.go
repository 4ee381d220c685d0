package crm

import (
	"bytes"
	"encoding/json"
)

// Marshal is json.Marshal without its care for HTML: what is sent goes to a CRM, and operators read it.
func Marshal(value any) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}
