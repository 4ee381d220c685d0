package pipedrive

import (
	"cmp"
	"net/http"
	"time"
)

func (a *api) token(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.PostFormValue("grant_type") != "refresh_token":
		answer(w, http.StatusBadRequest, map[string]string{"error": "unsupported_grant_type"})
	case a.Revoked() || a.options.Token != "" && r.PostFormValue("refresh_token") != a.options.Token:
		answer(w, http.StatusBadRequest, map[string]string{"error": "invalid_grant", "error_description": "the refresh token is invalid"})
	default:
		answer(w, http.StatusOK, map[string]any{
			"access_token": a.Issue(tokenLife), "refresh_token": r.PostFormValue("refresh_token"), "token_type": "Bearer", "expires_in": int(tokenLife / time.Second), "api_domain": "http://" + r.Host,
		})
	}
}

func (a *api) knows(r *http.Request) bool {
	if a.Valid(r.Header.Get("Authorization"), "Bearer") {
		return true
	}
	token := cmp.Or(r.Header.Get("X-Api-Token"), r.URL.Query().Get("api_token"))
	return token != "" && !a.Revoked() && (a.options.Token == "" || token == a.options.Token)
}
