package badger_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/journal"
	"github.com/leadgate/leadgate/worker/store"
	"github.com/leadgate/leadgate/worker/store/badger"
)

func TestACallTooLargeForOneTransactionIsSplit(t *testing.T) {
	t.Parallel()
	for what, shape := range map[string]struct {
		leads   int
		message string
	}{
		"many entries": {10_000, ""},
		"many bytes":   {200, strings.Repeat("m", 32<<10)},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			var published []*leadgatev1.Event
			s := open(t, badger.Options{Publish: func(events []*leadgatev1.Event) { published = append(published, events...) }})
			acceptances := make([]*store.Acceptance, shape.leads)
			for i := range acceptances {
				a := withEvent(lead(fmt.Sprintf("p%d@example.com", i%7)))
				a.Record.Lead.Message = shape.message
				a.Key = &store.Key{Scope: "contact", Value: fmt.Sprint(i), Expires: time.Now().Add(time.Hour)}
				acceptances[i] = a
			}
			for i, result := range accept(t, s, acceptances...) {
				if want := acceptances[i].Record.GetLeadId(); result.LeadID != want || result.Replayed {
					t.Fatalf("lead %d: %+v, want %s", i, result, want)
				}
			}
			if len(published) != shape.leads {
				t.Fatalf("%d events were published", len(published))
			}
			for i, e := range published {
				if want := (journal.ID{Store: s.ID(), Commit: uint64(i) + 1}); e.GetId() != want.String() {
					t.Fatalf("event %d is %s, want %s", i, e.GetId(), want)
				}
			}
			counts, err := s.Counts(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if got := counts["crm"].ByState[leadgatev1.DeliveryState_DELIVERY_STATE_PENDING]; got != int64(shape.leads) {
				t.Errorf("%d wait, want %d", got, shape.leads)
			}
			claims, err := s.Claim(t.Context(), "crm", 100)
			if err != nil || len(claims.Items) != 7 {
				t.Errorf("%d are due, error %v", len(claims.Items), err)
			}
		})
	}
}

func TestALeadThatIsTooLargeIsRefusedAlone(t *testing.T) {
	t.Parallel()
	s := open(t, badger.Options{LargestLead: 16 << 20})
	large, next := lead("ada@example.com"), lead("bob@example.com")
	large.Record.Lead.Message = strings.Repeat("Lovelace. ", 1<<20/10)
	results, err := s.Accept(t.Context(), large, next)
	if err != nil || !errors.Is(results[0].Err, store.ErrTooLarge) || results[1].Err != nil {
		t.Fatalf("results are %+v, %v", results, err)
	}
	if strings.Contains(results[0].Err.Error(), "Love") {
		t.Errorf("the error shows the lead: %v", results[0].Err)
	}
	if err := s.Writable(); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	fits := lead("ada@example.com") // with everything else that is written with it
	fits.Record.Lead.Message = strings.Repeat("m", 1<<20-1024)
	accept(t, s, fits)
	claims, err := s.Claim(t.Context(), "crm", 2)
	if err != nil || len(claims.Items) != 2 {
		t.Fatalf("claims are %+v, %v", claims, err)
	}
	steps := make([]*store.Step, len(claims.Items))
	for i, claim := range claims.Items {
		d := claim.Delivery
		d.AttemptCount = 1
		steps[i] = &store.Step{Claim: claim, Delivery: d, Attempt: &leadgatev1.Attempt{Number: 1, Payload: strings.Repeat("p", (i+1)*(1<<20-100<<10))}}
	}
	begun, err := s.Begin(t.Context(), steps...)
	if err != nil || begun[0].Err != nil || !errors.Is(begun[1].Err, store.ErrTooLarge) {
		t.Fatalf("begun is %+v, %v", begun, err)
	}
}

// busy returns a store whose writer is blocked in Publish, like a slow disk, until release is called.
func busy(t *testing.T, o badger.Options) (s *badger.Store, first <-chan error, release func()) {
	t.Helper()
	entered, left := make(chan struct{}, 1), make(chan struct{})
	o.Publish = func([]*leadgatev1.Event) {
		entered <- struct{}{}
		<-left
	}
	s = open(t, o)
	done := make(chan error, 1)
	go func() {
		_, err := s.Accept(t.Context(), withEvent(lead("first@example.com")))
		done <- err
	}()
	<-entered
	return s, done, func() { close(left) }
}

func TestAFullQueueRefusesAtOnce(t *testing.T) {
	t.Parallel()
	s, first, release := busy(t, badger.Options{QueueLength: 2})
	errs := make(chan error, 3)
	for range 3 {
		go func() {
			_, err := s.Accept(t.Context(), lead(""))
			errs <- err
		}()
	}
	if err := <-errs; !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "2 writes wait") {
		t.Errorf("the one too many: %v", err)
	}
	release()
	for range 2 {
		if err := <-errs; err != nil {
			t.Errorf("one that waited: %v", err)
		}
	}
	if err := <-first; err != nil {
		t.Error(err)
	}
}

func TestACallWhoseContextEndsInTheQueueWritesNothing(t *testing.T) {
	t.Parallel()
	s, first, release := busy(t, badger.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	a := lead("ada@example.com")
	done := make(chan error, 1)
	go func() {
		_, err := s.Accept(ctx, a)
		done <- err
	}()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) { // although the writer is still busy
		t.Errorf("error is %v", err)
	}
	release()
	if err := <-first; err != nil {
		t.Error(err)
	}
	accept(t, s, lead("")) // behind it in the queue
	if _, err := s.Lead(t.Context(), a.Record.GetLeadId()); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the lead: %v", err)
	}
}

func TestACallThatIsBeingWrittenIsAnsweredThoughItsContextEnds(t *testing.T) {
	t.Parallel()
	entered, left := make(chan struct{}), make(chan struct{})
	s := open(t, badger.Options{Publish: func([]*leadgatev1.Event) {
		close(entered)
		<-left
	}})
	ctx, cancel := context.WithCancel(t.Context())
	a := withEvent(lead("ada@example.com"))
	done := make(chan error, 1)
	go func() {
		_, err := s.Accept(ctx, a)
		done <- err
	}()
	<-entered
	cancel()
	close(left)
	if err := <-done; err != nil {
		t.Errorf("error is %v", err)
	}
}

func TestCloseWritesEverythingThatWasAskedForBefore(t *testing.T) {
	t.Parallel()
	const callers = 3000 // more than two commits take
	o := badger.Options{Dir: t.TempDir()}
	leads := make([]*store.Acceptance, callers)
	synctest.Test(t, func(t *testing.T) {
		s, first, release := busy(t, o)
		errs := make(chan error, callers)
		for i := range leads {
			leads[i] = lead("")
			go func() {
				_, err := s.Accept(t.Context(), leads[i])
				errs <- err
			}()
		}
		synctest.Wait() // until all are queued
		closed := make(chan error, 1)
		go func() { closed <- s.Close() }()
		synctest.Wait() // until Close waits for the writer
		release()
		failed := 0
		var why error
		for range callers {
			if err := <-errs; err != nil {
				failed, why = failed+1, err
			}
		}
		if failed > 0 {
			t.Errorf("%d of %d calls failed: %v", failed, callers, why)
		}
		if err := errors.Join(<-first, <-closed); err != nil {
			t.Error(err)
		}
	})
	s := open(t, o)
	for _, a := range leads {
		if _, err := s.Lead(t.Context(), a.Record.GetLeadId()); err != nil {
			t.Fatalf("a lead that was acknowledged: %v", err)
		}
	}
}

func TestCloseAnswersEveryCallThatWaits(t *testing.T) {
	t.Parallel()
	s, first, release := busy(t, badger.Options{})
	const callers = 20
	errs := make(chan error, callers)
	for range callers {
		go func() {
			_, err := s.Accept(t.Context(), lead(""))
			errs <- err
		}()
	}
	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	release()
	for range callers {
		if err := <-errs; err != nil && !errors.Is(err, store.ErrUnavailable) {
			t.Error(err)
		}
	}
	if err := errors.Join(<-first, <-closed); err != nil {
		t.Error(err)
	}
}
