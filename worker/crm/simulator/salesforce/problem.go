package salesforce

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// problem is a Salesforce error. For a record in a collection the code is in statusCode, otherwise in errorCode.
type problem struct {
	Message    string         `json:"message"`
	Code       string         `json:"errorCode,omitempty"`
	StatusCode string         `json:"statusCode,omitempty"`
	Fields     []string       `json:"fields"`
	Duplicates map[string]any `json:"duplicateResut,omitempty"` // Salesforce misspells it
}

// coded returns the problems of one record in a collection, which do not include the records that a duplicate rule found.
func coded(problems []problem) []problem {
	all := make([]problem, len(problems))
	for i, p := range problems {
		p.StatusCode, p.Code, p.Duplicates = p.Code, "", nil
		if p.Fields == nil {
			p.Fields = []string{}
		}
		all[i] = p
	}
	return all
}

func fail(w http.ResponseWriter, status int, problems ...problem) {
	for i := range problems {
		if problems[i].Fields == nil {
			problems[i].Fields = []string{}
		}
	}
	answer(w, status, problems)
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // fails if the caller has gone
}

// Fail implements simulator.CRM.
func (a *api) Fail(w http.ResponseWriter, status int) {
	p := problem{Message: "An unexpected error occurred", Code: "UNKNOWN_EXCEPTION"}
	switch status {
	case http.StatusUnauthorized:
		p = problem{Message: "Session expired or invalid", Code: "INVALID_SESSION_ID"}
	case http.StatusForbidden:
		p = problem{Message: "insufficient access rights on object id", Code: "INSUFFICIENT_ACCESS_OR_READONLY"}
	case http.StatusNotFound:
		p = problem{Message: "The requested resource does not exist", Code: "NOT_FOUND"}
	case http.StatusBadRequest:
		p = problem{Message: "unable to obtain exclusive access to this record", Code: "UNABLE_TO_LOCK_ROW"}
	case http.StatusServiceUnavailable:
		p = problem{Message: "Server is unavailable", Code: "SERVER_UNAVAILABLE"}
	}
	fail(w, status, p)
}

// Limit implements simulator.Limited. Salesforce sends neither 429 nor Retry-After.
func (a *api) Limit(w http.ResponseWriter, daily bool) {
	message := "ConcurrentRequests (Concurrent API Requests) Limit exceeded."
	if daily {
		message = "TotalRequests Limit exceeded."
		w.Header().Set("Sforce-Limit-Info", fmt.Sprintf("api-usage=%d/%[1]d", max(1, a.options.Daily)))
	}
	fail(w, http.StatusForbidden, problem{Message: message, Code: "REQUEST_LIMIT_EXCEEDED"})
}

// count counts a call, and reports whether it is within the limit. The caller holds mu.
func (a *api) count(w http.ResponseWriter) bool {
	if a.options.Daily < 0 {
		return true
	}
	now := a.options.Now()
	used := a.calls.Last(24*time.Hour, now)
	if used >= a.options.Daily {
		return false
	}
	a.calls.Add(now)
	w.Header().Set("Sforce-Limit-Info", fmt.Sprintf("api-usage=%d/%d", used+1, a.options.Daily))
	return true
}

func (a *api) limits(w http.ResponseWriter) {
	used := a.calls.Last(24*time.Hour, a.options.Now())
	limit := max(a.options.Daily, used)
	answer(w, http.StatusOK, map[string]any{"DailyApiRequests": map[string]int{"Max": limit, "Remaining": limit - used}})
}
