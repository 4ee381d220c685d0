package zoho

import (
	"cmp"
	"fmt"
	"net/http"
	"time"
)

func (a *api) token(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.FormValue("grant_type") != "refresh_token":
		answer(w, http.StatusOK, map[string]string{"error": "unsupported_grant_type"})
	case a.Issued(tokenWindow) >= maxTokens: // with status 200
		answer(w, http.StatusOK, map[string]string{
			"error_description": "You have made too many requests continuously. Please try again after some time.", "error": "Access Denied", "status": "failure",
		})
	case a.Revoked() || a.options.RefreshToken != "" && r.FormValue("refresh_token") != a.options.RefreshToken:
		answer(w, http.StatusOK, map[string]string{"error": "invalid_code"}) // with status 200
	default:
		answer(w, http.StatusOK, map[string]any{
			"access_token": a.Issue(tokenLife), "api_domain": "http://" + r.Host, "token_type": "Bearer", "expires_in": int(tokenLife / time.Second), "scope": "ZohoCRM.modules.leads.ALL",
		})
	}
}

// guarded requires an access token, credits and an existing module.
func (a *api) guarded(next endpoint) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !a.Valid(r.Header.Get("Authorization"), "Zoho-oauthtoken") {
			a.Fail(w, http.StatusUnauthorized)
			return
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		if !a.count(w) {
			a.Limit(w, true)
			return
		}
		name := cmp.Or(r.PathValue("module"), r.URL.Query().Get("module"))
		m := a.modules[name]
		if m == nil {
			fail(w, http.StatusBadRequest, "INVALID_MODULE", "the module name given seems to be invalid", map[string]any{"resource_path_index": 0})
			return
		}
		next(w, r, m)
	}
}

// count counts a call, and reports whether it is within the limit. The remaining credits are reported once half are used.
func (a *api) count(w http.ResponseWriter) bool {
	if a.options.Credits < 0 {
		return true
	}
	now := a.options.Now()
	used := a.calls.Last(24*time.Hour, now)
	if used >= a.options.Credits {
		return false
	}
	a.calls.Add(now)
	if left := a.options.Credits - used - 1; left < a.options.Credits/2 {
		w.Header().Set("X-API-CREDITS-REMAINING", fmt.Sprint(left))
	}
	return true
}

// Fail implements simulator.CRM.
func (a *api) Fail(w http.ResponseWriter, status int) {
	code, message := "INTERNAL_ERROR", "internal error occurred"
	switch status {
	case http.StatusUnauthorized:
		code, message = "INVALID_TOKEN", "invalid oauth token"
	case http.StatusForbidden:
		code, message = "NO_PERMISSION", "permission denied"
	case http.StatusNotFound:
		code, message = "INVALID_URL_PATTERN", "Please check if the URL trying to access is a correct one"
	case http.StatusTooManyRequests:
		code, message = "TOO_MANY_REQUESTS", "the requests exceed the allowed concurrency"
	case http.StatusBadRequest:
		code, message = "INVALID_DATA", "invalid data"
	}
	fail(w, status, code, message, nil)
}

// Limit implements simulator.Limited.
func (a *api) Limit(w http.ResponseWriter, daily bool) {
	if daily {
		fail(w, http.StatusTooManyRequests, "LIMIT_EXCEEDED", "the API credits of the day are used up", nil)
		return
	}
	a.Fail(w, http.StatusTooManyRequests)
}
