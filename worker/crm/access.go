package crm

import (
	"bytes"
	"context"
	"net/http"
)

// Credentials resolves references in the configuration, such as ${env:NAME}, to their current values. under is the configuration
// key of the credentials, for the outcome if one cannot be read.
func (e Environment) Credentials(under string, references ...string) ([]string, *Outcome) {
	contents := make([]string, len(references))
	for i, reference := range references {
		var err error
		if contents[i], err = e.Secret(reference); err != nil {
			return nil, &Outcome{Kind: CredentialsRefused, Reason: "not sent: the credentials under " + under + " cannot be read: " + err.Error()}
		}
	}
	return contents, nil
}

// NewRequest returns a request to a JSON API, without a body if body is nil. If it cannot be made, the outcome says why; check
// names the configuration keys to check.
func NewRequest(ctx context.Context, method, address string, body any, check string) (*http.Request, *Outcome) {
	var encoded []byte
	if body != nil {
		var err error
		if encoded, err = Marshal(body); err != nil {
			return nil, &Outcome{Kind: Refused, Reason: "not sent: it cannot be written as JSON"}
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(encoded))
	if err != nil {
		return nil, &Outcome{Kind: Retry, Reason: "not sent: the request cannot be made; check " + check}
	}
	req.Header.Set("Accept", "application/json")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return req, nil
}

// Call makes a call with an access token and, if the CRM refuses the token, once more with a new one. CRMs check the token first,
// so the first call has written nothing. credentials is called before each call; the first of its results is the client's
// identifier, which is not a secret. Call also returns the token of the last call.
func (t *Tokens) Call(ctx context.Context, credentials func() ([]string, *Outcome), request func(Token) (*http.Request, *Outcome)) (*Answer, Token, *Outcome) {
	for again := false; ; again = true {
		secrets, failure := credentials()
		if failure != nil {
			return nil, Token{}, failure
		}
		token, failure := t.Get(ctx, secrets...)
		if failure != nil {
			return nil, Token{}, failure
		}
		req, failure := request(token)
		if failure != nil {
			return nil, token, failure
		}
		answer, failure := Call(t.env, req, append(secrets[1:], token.Access)...)
		if failure != nil || answer.Status != http.StatusUnauthorized || again || !t.Refuse(token.Access) {
			return answer, token, failure
		}
	}
}
