package crmtest

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/leadgate/leadgate/worker/crm"
)

func runSecrets(t *testing.T, h Harness) {
	t.Run("RefusedCredentialsAreTold", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, h)
		b.setSecret("no longer the right one", nil)
		items := b.full()
		b.expectKind(items, b.deliver(items), crm.CredentialsRefused)
		if pong := b.destination.Ping(t.Context()); pong.Kind != crm.CredentialsRefused {
			t.Errorf("the ping ended as %+v", pong)
		}
		if n := b.crm.Records(); n != 0 {
			t.Errorf("%d records", n)
		}
	})
	t.Run("ASecretIsReadBeforeEachCall", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, h)
		items := b.full()
		b.setSecret("an old one", nil)
		b.expectKind(items, b.deliver(items), crm.CredentialsRefused)
		b.setSecret(firstSecret, nil)
		b.expectKind(items, b.deliver(items), crm.Delivered)
	})
	t.Run("WithoutItsSecretNothingIsSent", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, h)
		b.setSecret("unused", errors.New("no such file"))
		for _, outcome := range append(b.deliver(b.full()), b.destination.Ping(t.Context())) {
			if outcome.Kind != crm.CredentialsRefused && outcome.Kind != crm.Retry {
				t.Errorf("ended as %+v", outcome)
			}
		}
		if n := b.seen.Load(); n != 0 {
			t.Errorf("%d calls", n)
		}
	})
	t.Run("ASecretThatTheCRMRepeatsIsNotKept", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, h)
		for _, code := range []int{200, 201, 302, 400, 401, 403, 404, 409, 429, 500} {
			b.answers(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(code)
				fmt.Fprintf(w, `{"id":"7","headers":%q}`, fmt.Sprint(r.Header))
			})
			b.deliver(b.full()) // looks for the secret
			b.expectSane(b.destination.Ping(t.Context()))
		}
	})
}
