package hubspot

import (
	"cmp"
	"context"
	"net/url"

	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/crm/oauth"
)

const tokenPath = "/oauth/v1/token"

// secrets returns the current credentials: the token of a private app, or what is needed to get OAuth tokens. HubSpot wants OAuth
// tokens renewed when they expire, not when they are refused (contracts, hubspot.md §3); crm.Tokens does that.
func (d *destination) secrets() ([]string, *crm.Outcome) {
	if o := d.oauth; o != nil {
		return d.env.Credentials("hubspot.oauth", o.GetClientId(), o.GetClientSecret(), o.GetRefreshToken())
	}
	return d.env.Credentials("hubspot", d.token)
}

// grant implements crm.Grant. It uses the newest refresh token that HubSpot issued.
func (d *destination) grant(ctx context.Context, secrets []string, last crm.Token) (crm.Token, *crm.Outcome) {
	refresh := cmp.Or(last.Refresh, secrets[2])
	reply, failure := oauth.Ask(ctx, d.env, oauth.Request{
		URL: d.base + tokenPath, Secrets: []string{secrets[1], refresh}, Check: "hubspot.oauth",
		Form: url.Values{"grant_type": {"refresh_token"}, "client_id": {secrets[0]}, "client_secret": {secrets[1]}, "refresh_token": {refresh}},
	})
	if failure != nil {
		return crm.Token{}, failure
	}
	return reply.Token(d.env.Now()), nil
}
