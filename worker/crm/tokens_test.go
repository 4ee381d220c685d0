package crm_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/leadgate/leadgate/worker/crm"
)

// issuer is a CRM that gives tokens of an hour, and a new refresh token with each.
type issuer struct {
	mu     sync.Mutex
	now    time.Time
	given  int
	last   []string // refresh tokens that it was asked with
	vault  map[string][]byte
	answer *crm.Outcome // instead of a token
}

func newIssuer() *issuer {
	return &issuer{now: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC), vault: map[string][]byte{}}
}

func (i *issuer) tokens() *crm.Tokens {
	return crm.NewTokens(crm.Environment{Now: i.clock, Vault: i}, i.grant)
}

func (i *issuer) clock() time.Time {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.now
}

func (i *issuer) grant(_ context.Context, last crm.Token) (crm.Token, *crm.Outcome) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.answer != nil {
		return crm.Token{}, i.answer
	}
	i.given++
	i.last = append(i.last, last.Refresh)
	return crm.Token{Access: fmt.Sprintf("a%d", i.given), Refresh: fmt.Sprintf("r%d", i.given), Expires: i.now.Add(time.Hour)}, nil
}

func (i *issuer) Get(_ context.Context, name string) ([]byte, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.vault[name], nil
}

func (i *issuer) Put(_ context.Context, name string, value []byte) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.vault[name] = value
	return nil
}

func (i *issuer) pass(d time.Duration) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.now = i.now.Add(d)
}

func expectToken(t *testing.T, tokens *crm.Tokens, want string, credentials ...string) {
	t.Helper()
	token, failure := tokens.Get(t.Context(), credentials...)
	if failure != nil || token.Access != want {
		t.Errorf("got %+v, %+v, want %s", token, failure, want)
	}
}

func TestATokenIsHadOnceHoweverManyWantIt(t *testing.T) {
	t.Parallel()
	i := newIssuer()
	tokens := i.tokens()
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() { expectToken(t, tokens, "a1", "id", "secret") })
	}
	wg.Wait()
}

func TestATokenIsRenewedBeforeItEndsWithTheNewestRefreshToken(t *testing.T) {
	t.Parallel()
	i := newIssuer()
	tokens := i.tokens()
	expectToken(t, tokens, "a1", "id")
	i.pass(54 * time.Minute)
	expectToken(t, tokens, "a1", "id")
	i.pass(2 * time.Minute)
	expectToken(t, tokens, "a2", "id")
	if got := strings.Join(i.last, " "); got != " r1" {
		t.Errorf("asked with %q", got)
	}
}

func TestATokenOutlivesARestartAndSoDoesItsRefreshToken(t *testing.T) {
	t.Parallel()
	i := newIssuer()
	expectToken(t, i.tokens(), "a1", "id", "secret")
	expectToken(t, i.tokens(), "a1", "id", "secret")
	i.pass(2 * time.Hour)
	expectToken(t, i.tokens(), "a2", "id", "secret")
	expectToken(t, i.tokens(), "a3", "id", "another secret")
	if got := strings.Join(i.last, ","); got != ",r1," {
		t.Errorf("asked with %q", got)
	}
	for name := range i.vault {
		if strings.Contains(name, "secret") {
			t.Errorf("kept as %s", name)
		}
	}
}

func TestARefusedTokenIsReplacedButNotForEver(t *testing.T) {
	t.Parallel()
	i := newIssuer()
	tokens := i.tokens()
	expectToken(t, tokens, "a1", "id")
	if tokens.Refuse("a1") {
		t.Error("a token that was had a moment ago is worth another")
	}
	expectToken(t, tokens, "a1", "id")
	i.pass(2 * time.Minute)
	if !tokens.Refuse("a1") {
		t.Error("an old token is not worth another")
	}
	expectToken(t, tokens, "a2", "id")
	if !tokens.Refuse("a1") {
		t.Error("the token that another call had replaced is not replaced")
	}
	expectToken(t, tokens, "a2", "id")
}

func TestAFailureToGetATokenIsTold(t *testing.T) {
	t.Parallel()
	i := newIssuer()
	i.answer = &crm.Outcome{Kind: crm.CredentialsRefused, Reason: "no"}
	tokens := i.tokens()
	if _, failure := tokens.Get(t.Context(), "id"); failure != i.answer {
		t.Errorf("got %+v", failure)
	}
	i.answer = nil
	expectToken(t, tokens, "a1", "id")
}
