package salesforce

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/crm/oauth"
)

// assertionLife is how long a JWT is valid; Salesforce wants a few minutes.
const assertionLife = 3 * time.Minute

const jwtGrant = "urn:ietf:params:oauth:grant-type:jwt-bearer"

// secrets returns the current client credentials, or those for a JWT.
func (d *destination) secrets() ([]string, *crm.Outcome) {
	if jwt := d.cfg.GetJwt(); jwt != nil {
		return d.env.Credentials("salesforce", jwt.GetClientId(), jwt.GetPrivateKey())
	}
	client := d.cfg.GetClientCredentials()
	return d.env.Credentials("salesforce", client.GetClientId(), client.GetClientSecret())
}

// grant implements crm.Grant.
func (d *destination) grant(ctx context.Context, secrets []string, _ crm.Token) (crm.Token, *crm.Outcome) {
	ask := oauth.Request{URL: d.login + "/services/oauth2/token", Secrets: secrets[1:], Check: "salesforce.client_credentials"}
	if jwt := d.cfg.GetJwt(); jwt != nil {
		assertion, err := d.assertion(secrets[0], secrets[1])
		if err != nil {
			return crm.Token{}, &crm.Outcome{Kind: crm.CredentialsRefused, Reason: "not sent: salesforce.jwt.private_key: " + err.Error()}
		}
		ask.Form = url.Values{"grant_type": {jwtGrant}, "assertion": {assertion}}
		ask.Check = "salesforce.jwt"
	} else {
		ask.Form = url.Values{"grant_type": {"client_credentials"}, "client_id": {secrets[0]}, "client_secret": {secrets[1]}}
	}
	reply, failure := oauth.Ask(ctx, d.env, ask)
	if failure != nil {
		return crm.Token{}, failure
	}
	token := reply.Token(d.env.Now())
	token.BaseURL = d.instance(reply.InstanceURL)
	token.Account = account(reply.ID, token.BaseURL)
	return token, nil
}

// assertion returns a signed JWT to act for the user.
func (d *destination) assertion(clientID, privateKey string) (string, error) {
	key, err := parseKey(privateKey)
	if err != nil {
		return "", err
	}
	claims, err := json.Marshal(map[string]any{
		"iss": clientID, "sub": d.cfg.GetJwt().GetUsername(), "aud": d.audience(), "exp": d.env.Now().Add(assertionLife).Unix(),
	})
	if err != nil {
		return "", err
	}
	encoded := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256","typ":"JWT"}`)) + "." + base64.RawURLEncoding.EncodeToString(claims)
	digest := sha256.Sum256([]byte(encoded))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:])
	if err != nil {
		return "", errors.New("it cannot sign")
	}
	return encoded + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

// audience returns the audience of the JWT: the login page of production or of sandboxes.
func (d *destination) audience() string {
	if audience := d.cfg.GetJwt().GetAudience(); audience != "" {
		return audience
	}
	if host := hostOf(d.login); strings.Contains(host, ".sandbox.") || host == "test.salesforce.com" {
		return "https://test.salesforce.com"
	}
	return "https://login.salesforce.com"
}

// parseKey parses an RSA key in PEM. Line breaks may be written as \n, as is common in environment variables.
func parseKey(text string) (*rsa.PrivateKey, error) {
	block, _ := pem.Decode([]byte(strings.ReplaceAll(text, `\n`, "\n")))
	if block == nil {
		return nil, errors.New("it is not PEM, which begins with -----BEGIN PRIVATE KEY-----")
	}
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	key, ok := parsed.(*rsa.PrivateKey)
	if err != nil || !ok {
		return nil, errors.New("it is not an RSA key; Salesforce accepts no other")
	}
	return key, nil
}

// instance returns the base URL of the API. Salesforce names it with each token; it is believed only if it is one of Salesforce's
// hosts. Otherwise it is the host that issued the token.
func (d *destination) instance(named string) string {
	u, err := url.Parse(named)
	if err != nil || u.Host == "" {
		return d.login
	}
	host := u.Hostname()
	for _, own := range []string{".salesforce.com", ".force.com", ".salesforce.mil", ".cloudforce.com"} {
		if u.Scheme == "https" && strings.HasSuffix(host, own) {
			return "https://" + u.Host
		}
	}
	return d.login
}

func isLoginHost(address string) bool {
	host := hostOf(address)
	return host == "login.salesforce.com" || host == "test.salesforce.com"
}

func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// account returns the organisation's identifier from the user's URL, …/id/ORGANISATION/USER. If it is not there, the host
// identifies the organisation.
func account(id, base string) string {
	if _, path, ok := strings.Cut(id, "/id/"); ok {
		if organisation, _, ok := strings.Cut(path, "/"); ok && organisation != "" {
			return organisation
		}
	}
	return hostOf(base)
}
