package crm_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/leadgate/leadgate/worker/crm"
)

// issuer is a CRM whose tokens live for an hour, with a new refresh token each time.
type issuer struct {
	mu     sync.Mutex
	now    time.Time
	given  int
	last   []string // refresh tokens that it received
	vault  map[string][]byte
	broken error        // of the vault
	answer *crm.Outcome // instead of a token
	before func()       // called before a token is issued
	log    bytes.Buffer
}

func newIssuer() *issuer {
	return &issuer{now: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC), vault: map[string][]byte{}}
}

func (i *issuer) tokens() *crm.Tokens {
	return crm.NewTokens(crm.Environment{Now: i.clock, Vault: i, Log: slog.New(slog.NewTextHandler(&i.log, nil))}, i.grant)
}

func (i *issuer) clock() time.Time {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.now
}

// grant accepts each refresh token once.
func (i *issuer) grant(ctx context.Context, _ []string, last crm.Token) (crm.Token, *crm.Outcome) {
	if i.before != nil {
		i.before()
	}
	if ctx.Err() != nil {
		return crm.Token{}, &crm.Outcome{Kind: crm.Retry, Reason: "the answer was lost"}
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.answer != nil {
		return crm.Token{}, i.answer
	}
	if last.Refresh != "" && last.Refresh != fmt.Sprintf("r%d", i.given) {
		return crm.Token{}, &crm.Outcome{Kind: crm.CredentialsRefused, Reason: "invalid_grant"}
	}
	i.given++
	i.last = append(i.last, last.Refresh)
	return crm.Token{Access: fmt.Sprintf("a%d", i.given), Refresh: fmt.Sprintf("r%d", i.given), Expires: i.now.Add(time.Hour)}, nil
}

func (i *issuer) Get(ctx context.Context, name string) ([]byte, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.vault[name], errors.Join(ctx.Err(), i.broken)
}

func (i *issuer) Put(ctx context.Context, name string, value []byte) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if err := errors.Join(ctx.Err(), i.broken); err != nil {
		return err
	}
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

func TestATokenThatTheCRMGaveIsKeptThoughTheCallerIsGone(t *testing.T) {
	t.Parallel()
	i := newIssuer()
	tokens := i.tokens()
	ctx, gone := context.WithCancel(t.Context())
	i.before = gone
	if token, failure := tokens.Get(ctx, "id"); failure != nil || token.Access != "a1" {
		t.Errorf("got %+v, %+v", token, failure)
	}
	i.before = nil
	expectToken(t, i.tokens(), "a1", "id") // after a restart
	if _, failure := i.tokens().Get(ctx, "another id"); failure == nil || failure.Kind != crm.Retry || i.given != 1 {
		t.Errorf("who is gone before got %+v", failure)
	}
}

func TestTwoThatHaveTheSameCredentialsDoNotRobEachOther(t *testing.T) {
	t.Parallel()
	i := newIssuer()
	before, after := i.tokens(), i.tokens() // a reload of the configuration
	expectToken(t, before, "a1", "id")
	expectToken(t, after, "a1", "id")
	i.pass(time.Hour)
	expectToken(t, before, "a2", "id")
	expectToken(t, after, "a2", "id")
	i.pass(time.Hour)
	i.before = func() { // both at the same time, and the other is faster
		i.before = nil
		expectToken(t, before, "a3", "id")
	}
	expectToken(t, after, "a3", "id")
	i.pass(10 * time.Minute)
	if !before.Refuse("a3") {
		t.Error("an old token is not worth another")
	}
	expectToken(t, before, "a4", "id")
	if !after.Refuse("a3") {
		t.Error("an old token is not worth another")
	}
	expectToken(t, after, "a4", "id")
}

func TestATokenThatCannotBeKeptIsToldAndKeptWithTheNextUse(t *testing.T) {
	t.Parallel()
	i := newIssuer()
	tokens := i.tokens()
	i.broken = errors.New("the disk is full")
	if _, failure := tokens.Get(t.Context(), "id"); failure == nil || failure.Kind != crm.Retry || i.given != 0 {
		t.Errorf("without knowing the last one: %+v", failure)
	}
	i.broken = nil
	i.before = func() { i.broken = errors.New("the disk is full") }
	expectToken(t, tokens, "a1", "id")
	if log := i.log.String(); !strings.Contains(log, "level=ERROR") || !strings.Contains(log, "the disk is full") || strings.Contains(log, "a1") || strings.Contains(log, "r1") {
		t.Errorf("logged %q", log)
	}
	expectToken(t, tokens, "a1", "id")
	if told := strings.Count(i.log.String(), "level=ERROR"); told != 1 {
		t.Errorf("it was told %d times", told)
	}
	i.broken, i.before = nil, nil
	expectToken(t, tokens, "a1", "id")
	expectToken(t, i.tokens(), "a1", "id") // after a restart
}
