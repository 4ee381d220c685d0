// Package oauth gets access tokens from token endpoints (RFC 6749), as far as CRMs agree on them. [crm.Tokens] stores them.
package oauth

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/leadgate/leadgate/worker/crm"
)

// tooManyTokens is how long to wait after too many tokens were requested. Zoho issues ten in ten minutes, and refuses more with
// status 200 (contracts, zoho.md §3).
const tooManyTokens = 10 * time.Minute

// longestLife is the longest lifetime that is believed. Some endpoints send the largest number there is.
const longestLife = 10 * 365 * 24 * time.Hour

// Request is a request for a token.
type Request struct {
	// URL is the token endpoint.
	URL string
	// Form is the body, secrets included.
	Form url.Values
	// User and Password are sent as basic authentication, unless User is empty.
	User, Password string
	// Secrets are all values that no outcome may show.
	Secrets []string
	// Check names the configuration keys to check if the endpoint refuses, such as "http.auth.oauth2".
	Check string
}

// Reply is a token endpoint's answer in case of success.
type Reply struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	// ExpiresIn is in seconds. Some send it as a string.
	ExpiresIn json.RawMessage `json:"expires_in"`
	// InstanceURL is the base URL of Salesforce's API.
	InstanceURL string `json:"instance_url"`
	// APIDomain is the base URL of Zoho's and Pipedrive's APIs.
	APIDomain string `json:"api_domain"`
	// ID is the URL of the user's identity at Salesforce.
	ID string `json:"id"`
}

// Token returns the token in the reply. BaseURL is empty if the reply has none.
func (r *Reply) Token(now time.Time) crm.Token {
	token := crm.Token{Access: r.AccessToken, Refresh: r.RefreshToken, BaseURL: cmp.Or(r.InstanceURL, r.APIDomain)}
	if seconds, err := strconv.ParseFloat(strings.Trim(string(r.ExpiresIn), `"`), 64); err == nil && seconds > 0 {
		token.Expires = now.Add(time.Duration(min(seconds, longestLife.Seconds()) * float64(time.Second)))
	}
	return token
}

// Ask requests a token. The outcome says why there is none; nil if there is one. No lead was sent, so that a temporary failure is
// Retry or RateLimited, never Unknown.
func Ask(ctx context.Context, env crm.Environment, r Request) (*Reply, *crm.Outcome) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.URL, strings.NewReader(r.Form.Encode()))
	if err != nil {
		return nil, &crm.Outcome{Kind: crm.CredentialsRefused, Reason: "not sent: no token can be asked for; check " + r.Check}
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	if r.User != "" {
		req.SetBasicAuth(url.QueryEscape(r.User), url.QueryEscape(r.Password)) // RFC 6749 §2.3.1
	}
	answer, failure := crm.Call(env, req, r.Secrets...)
	if failure != nil {
		failure.Kind, failure.Reason = crm.Retry, "no access token: "+failure.Reason
		return nil, failure
	}
	var reply struct {
		Reply
		problem
	}
	isJSON := json.Unmarshal(answer.Body, &reply) == nil
	if answer.Status/100 == 2 && isJSON && reply.AccessToken != "" { // some answer 201
		return &reply.Reply, nil
	}
	outcome := refusal(answer, reply.problem, isJSON, r.Check)
	return nil, &outcome
}

// problem is a token endpoint's error (RFC 6749 §5.2).
type problem struct {
	Error       string `json:"error"`
	Description string `json:"error_description"`
}

// inWords returns the error with its description, which is about the account and not about a lead.
func (p problem) inWords(answer *crm.Answer) string {
	text := strings.TrimSpace(p.Error + " " + p.Description)
	if text == "" {
		return fmt.Sprintf("it answered %d", answer.Status)
	}
	return answer.Show([]byte(text[:min(len(text), 300)]))
}

// refusal interprets an answer without a token:
//
//	429, or an error about too many requests  rate limited
//	408 423 425 5xx                           retry
//	404 405                                   credentials refused: the address is wrong
//	200 without an error                      retry: a proxy's page
//	anything else                             credentials refused
func refusal(answer *crm.Answer, p problem, isJSON bool, check string) crm.Outcome {
	words := p.inWords(answer)
	switch status := answer.Status; {
	case status == http.StatusTooManyRequests:
		return answer.Outcome(crm.RateLimited, "no access token: too many were asked for")
	case strings.Contains(strings.ToLower(words), "too many"), strings.EqualFold(p.Error, "Access Denied"):
		outcome := answer.Outcome(crm.RateLimited, "no access token: too many were asked for")
		outcome.After = max(outcome.After, tooManyTokens)
		return outcome
	case status == http.StatusRequestTimeout, status == http.StatusLocked, status == http.StatusTooEarly, status >= 500:
		return answer.Outcome(crm.Retry, fmt.Sprintf("no access token: it answered %d", status))
	case status == http.StatusOK && (!isJSON || p.Error == ""):
		return answer.Outcome(crm.Retry, "no access token: what answered is not a token endpoint, or not now; check "+check)
	}
	return answer.Outcome(crm.CredentialsRefused, "no access token: "+words+"; check "+check)
}
