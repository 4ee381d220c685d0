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
	// A token is renewed when this much of its life is left, or a tenth of it if that is less.
	renewal = 5 * time.Minute
	// grantTime bounds how long a token is waited for, its turn at the destination's pace included.
	grantTime = time.Minute
	// A CRM that refuses a token younger than this would refuse the next one, too. Zoho gives ten in ten minutes.
	youth = time.Minute
)

// Token is an access token that a CRM gave.
type Token struct {
	// Access is what calls carry.
	Access string
	// Refresh is the refresh token to use next, where the CRM gives a new one with each access token; empty otherwise.
	Refresh string
	// BaseURL is where the CRM says its API is; empty if it does not.
	BaseURL string
	// Account is whose records it writes, where the CRM says so with the token.
	Account string
	// Expires is when it ends; zero if the CRM does not say.
	Expires time.Time
	// Granted is when it was had, and Renew when another is to be; Tokens sets them.
	Granted, Renew time.Time
}

// Grant gets a token from the CRM for credentials, by the kind's own way. last is the one before for the same credentials; zero
// if there was none. The outcome says why there is none; nil if there is.
type Grant func(ctx context.Context, credentials []string, last Token) (Token, *Outcome)

// Tokens has the access token of a connection: it keeps it in the vault, so that a restart costs no call, renews it before
// it ends, and however many calls want one at a time, gets it once. It is safe for concurrent use.
type Tokens struct {
	env   Environment
	grant Grant

	turn    chan struct{} // held by whoever gets a token
	mu      sync.Mutex
	token   Token
	name    string // of the credentials that the token is for
	refused string // an access token that the CRM took no longer
	unkept  bool   // the vault did not take the token; it is tried again with the next use
}

// NewTokens returns tokens that are got by grant. Without one, the only credential is the access token itself.
func NewTokens(env Environment, grant Grant) *Tokens {
	return &Tokens{env: env, grant: grant, turn: make(chan struct{}, 1)}
}

// Get returns a token for credentials: the secrets, as they are now, that it is got with. Other credentials get another
// token. The outcome says why there is none; nil if there is.
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
	if token, ok := t.ready(name); ok { // somebody else got it, or it is to be kept
		if t.isUnkept() && ctx.Err() == nil {
			t.put(ctx, name, token)
		}
		return token, nil
	}
	if ctx.Err() != nil {
		return Token{}, &Outcome{Kind: Retry, Reason: "not sent: " + inWords(ctx.Err())}
	}
	// A CRM that gives another refresh token with each access token takes the one before no longer. So nobody cuts this short,
	// and what others got for the same credentials is looked at first, as they may be those of a connection that was.
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
		refusal = failure // unless somebody else was quicker
	}
}

// keep takes over a token that was given after another.
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

// put keeps a token in the vault. That this failed is told once for each.
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

// Refuse says that the CRM does not take an access token although its time is not over. It reports whether Get will give
// another; not if this one was had a moment ago, so that a CRM which gives tokens and takes none is not asked for ever.
func (t *Tokens) Refuse(access string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.grant == nil {
		return false
	}
	if t.token.Access != access {
		return true // there is another already
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

// newest returns the last token for credentials, from memory or from the vault, where another connection may have put one since.
// The outcome says that it cannot be known.
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
	if json.Unmarshal(encoded, &kept) == nil && kept.Granted.After(token.Granted) { // what cannot be read is not there
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

// nameOf is a name for credentials that tells nothing about them.
func nameOf(credentials []string) string {
	sum := sha256.Sum256([]byte(strings.Join(credentials, "\x00")))
	return "token-" + hex.EncodeToString(sum[:8])
}
