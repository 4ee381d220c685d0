package salesforce

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

// token issues access tokens for client credentials, a JWT or a refresh token.
func (a *api) token(w http.ResponseWriter, r *http.Request) {
	refuse := func(code, description string) {
		answer(w, http.StatusBadRequest, map[string]string{"error": code, "error_description": description})
	}
	switch r.PostFormValue("grant_type") {
	case "client_credentials", "refresh_token":
		secret := r.PostFormValue("client_secret")
		if _, password, ok := r.BasicAuth(); ok {
			secret = password
		}
		if a.Revoked() || a.options.ClientSecret != "" && secret != a.options.ClientSecret {
			refuse("invalid_client", "invalid client credentials")
			return
		}
	case "urn:ietf:params:oauth:grant-type:jwt-bearer":
		if code, description := a.assertion(r.PostFormValue("assertion")); code != "" {
			refuse(code, description)
			return
		}
	default:
		refuse("unsupported_grant_type", "grant type not supported")
		return
	}
	base := "http://" + r.Host
	answer(w, http.StatusOK, map[string]string{
		"access_token": a.Issue(a.options.SessionLife), "instance_url": base, "id": base + "/id/" + orgID + "/" + userID,
		"token_type": "Bearer", "scope": "api", "signature": "c2ln", "issued_at": "1764158400000",
	})
}

// assertion checks a JWT.
func (a *api) assertion(token string) (code, description string) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return "invalid_grant", "invalid assertion"
	}
	var header struct{ Alg string }
	var claims struct {
		Iss, Sub, Aud string
		Exp           float64
	}
	for i, into := range []any{&header, &claims} {
		document, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil || json.Unmarshal(document, into) != nil {
			return "invalid_grant", "invalid assertion"
		}
	}
	left := claims.Exp - float64(a.options.Now().Unix())
	switch {
	case header.Alg != "RS256":
		return "invalid_grant", "invalid assertion"
	case a.Revoked() || claims.Iss == "":
		return "invalid_client_id", "client identifier invalid"
	case claims.Aud != "https://login.salesforce.com" && claims.Aud != "https://test.salesforce.com":
		return "invalid_grant", "audience is invalid"
	case left <= 0 || left > float64(24*time.Hour/time.Second): // too far off if it is in milliseconds
		return "invalid_grant", "expired authorization code"
	case claims.Sub != username:
		return "invalid_grant", "user hasn't approved this consumer"
	}
	if a.options.PublicKey != nil {
		signature, err := base64.RawURLEncoding.DecodeString(parts[2])
		digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
		if err != nil || rsa.VerifyPKCS1v15(a.options.PublicKey, crypto.SHA256, digest[:], signature) != nil {
			return "invalid_grant", "invalid assertion"
		}
	}
	return "", ""
}

func (a *api) user(r *http.Request) map[string]any {
	return map[string]any{
		"id": "http://" + r.Host + "/id/" + orgID + "/" + userID, "user_id": userID, "organization_id": orgID, "username": username,
		"preferred_username": username, "display_name": "Integration", "email": username, "urls": map[string]string{"rest": "http://" + r.Host + "/services/data/v{version}/"},
	}
}
