package crm

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"sync"
	"time"
)

const (
	// A token is renewed when it has this much time left, or a tenth of its lifetime if that is less.
	renewal = 5 * time.Minute
	// How long to wait for a token, including its turn at the destination's pace.
	grantTime = time.Minute
	// A CRM that refuses a token younger than this would refuse a new one too. Zoho issues only ten in ten minutes.
	youth = time.Minute
)

// Token is an access token.
type Token struct {
	// Access is the token that calls carry.
	Access string
	// Refresh is the refresh token to use next, if the CRM issues a new one with each access token; empty otherwise.
	Refresh string
	// BaseURL is where the CRM says its API is; empty if it does not say.
	BaseURL string
	// Account names whose records the token writes; empty if the CRM does not say.
	Account string
	// Expires is when the token expires; zero if the CRM does not say.
	Expires time.Time
	// Granted is when the token was issued, and Renew when to get a new one. Tokens sets them.
	Granted, Renew time.Time
}

// Grant gets a token from the CRM, in the way of its kind. last is the previous token for the same credentials; zero if there was
// none. The outcome says why there is no token; nil if there is one.
type Grant func(ctx context.Context, credentials []string, last Token) (Token, *Outcome)

// Tokens manages a connection's access token. It stores the token in the vault, so that a restart costs no call, renews it before
// it expires, and requests it only once however many calls need one at the same time. It is safe for concurrent use.
type Tokens struct {
	env   Environment
	grant Grant

	turn    chan struct{} // held by the goroutine that gets a token
	mu      sync.Mutex
	token   Token
	name    string // nameOf the credentials that the token is for
	refused string // an access token that the CRM no longer accepts
	unkept  bool   // the vault did not store the token; the next Get tries again
}

// NewTokens returns Tokens that use grant. If grant is nil, the only credential is the access token itself.
func NewTokens(env Environment, grant Grant) *Tokens {
	return &Tokens{env: env, grant: grant, turn: make(chan struct{}, 1)}
}

// Get returns a token for the credentials, which are the current values of the secrets that grant needs. Other credentials get
// another token. The outcome says why there is no token; nil if there is one.
func (t *Tokens) Get(ctx context.Context, credentials ...string) (Token, *Outcome) {
	if t.grant == nil {
		return Token{Access: credentials[0]}, nil
	}
	name := nameOf(credentials)
	if token, ok := t.ready(name); ok && !t.isUnkept() {
		return token, nil
	}
	select {
	case t.turn <- struct{}{}:
		defer func() { <-t.turn }()
	case <-ctx.Done():
	}
	if token, ok := t.ready(name); ok { // another goroutine got it, or it must still be stored
		if t.isUnkept() && ctx.Err() == nil {
			t.put(ctx, name, token)
		}
		return token, nil
	}
	if ctx.Err() != nil {
		return Token{}, &Outcome{Kind: Retry, Reason: "not sent: " + inWords(ctx.Err())}
	}
	// If the CRM issues a new refresh token with each access token, the old one becomes invalid. So this is not cancelled halfway,
	// and the vault is read first: another connection with the same credentials may have got a token.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), grantTime)
	defer cancel()
	var last Token
	var refusal *Outcome
	for {
		newest, failure := t.newest(ctx, name)
		if failure != nil {
			return Token{}, failure
		}
		if token, ok := t.ready(name); ok {
			return token, nil
		}
		if refusal != nil && newest.Refresh == last.Refresh {
			return Token{}, refusal
		}
		last = newest
		token, failure := t.grant(ctx, credentials, last)
		switch {
		case failure == nil:
			return t.keep(ctx, name, token, last), nil
		case failure.Kind != CredentialsRefused:
			return Token{}, failure
		}
		refusal = failure // unless another connection got a token in the meantime
	}
}

// keep stores a new token. The refresh token stays that of last if there is no new one.
func (t *Tokens) keep(ctx context.Context, name string, token, last Token) Token {
	token.Refresh = cmp.Or(token.Refresh, last.Refresh)
	token.Granted, token.Renew = t.env.Now(), time.Time{}
	if !token.Expires.IsZero() {
		life := token.Expires.Sub(token.Granted)
		token.Renew = token.Expires.Add(-min(renewal, life/10))
	}
	t.set(name, token)
	t.put(ctx, name, token)
	return token
}

// put stores a token in the vault. Repeated failures are logged once.
func (t *Tokens) put(ctx context.Context, name string, token Token) {
	if t.env.Vault == nil {
		return
	}
	encoded, err := json.Marshal(token)
	if err == nil {
		err = t.env.Vault.Put(ctx, name, encoded)
	}
	t.mu.Lock()
	isTold := t.unkept
	t.unkept = err != nil
	t.mu.Unlock()
	if err != nil && !isTold && t.env.Log != nil {
		t.env.Log.Error("keeping an access token failed, and is tried again with its next use; if leadgate is started again before that, the CRM may want a new refresh token in the configuration", "error", err)
	}
}

func (t *Tokens) isUnkept() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.unkept
}

// Refuse records that the CRM does not accept an access token although it has not expired. It reports whether Get will return
// another one. It will not if this one was issued a moment ago, so that a CRM that issues tokens but accepts none is not asked
// again and again.
func (t *Tokens) Refuse(access string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.grant == nil {
		return false
	}
	if t.token.Access != access {
		return true // already replaced
	}
	if t.env.Now().Sub(t.token.Granted) < youth {
		return false
	}
	t.refused = access
	return true
}

func (t *Tokens) ready(name string) (Token, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	ok := t.name == name && t.token.Access != "" && t.token.Access != t.refused
	if ok && !t.token.Renew.IsZero() {
		ok = t.env.Now().Before(t.token.Renew)
	}
	return t.token, ok
}

// newest returns the last token for the credentials, from memory or from the vault, where another connection may have stored a
// newer one. The outcome says that the vault cannot be read.
func (t *Tokens) newest(ctx context.Context, name string) (Token, *Outcome) {
	t.mu.Lock()
	token := t.token
	if t.name != name {
		token = Token{}
	}
	t.mu.Unlock()
	if t.env.Vault == nil {
		return token, nil
	}
	encoded, err := t.env.Vault.Get(ctx, name)
	if err != nil {
		return Token{}, &Outcome{Kind: Retry, Reason: "not sent: the access token that was kept cannot be read: " + err.Error()}
	}
	var kept Token
	if json.Unmarshal(encoded, &kept) == nil && kept.Granted.After(token.Granted) { // an unreadable token counts as none
		token = kept
		t.set(name, token)
	}
	return token, nil
}

func (t *Tokens) set(name string, token Token) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.name, t.token, t.refused, t.unkept = name, token, "", false
}

// nameOf returns a name for credentials that reveals nothing about them.
func nameOf(credentials []string) string {
	sum := sha256.Sum256([]byte(strings.Join(credentials, "\x00")))
	return "token-" + hex.EncodeToString(sum[:8])
}
