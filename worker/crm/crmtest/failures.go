package crmtest

import (
	"context"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/leadgate/leadgate/worker/crm"
)

// runFailures tests calls without a complete answer.
func runFailures(t *testing.T, h Harness) {
	t.Run("ALostAnswerIsUnknownAndTheNextAttemptDoesNotDouble", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, h)
		items := b.full()
		b.answers(func(_ http.ResponseWriter, r *http.Request) {
			b.crm.ServeHTTP(&nowhere{http.Header{}}, r)
			panic(http.ErrAbortHandler)
		})
		b.expectKind(items, b.deliver(items), crm.Unknown)
		b.answers(nil)
		b.expectKind(items, b.deliver(items), crm.Delivered)
		if n := b.crm.Records(); n != len(items) {
			t.Errorf("%d records of %d people", n, len(items))
		}
	})
	t.Run("AnAnswerCutShortIsUnknown", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, h)
		b.answers(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, `{"id":"5`)
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		})
		items := b.full()
		b.expectKind(items, b.deliver(items), crm.Unknown)
	})
	t.Run("ARefusedConnectionIsToBeRetried", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, h)
		b.server.Close()
		items := b.full()
		b.expectKind(items, b.deliver(items), crm.Retry)
		if outcome := b.destination.Ping(t.Context()); outcome.Kind == crm.Delivered {
			t.Errorf("the ping ended as %+v", outcome)
		}
	})
	for name, err := range map[string]error{"TimeLimit": context.DeadlineExceeded, "Stop": context.Canceled} {
		t.Run("A"+name+"BeforeTheCallIsToBeRetried", func(t *testing.T) {
			t.Parallel()
			b := newBench(t, h)
			ctx := newEnding(t.Context(), err)
			ctx.end()
			items := b.full()
			b.expectKind(items, b.destination.Deliver(ctx, items, upsert), crm.Retry)
			if b.seen.Load() != 0 {
				t.Error("a call was made")
			}
		})
		t.Run("A"+name+"DuringTheCallIsUnknown", func(t *testing.T) {
			t.Parallel()
			b := newBench(t, h)
			ctx := newEnding(t.Context(), err)
			b.answers(func(_ http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				ctx.end()
				<-r.Context().Done()
			})
			items := b.full()
			b.expectKind(items, b.destination.Deliver(ctx, items, upsert), crm.Unknown)
		})
	}
}

// nowhere discards an answer.
type nowhere struct{ header http.Header }

// Header implements http.ResponseWriter.
func (n *nowhere) Header() http.Header { return n.header }

// Write implements http.ResponseWriter.
func (n *nowhere) Write(b []byte) (int, error) { return len(b), nil }

// WriteHeader implements http.ResponseWriter.
func (n *nowhere) WriteHeader(int) {}

// ending is a context that ends when told, with a given error: a deadline without a clock.
type ending struct {
	context.Context
	cancel context.CancelFunc
	err    error
}

func newEnding(parent context.Context, err error) *ending {
	ctx, cancel := context.WithCancel(parent)
	return &ending{ctx, cancel, err}
}

func (e *ending) end() { e.cancel() }

// Err implements context.Context.
func (e *ending) Err() error {
	if e.Context.Err() == nil {
		return nil
	}
	return e.err
}

// Deadline implements context.Context.
func (e *ending) Deadline() (time.Time, bool) { return time.Time{}, false }

// Value implements context.Context. It hides the parent's values, so that derived contexts end with the error from Err.
func (e *ending) Value(any) any { return nil }
