package hubspot

import (
	"context"
	"net/url"
	"slices"

	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/crm/oauth"
)

const tokenPath = "/oauth/v1/token"

// access returns the access token to call with. HubSpot wants tokens by OAuth renewed when their time is over and not when it
// refuses them (contracts, hubspot.md §3); crm.Tokens does.
func (d *destination) access(ctx context.Context) (string, *crm.Outcome) {
	if d.tokens == nil {
		return d.secret("hubspot.token", d.token)
	}
	var credentials []string
	for name, reference := range map[string]string{
		"client_id": d.oauth.GetClientId(), "client_secret": d.oauth.GetClientSecret(), "refresh_token": d.oauth.GetRefreshToken(),
	} {
		content, failure := d.secret("hubspot.oauth."+name, reference)
		if failure != nil {
			return "", failure
		}
		credentials = append(credentials, name+"="+content)
	}
	slices.Sort(credentials)
	token, failure := d.tokens.Get(ctx, credentials...)
	return token.Access, failure
}

func (d *destination) secret(key, reference string) (string, *crm.Outcome) {
	content, err := d.env.Secret(reference)
	if err != nil {
		return "", &crm.Outcome{Kind: crm.CredentialsRefused, Reason: "not sent: " + key + " cannot be read: " + err.Error()}
	}
	return content, nil
}

// grant is crm.Grant: a token for the refresh token, the newest that HubSpot gave.
func (d *destination) grant(ctx context.Context, last crm.Token) (crm.Token, *crm.Outcome) {
	form := url.Values{"grant_type": {"refresh_token"}}
	var secrets []string
	for name, reference := range map[string]string{
		"client_id": d.oauth.GetClientId(), "client_secret": d.oauth.GetClientSecret(), "refresh_token": d.oauth.GetRefreshToken(),
	} {
		content, failure := d.secret("hubspot.oauth."+name, reference)
		if failure != nil {
			return crm.Token{}, failure
		}
		if name == "refresh_token" && last.Refresh != "" {
			content = last.Refresh
		}
		form.Set(name, content)
		if name != "client_id" {
			secrets = append(secrets, content)
		}
	}
	reply, failure := oauth.Ask(ctx, d.env, oauth.Request{URL: d.base + tokenPath, Form: form, Secrets: secrets, Check: "hubspot.oauth"})
	if failure != nil {
		return crm.Token{}, failure
	}
	return reply.Token(d.env.Now()), nil
}
