package badger_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/store"
	"github.com/leadgate/leadgate/worker/store/badger"
)

// Prefixes of the table in keys.go.
const (
	prefixKey    = 'k'
	prefixExpiry = 'x'
	prefixEvent  = 'e'
	prefixState  = 's'
)

func TestTheSweeperRemovesWhatHasExpiredAndNothingElse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const expiring = 1200 // more than two commits of the sweeper
	synctest.Test(t, func(t *testing.T) {
		s := open(t, badger.Options{Dir: dir, SweepInterval: time.Minute})
		keyed := func(value string, life time.Duration) *store.Acceptance {
			a := lead("")
			a.Key = &store.Key{Scope: "contact", Value: value, Expires: time.Now().Add(life)}
			return a
		}
		var acceptances []*store.Acceptance
		for i := range expiring {
			acceptances = append(acceptances, keyed(fmt.Sprint(i), time.Hour))
		}
		accept(t, s, append(acceptances, keyed("stays", 48*time.Hour), keyed("again", time.Hour))...)
		cache := s.State("cache")
		for key, expires := range map[string]time.Time{"goes": time.Now().Add(time.Hour), "stays": time.Now().Add(48 * time.Hour), "never": {}} {
			if err := cache.Put(t.Context(), key, []byte("1"), expires); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Hour) // a key may be claimed again before the sweeper comes
		if again := accept(t, s, keyed("again", 48*time.Hour))[0]; again.Replayed {
			t.Errorf("a replay: %+v", again)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if known, err := s.LookUp(t.Context(), &store.Key{Scope: "contact", Value: "again"}); err != nil || known.LeadID == "" {
			t.Errorf("the key that was claimed anew: %+v, %v", known, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	})
	got := keys(t, dir)
	if got[prefixKey] != 2 || got[prefixExpiry] != 2 || got[prefixState] != 2 { // each claimed in its own commit
		t.Errorf("left are %d keys, %d expiries, %d values", got[prefixKey], got[prefixExpiry], got[prefixState])
	}
}

func TestTheSweeperKeepsTheNewestEventsToResumeAndEveryTimeline(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const events, kept = 11_200, 10_000
	const together = 16 * 64 // share an entry of the index, which is removed when all are old
	synctest.Test(t, func(t *testing.T) {
		s := open(t, badger.Options{Dir: dir, SweepInterval: time.Minute})
		a := lead("")
		for range events {
			a.Events = append(a.Events, &leadgatev1.Event{Kind: &leadgatev1.Event_Lead{Lead: &leadgatev1.LeadEvent{LeadId: a.Record.GetLeadId()}}})
		}
		accept(t, s, a)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		recent, err := s.Recent(t.Context(), 2*events)
		if err != nil || len(recent) < kept || len(recent) >= kept+together {
			t.Fatalf("%d are recent, error %v", len(recent), err)
		}
		if first, last := recent[0].GetId(), recent[len(recent)-1].GetId(); first != fmt.Sprintf("%s-%d", s.ID(), events-len(recent)+1) || last != fmt.Sprintf("%s-%d", s.ID(), events) {
			t.Errorf("recent are %s to %s", first, last)
		}
		if timeline, err := s.Timeline(t.Context(), a.Record.GetLeadId()); err != nil || len(timeline) != events {
			t.Errorf("the timeline has %d, error %v", len(timeline), err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	})
	if got := keys(t, dir)[prefixEvent]; got > kept/together+1 {
		t.Errorf("left are %d entries of the index of events", got)
	}
}
