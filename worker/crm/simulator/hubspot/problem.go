package hubspot

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
)

// problem is an error in HubSpot's format.
type problem struct {
	Status        string              `json:"status,omitempty"`
	Category      string              `json:"category,omitempty"`
	Message       string              `json:"message"`
	Code          string              `json:"code,omitempty"`
	In            string              `json:"in,omitempty"`
	CorrelationID string              `json:"correlationId,omitempty"`
	ErrorType     string              `json:"errorType,omitempty"`
	PolicyName    string              `json:"policyName,omitempty"`
	Context       map[string][]string `json:"context,omitempty"`
	Errors        []problem           `json:"errors,omitempty"`
	Links         map[string]string   `json:"links,omitempty"`
}

var (
	unauthenticated = problem{
		Category: "INVALID_AUTHENTICATION",
		Message: "Authentication credentials not found. This API supports OAuth 2.0 authentication and you can find more details at " +
			"https://developers.hubspot.com/docs/methods/auth/oauth-overview",
	}
	expired = problem{
		Category: "EXPIRED_AUTHENTICATION", Message: "The OAuth token used to make this call expired 7 second(s) ago.",
	}
	missingScopes = problem{
		Category: "MISSING_SCOPES",
		Message: "This app hasn't been granted all required scopes to make this call. " +
			"Read more about required scopes here: https://developers.hubspot.com/scopes.",
		Errors: []problem{{
			Message: "One or more of the following scopes are required.",
			Context: map[string][]string{"requiredGranularScopes": {"crm.objects.contacts.write"}},
		}},
		Links: map[string]string{"scopes": "https://developers.hubspot.com/scopes"},
	}
	notFound = problem{Category: "OBJECT_NOT_FOUND", Message: "resource not found"}
)

// limitReached uses HubSpot's exact message: its own client compares the text.
func limitReached(policy string) problem {
	return problem{
		Message: fmt.Sprintf("You have reached your %s limit.", strings.ToLower(policy)), ErrorType: "RATE_LIMIT", PolicyName: policy,
	}
}

func invalid(message string) problem { return problem{Category: "VALIDATION_ERROR", Message: message} }

// withTrace adds the trace of a batch input to the problem.
func (p problem) withTrace(trace string) problem {
	context := map[string][]string{"objectWriteTraceId": {trace}}
	maps.Copy(context, p.Context)
	p.Status, p.Context = "error", context
	return p
}

// Fail implements simulator.CRM.
func (a *api) Fail(w http.ResponseWriter, status int) {
	p := problem{Message: "internal error", Category: "INTERNAL_ERROR"}
	switch status {
	case http.StatusUnauthorized:
		p = unauthenticated
	case http.StatusForbidden:
		p = missingScopes
	case http.StatusNotFound:
		p = notFound
	case http.StatusTooManyRequests:
		p = limitReached(tenSecondly)
	case http.StatusConflict:
		p = problem{Category: "CONFLICT", Message: "Contact already exists"}
	case http.StatusBadRequest:
		p = invalid("Invalid input")
	}
	a.answer(w, status, p)
}

// answer writes an answer. Even an empty one has a content type: HubSpot's own client insists on it.
func (a *api) answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json;charset=utf-8")
	if p, ok := body.(problem); ok {
		p.Status, p.CorrelationID = "error", a.correlationID()
		w.Header().Set("X-HubSpot-Correlation-Id", p.CorrelationID)
		body = p
	}
	w.WriteHeader(status)
	if body != nil && status != http.StatusNoContent {
		_ = json.NewEncoder(w).Encode(body) // fails if the caller has gone
	}
}

func (a *api) correlationID() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	high, low := a.random.Uint64(), a.random.Uint64()
	return fmt.Sprintf("%08x-%04x-4%03x-8%03x-%012x", high>>32, high>>16&0xffff, high&0xfff, low>>52, low&0xffffffffffff)
}
