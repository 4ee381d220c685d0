package dynamics

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

func (a *api) token(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.PostFormValue("grant_type") != "client_credentials" || !strings.HasSuffix(r.PostFormValue("scope"), "/.default"):
		answer(w, http.StatusBadRequest, map[string]string{"error": "invalid_request", "error_description": "AADSTS900144: the request body must contain grant_type and scope"})
	case a.Revoked() || a.options.ClientSecret != "" && r.PostFormValue("client_secret") != a.options.ClientSecret:
		answer(w, http.StatusUnauthorized, map[string]string{"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID."})
	default:
		answer(w, http.StatusOK, map[string]any{"token_type": "Bearer", "expires_in": int(tokenLife / time.Second), "access_token": a.Issue(tokenLife)})
	}
}

// count counts a call, and reports whether it is within the limit.
func (a *api) count(w http.ResponseWriter) bool {
	if a.options.Requests < 0 {
		return true
	}
	now := a.options.Now()
	used := a.calls.Last(window, now)
	if used >= a.options.Requests {
		return false
	}
	a.calls.Add(now)
	w.Header().Set("X-Ms-Ratelimit-Burst-Remaining-Xrm-Requests", fmt.Sprint(a.options.Requests-used-1))
	w.Header().Set("X-Ms-Dop-Hint", "4")
	return true
}

// Fail implements simulator.CRM.
func (a *api) Fail(w http.ResponseWriter, status int) {
	code, message := "0x80040216", "An unexpected error occurred."
	switch status {
	case http.StatusUnauthorized:
		w.WriteHeader(status) // with an empty body
		return
	case http.StatusForbidden:
		code, message = "0x80040220", "Principal user is missing prvCreateLead privilege"
	case http.StatusNotFound:
		code, message = "0x80060888", "Resource not found for the segment."
	case http.StatusTooManyRequests:
		code, message = "0x80072322", "Number of requests exceeded the limit of 6000 over time window of 300 seconds."
	case http.StatusBadRequest:
		code, message = "0x80040265", "An error occurred in the plug-in"
	}
	fail(w, status, code, message)
}

// Limit implements simulator.Limited. Dynamics is not known to have a daily limit.
func (a *api) Limit(w http.ResponseWriter, daily bool) {
	w.Header().Set("Retry-After", map[bool]string{false: "2", true: "300"}[daily])
	a.Fail(w, http.StatusTooManyRequests)
}
