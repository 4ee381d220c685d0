package http

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"strings"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/crm/oauth"
)

// wardrobe resolves the secrets for a request, and collects them so that no outcome shows them.
type wardrobe struct {
	env     crm.Environment
	secrets []string
	failure *crm.Outcome // for the first that cannot be read
}

// secret returns a configured text with its references to secrets resolved. Each secret is collected on its own, because an API may
// repeat it without the text around it.
func (w *wardrobe) secret(key, text string) string {
	value, err := w.env.Secret(text)
	if err != nil && w.failure == nil {
		w.failure = &crm.Outcome{Kind: crm.CredentialsRefused, Reason: "not sent: a secret cannot be read: http." + key + ": " + err.Error()}
	}
	for _, reference := range placeholder.FindAllString(text, -1) {
		if content, err := w.env.Secret(reference); err == nil && content != reference {
			w.secrets = append(w.secrets, content)
		}
	}
	return value
}

// dress sets the headers of a request, with the secrets that they refer to, and returns these secrets and the access token, if any.
// Configured headers override leadgate's own.
func (d *destination) dress(ctx context.Context, req *http.Request, r request) (secrets []string, access string, failure *crm.Outcome) {
	w := &wardrobe{env: d.env}
	if r.contentType != "" {
		req.Header.Set("Content-Type", r.contentType)
	}
	req.Header.Set("Accept", jsonType)
	if r.traceParent != "" {
		req.Header.Set("Traceparent", r.traceParent)
	}
	for name, text := range d.headers {
		filled, err := text.resolved(func(literal string) (string, error) {
			return w.secret("headers."+name, literal), nil
		})
		if err != nil || w.failure != nil {
			return nil, "", w.failure
		}
		value := filled.fill(r.values, oneLine)
		if strings.EqualFold(name, "Host") { // net/http ignores it in Header
			req.Host = value
		}
		req.Header.Set(name, value)
	}
	switch auth := d.cfg.GetAuth().GetKind().(type) {
	case *configv1.HTTPAuth_Bearer:
		req.Header.Set("Authorization", "Bearer "+w.secret("auth.bearer", auth.Bearer))
	case *configv1.HTTPAuth_Basic:
		req.SetBasicAuth(auth.Basic.GetUsername(), w.secret("auth.basic.password", auth.Basic.GetPassword()))
		_, encoded, _ := strings.Cut(req.Header.Get("Authorization"), " ")
		w.secrets = append(w.secrets, encoded)
	case *configv1.HTTPAuth_Header:
		req.Header.Set(auth.Header.GetName(), w.secret("auth.header.value", auth.Header.GetValue()))
	case *configv1.HTTPAuth_Query:
		query := req.URL.Query()
		query.Set(auth.Query.GetName(), w.secret("auth.query.value", auth.Query.GetValue()))
		req.URL.RawQuery = query.Encode()
	case *configv1.HTTPAuth_Oauth2:
		if access, failure = d.access(ctx, w, auth.Oauth2); failure != nil {
			return nil, "", failure
		}
		scheme := cmp.Or(auth.Oauth2.GetScheme(), "Bearer")
		req.Header.Set("Authorization", scheme+" "+access)
		w.secrets = append(w.secrets, access)
	}
	if r.idempotency != "" {
		header := cmp.Or(d.cfg.GetIdempotencyHeader(), defaultIdempotencyHeader)
		req.Header.Set(header, r.idempotency)
	}
	if d.signer != nil && r.contentType != "" && w.failure == nil {
		if err := d.signer.sign(w, req, r, d.env.Now()); err != nil {
			return nil, "", &crm.Outcome{Kind: crm.CredentialsRefused, Reason: "not sent: " + err.Error()}
		}
	}
	return w.secrets, access, w.failure
}

// access returns an access token for the client's current credentials.
func (d *destination) access(ctx context.Context, w *wardrobe, cfg *configv1.OAuth2) (string, *crm.Outcome) {
	credentials := oauth2Secrets(w, cfg)
	if w.failure != nil {
		return "", w.failure
	}
	token, failure := d.tokens.Get(ctx, credentials...)
	return token.Access, failure
}

func oauth2Secrets(w *wardrobe, cfg *configv1.OAuth2) []string {
	secrets := []string{
		w.secret("auth.oauth2.client_id", cfg.GetClientId()), w.secret("auth.oauth2.client_secret", cfg.GetClientSecret()),
	}
	if cfg.GetRefreshToken() != "" {
		secrets = append(secrets, w.secret("auth.oauth2.refresh_token", cfg.GetRefreshToken()))
	}
	return secrets
}

// grant implements crm.Grant.
func (d *destination) grant(ctx context.Context, secrets []string, last crm.Token) (crm.Token, *crm.Outcome) {
	cfg := d.cfg.GetAuth().GetOauth2()
	form := url.Values{"grant_type": {"client_credentials"}}
	if len(secrets) > 2 {
		form.Set("grant_type", "refresh_token")
		form.Set("refresh_token", cmp.Or(last.Refresh, secrets[2]))
	}
	for name, value := range map[string]string{"scope": cfg.GetScope(), "audience": cfg.GetAudience()} {
		if value != "" {
			form.Set(name, value)
		}
	}
	ask := oauth.Request{URL: cfg.GetTokenUrl(), Form: form, Secrets: append(secrets[1:], last.Refresh), Check: "http.auth.oauth2"}
	if cfg.GetClientAuth() == "basic" {
		ask.User, ask.Password = secrets[0], secrets[1]
	} else {
		form.Set("client_id", secrets[0])
		form.Set("client_secret", secrets[1])
	}
	reply, failure := oauth.Ask(ctx, d.env, ask)
	if failure != nil {
		return crm.Token{}, failure
	}
	token := reply.Token(d.env.Now())
	token.BaseURL = "" // http.url says where the API is
	return token, nil
}
