package simulator

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"
)

// Tokens are the access tokens that a simulated CRM issued. They are safe for concurrent use.
type Tokens struct {
	now func() time.Time

	mu      sync.Mutex
	random  *rand.Rand
	valid   map[string]time.Time // to the time of expiry; zero for never
	issued  []time.Time
	revoked bool
}

// NewTokens returns an empty Tokens. Equal seeds give equal tokens.
func NewTokens(seed uint64, now func() time.Time) *Tokens {
	return &Tokens{now: now, random: rand.New(rand.NewPCG(seed, 2)), valid: map[string]time.Time{}}
}

// Issue issues a token with a lifetime; it never expires if that is 0.
func (t *Tokens) Issue(life time.Duration) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	token := fmt.Sprintf("at.%016x%016x", t.random.Uint64(), t.random.Uint64())
	var until time.Time
	if life > 0 {
		until = t.now().Add(life)
	}
	t.valid[token] = until
	t.issued = append(t.issued, t.now())
	return token
}

// Issued returns how many tokens were issued in the last within.
func (t *Tokens) Issued(within time.Duration) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0
	for _, at := range t.issued {
		if t.now().Sub(at) < within {
			n++
		}
	}
	return n
}

// Valid reports whether an Authorization header holds a valid token after scheme.
func (t *Tokens) Valid(header, scheme string) bool {
	token, ok := strings.CutPrefix(header, scheme+" ")
	t.mu.Lock()
	defer t.mu.Unlock()
	until, known := t.valid[token]
	return ok && known && (until.IsZero() || t.now().Before(until))
}

// ExpireTokens implements Tokened.
func (t *Tokens) ExpireTokens() {
	t.mu.Lock()
	defer t.mu.Unlock()
	clear(t.valid)
}

// Revoke implements Tokened.
func (t *Tokens) Revoke(revoked bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.revoked = revoked
}

// Revoked reports whether the callers' credentials are invalid.
func (t *Tokens) Revoked() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.revoked
}

// Reset deletes all tokens.
func (t *Tokens) Reset() {
	t.mu.Lock()
	defer t.mu.Unlock()
	clear(t.valid)
	t.issued, t.revoked = nil, false
}
