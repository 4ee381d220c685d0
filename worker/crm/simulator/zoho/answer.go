package zoho

import (
	"encoding/json"
	"net/http"
)

// result is the result for one record.
type result struct {
	Status    string         `json:"status"`
	Code      string         `json:"code"`
	Action    string         `json:"action,omitempty"`
	Duplicate *string        `json:"duplicate_field,omitempty"`
	Message   string         `json:"message"`
	Details   map[string]any `json:"details"`
}

func fail(w http.ResponseWriter, status int, code, message string, details map[string]any) {
	if details == nil {
		details = map[string]any{}
	}
	answer(w, status, result{Status: "error", Code: code, Message: message, Details: details})
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // fails if the caller has gone
}
