package journal_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/journal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newJournal returns a journal of a store named "shop" that keeps a number of events.
func newJournal(t testing.TB, history int) *journal.Journal {
	t.Helper()
	j := journal.New(journal.Options{Now: time.Now, History: history})
	t.Cleanup(j.Close)
	j.Load("shop", nil)
	return j
}

func stored(commit int, stage leadgatev1.Stage) *leadgatev1.Event {
	return &leadgatev1.Event{Id: fmt.Sprintf("shop-%d", commit), Time: timestamppb.Now(), Kind: &leadgatev1.Event_Lead{
		Lead: &leadgatev1.LeadEvent{Stage: stage, LeadId: fmt.Sprint(commit)},
	}}
}

func queued(commits ...int) []*leadgatev1.Event {
	var events []*leadgatev1.Event
	for _, commit := range commits {
		events = append(events, stored(commit, leadgatev1.Stage_STAGE_QUEUED))
	}
	return events
}

func rejected() *leadgatev1.Event {
	return &leadgatev1.Event{Kind: &leadgatev1.Event_Lead{Lead: &leadgatev1.LeadEvent{Stage: leadgatev1.Stage_STAGE_REJECTED}}}
}

func upTo(n int) []int {
	var all []int
	for i := 1; i <= n; i++ {
		all = append(all, i)
	}
	return all
}

func subscribe(t testing.TB, j *journal.Journal, o journal.SubscribeOptions) *journal.Subscription {
	t.Helper()
	s, err := j.Subscribe(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// read takes what the subscription has until there is nothing more, and returns the identifiers.
func read(t testing.TB, s *journal.Subscription) (ids []string, gaps []*journal.Gap) {
	t.Helper()
	for {
		// What is there is returned at once; an ended context comes only after that would have to wait.
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
		batch, err := s.Next(ctx)
		cancel()
		if errors.Is(err, context.DeadlineExceeded) {
			return ids, gaps
		}
		if err != nil {
			t.Fatal(err)
		}
		if batch.Gap != nil {
			gaps = append(gaps, batch.Gap)
		}
		for _, event := range batch.Events {
			ids = append(ids, event.GetId())
		}
	}
}

func shop(commits ...int) []string {
	var ids []string
	for _, commit := range commits {
		ids = append(ids, fmt.Sprintf("shop-%d", commit))
	}
	return ids
}

func TestASubscriberGetsWhatComesAfterItSubscribed(t *testing.T) {
	t.Parallel()
	j := newJournal(t, 10)
	j.Committed(queued(1))
	s := subscribe(t, j, journal.SubscribeOptions{})
	j.Committed(queued(2, 3))
	if ids, gaps := read(t, s); !slices.Equal(ids, shop(2, 3)) || gaps != nil {
		t.Errorf("got %v, gaps %v", ids, gaps)
	}
}

func TestPublishedEventsGetIdentifiersBetweenThoseOfTheStore(t *testing.T) {
	t.Parallel()
	j := newJournal(t, 10)
	s := subscribe(t, j, journal.SubscribeOptions{})
	j.Committed(queued(7))
	first, second := rejected(), &leadgatev1.Event{Kind: &leadgatev1.Event_System{System: &leadgatev1.SystemEvent{}}}
	j.Publish(first, second)
	j.Committed(queued(8))
	ids, _ := read(t, s)
	if len(ids) != 4 || ids[0] != "shop-7" || ids[3] != "shop-8" {
		t.Fatalf("order is %v", ids)
	}
	for i := 1; i < len(ids); i++ {
		before, err := journal.ParseID(ids[i-1])
		if err != nil {
			t.Fatal(err)
		}
		after, err := journal.ParseID(ids[i])
		if err != nil {
			t.Fatal(err)
		}
		if !before.Less(after) {
			t.Errorf("%s does not come before %s", before, after)
		}
	}
	if first.GetTime() == nil || first.GetId() != ids[1] || second.GetId() != ids[2] {
		t.Errorf("published %v and %v, ids %v", first, second, ids)
	}
}

func TestIdentifiersRiseAcrossARestart(t *testing.T) {
	t.Parallel()
	now := time.Now()
	publish := func() journal.ID {
		j := journal.New(journal.Options{Now: func() time.Time { return now }})
		defer j.Close()
		j.Load("shop", queued(4))
		event := rejected()
		j.Publish(event)
		id, err := journal.ParseID(event.GetId())
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	before := publish()
	now = now.Add(time.Millisecond)
	if after := publish(); !before.Less(after) || after.Commit != 4 {
		t.Errorf("%s, and after the restart %s", before, after)
	}
}

func TestResumingGoesOnBehindTheEvent(t *testing.T) {
	t.Parallel()
	j := newJournal(t, 10)
	j.Committed(queued(1, 2))
	refused := rejected()
	j.Publish(refused)
	j.Committed(queued(3))
	for after, want := range map[string][]string{
		"shop-1":        {"shop-2", refused.GetId(), "shop-3"},
		"shop-2":        {refused.GetId(), "shop-3"},
		refused.GetId(): {"shop-3"},
		"shop-3":        nil,
		"shop-0":        {"shop-1", "shop-2", refused.GetId(), "shop-3"},
		journal.ID{Store: "shop", Commit: 2}.String(): {refused.GetId(), "shop-3"},
	} {
		s := subscribe(t, j, journal.SubscribeOptions{After: after})
		if ids, gaps := read(t, s); !slices.Equal(ids, want) || gaps != nil {
			t.Errorf("after %s: %v, want %v; gaps %v", after, ids, want, gaps)
		}
	}
}

func TestResumingAfterTheLatestMissesNothing(t *testing.T) {
	t.Parallel()
	j := newJournal(t, 10)
	for _, put := range []func() string{
		func() string { j.Committed(queued(1)); return "shop-1" },
		func() string { e := rejected(); j.Publish(e); return e.GetId() },
		func() string { e := rejected(); j.Publish(e); return e.GetId() },
		func() string { j.Committed(queued(2)); return "shop-2" },
	} {
		latest := j.Latest()
		id := put()
		s := subscribe(t, j, journal.SubscribeOptions{After: latest})
		if ids, gaps := read(t, s); !slices.Equal(ids, []string{id}) || gaps != nil {
			t.Errorf("after %s: %v, gaps %v; want %s", latest, ids, gaps, id)
		}
		if j.Latest() != id {
			t.Errorf("the latest is %s, want %s", j.Latest(), id)
		}
	}
}

func TestHistoryOfTheStoreCanBeResumedAfterARestart(t *testing.T) {
	t.Parallel()
	j := journal.New(journal.Options{Now: time.Now, History: 10})
	t.Cleanup(j.Close)
	j.Committed(queued(6)) // while the store is opened; it is among the recent, too
	j.Load("shop", queued(3, 4, 5, 6))
	j.Committed(queued(7))
	if ids, gaps := read(t, subscribe(t, j, journal.SubscribeOptions{After: "shop-4"})); !slices.Equal(ids, shop(5, 6, 7)) || gaps != nil {
		t.Errorf("after 4: %v, gaps %v", ids, gaps)
	}
	if ids, gaps := read(t, subscribe(t, j, journal.SubscribeOptions{After: "shop-2"})); !slices.Equal(ids, shop(3, 4, 5, 6, 7)) || gaps != nil {
		t.Errorf("after 2: %v, gaps %v", ids, gaps)
	}
	_, gaps := read(t, subscribe(t, j, journal.SubscribeOptions{After: "shop-1"}))
	if len(gaps) != 1 || gaps[0].Missed != 1 {
		t.Errorf("after 1, which is followed by one that is not kept: gaps %v", gaps)
	}
}

func TestAGapIsToldFirstWithItsReason(t *testing.T) {
	t.Parallel()
	j := newJournal(t, 5)
	j.Committed(queued(upTo(20)...))
	for name, test := range map[string]struct {
		after, reason string
		missed        uint64
	}{
		"too old":       {"shop-3", "newest 5 events", 12},
		"another store": {"cafe-18", "another data directory", 0},
		"the future":    {"shop-21", "restored from a backup", 0},
	} {
		s := subscribe(t, j, journal.SubscribeOptions{After: test.after})
		batch, err := s.Next(t.Context())
		if err != nil || batch.Gap == nil || len(batch.Events) > 0 {
			t.Fatalf("%s: first comes %v, %v", name, batch, err)
		}
		if !strings.Contains(batch.Gap.Reason, test.reason) || batch.Gap.Missed != test.missed {
			t.Errorf("%s: %+v", name, *batch.Gap)
		}
		if ids, gaps := read(t, s); !slices.Equal(ids, shop(16, 17, 18, 19, 20)) || gaps != nil {
			t.Errorf("%s: then %v, gaps %v", name, ids, gaps)
		}
	}
	if ids, gaps := read(t, subscribe(t, j, journal.SubscribeOptions{After: "shop-15"})); len(ids) != 5 || gaps != nil {
		t.Errorf("resuming at the edge of the history: %v, gaps %v", ids, gaps)
	}
}

func TestWhatIsNotAnIdentifierIsAnError(t *testing.T) {
	t.Parallel()
	j := newJournal(t, 5)
	for _, after := range []string{"x", "shop", "shop-", "shop-1.", "shop-1.0", "-1", "shop--1"} {
		if _, err := j.Subscribe(journal.SubscribeOptions{After: after}); err == nil {
			t.Errorf("%q is taken", after)
		}
	}
	if _, err := j.Subscribe(journal.SubscribeOptions{After: "shop-1", Last: 1}); err == nil {
		t.Error("After and Last together are taken")
	}
}

func TestAFloodOfRefusalsPushesOutNothingElse(t *testing.T) {
	t.Parallel()
	j := newJournal(t, 5)
	j.Committed(queued(1))
	for range 100 {
		j.Publish(rejected())
	}
	j.Committed(queued(2))
	ids, gaps := read(t, subscribe(t, j, journal.SubscribeOptions{Last: 100}))
	if len(ids) != 7 || ids[0] != "shop-1" || ids[6] != "shop-2" || gaps != nil {
		t.Errorf("kept are %v, gaps %v", ids, gaps)
	}
	_, gaps = read(t, subscribe(t, j, journal.SubscribeOptions{After: "shop-1"}))
	if len(gaps) != 1 || !strings.Contains(gaps[0].Reason, "refused") {
		t.Errorf("missing refusals are told as %v", gaps)
	}
}

func TestTheLastAreTheNewestThatMatch(t *testing.T) {
	t.Parallel()
	j := newJournal(t, 100)
	for commit := 1; commit <= 20; commit++ {
		stage := leadgatev1.Stage_STAGE_QUEUED
		if commit%5 == 0 {
			stage = leadgatev1.Stage_STAGE_SUCCESS
		}
		j.Committed([]*leadgatev1.Event{stored(commit, stage)})
	}
	s := subscribe(t, j, journal.SubscribeOptions{Last: 2, Filter: func(e *leadgatev1.Event) bool {
		return e.GetLead().GetStage() == leadgatev1.Stage_STAGE_SUCCESS
	}})
	if ids, _ := read(t, s); !slices.Equal(ids, shop(15, 20)) {
		t.Errorf("the last two successes are %v", ids)
	}
}

func TestASlowSubscriberIsToldHowManyItMissed(t *testing.T) {
	t.Parallel()
	j := newJournal(t, 5)
	s := subscribe(t, j, journal.SubscribeOptions{})
	j.Committed(queued(upTo(12)...))
	batch, err := s.Next(t.Context())
	if err != nil || batch.Gap == nil || batch.Gap.Missed != 7 || len(batch.Events) != 5 {
		t.Errorf("got %+v, gap %+v, %v", batch, batch.Gap, err)
	}
}

func TestNextWaitsForAnEventThatMatches(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		j := journal.New(journal.Options{Now: time.Now})
		defer j.Close()
		j.Load("shop", nil)
		s := subscribe(t, j, journal.SubscribeOptions{Filter: func(e *leadgatev1.Event) bool { return e.GetId() == "shop-3" }})
		got := make(chan journal.Batch, 1)
		go func() {
			batch, _ := s.Next(t.Context())
			got <- batch
		}()
		for commit := 1; commit <= 3; commit++ {
			synctest.Wait()
			if len(got) > 0 {
				t.Fatalf("returned before commit %d", commit)
			}
			j.Committed(queued(commit))
			time.Sleep(time.Second) // of the bubble's clock: lets the bell rest
		}
		synctest.Wait()
		if batch := <-got; len(batch.Events) != 1 || batch.Events[0].GetId() != "shop-3" {
			t.Errorf("got %v", batch)
		}
	})
}

func TestClosingEndsSubscribersAfterWhatWasPublished(t *testing.T) {
	t.Parallel()
	j := newJournal(t, 5)
	s := subscribe(t, j, journal.SubscribeOptions{})
	j.Committed(queued(1))
	j.Close()
	j.Publish(rejected()) // dropped
	if batch, err := s.Next(t.Context()); err != nil || len(batch.Events) != 1 {
		t.Errorf("got %v, %v", batch, err)
	}
	if _, err := s.Next(t.Context()); !errors.Is(err, journal.ErrClosed) {
		t.Errorf("then %v", err)
	}
}

func TestATapGetsEverythingInOrderAndStopsAfterIt(t *testing.T) {
	t.Parallel()
	j := newJournal(t, 5)
	var got []string
	stop := j.Tap(func(events []*leadgatev1.Event) {
		for _, event := range events {
			got = append(got, event.GetId())
		}
	})
	const publishers, each = 4, 3000 // more than a tap's queue holds
	var all sync.WaitGroup
	for range publishers {
		all.Go(func() {
			for range each {
				j.Publish(rejected())
			}
		})
	}
	all.Wait()
	stop()
	stop()
	j.Publish(rejected())
	if len(got) != publishers*each {
		t.Fatalf("got %d events of %d", len(got), publishers*each)
	}
	if !slices.IsSortedFunc(got, func(a, b string) int {
		x, _ := journal.ParseID(a)
		y, _ := journal.ParseID(b)
		if x.Less(y) {
			return -1
		}
		return 1
	}) {
		t.Error("events are out of order")
	}
}

func TestASlowTapHoldsUpPublishersInsteadOfMissingEvents(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		j := journal.New(journal.Options{Now: time.Now})
		release, count := make(chan struct{}), 0
		stop := j.Tap(func(events []*leadgatev1.Event) {
			<-release
			count += len(events)
		})
		published := 0
		go func() {
			for ; published < 10_000; published++ {
				j.Publish(rejected())
			}
		}()
		synctest.Wait()
		if published >= 10_000 || published < 4096 {
			t.Errorf("%d were published while the tap was stuck", published)
		}
		close(release)
		synctest.Wait()
		stop()
		j.Close()
		if count != 10_000 {
			t.Errorf("the tap got %d", count)
		}
	})
}

func TestManyWatchersAndPublishersAgree(t *testing.T) {
	t.Parallel()
	j := newJournal(t, 10_000)
	var all sync.WaitGroup
	for range 20 {
		s := subscribe(t, j, journal.SubscribeOptions{})
		all.Go(func() {
			seen := 0
			for seen < 400 {
				batch, err := s.Next(t.Context())
				if err != nil || batch.Gap != nil {
					t.Errorf("after %d events: %v, gap %v", seen, err, batch.Gap)
					return
				}
				seen += len(batch.Events)
			}
		})
	}
	for range 4 {
		all.Go(func() {
			for range 100 {
				j.Publish(rejected())
			}
		})
	}
	all.Wait()
}

func TestMaskEmailLeavesFirstLetterAndDomain(t *testing.T) {
	t.Parallel()
	for email, want := range map[string]string{
		"ada@example.com": "a***@example.com",
		"a@example.com":   "***@example.com",
		"élan@example.fr": "é***@example.fr",
		"\"a@b\"@x.org":   "\"***@x.org",
		"@example.com":    "***@example.com",
		"nonsense":        "***",
		"":                "",
	} {
		if got := journal.MaskEmail(email); got != want {
			t.Errorf("%q is shown as %q, want %q", email, got, want)
		}
	}
}

func TestTheHistoryForgetsThePersonOfAnErasedLead(t *testing.T) {
	t.Parallel()
	j := newJournal(t, 10)
	secret := stored(1, leadgatev1.Stage_STAGE_QUEUED)
	secret.GetLead().Person, secret.GetLead().Detail = "a***@example.com", "ada"
	again := stored(1, leadgatev1.Stage_STAGE_DUPLICATE)
	again.GetLead().IdempotencyKey = "ada-1"
	j.Committed([]*leadgatev1.Event{secret})
	j.Committed(queued(2))
	j.Publish(again)
	erased := stored(3, leadgatev1.Stage_STAGE_ERASED)
	erased.GetLead().LeadId = "1"
	j.Committed([]*leadgatev1.Event{erased})
	batch, err := subscribe(t, j, journal.SubscribeOptions{Last: 10}).Next(t.Context())
	if err != nil || len(batch.Events) != 4 {
		t.Fatalf("%v, %v", batch.Events, err)
	}
	for _, event := range batch.Events {
		e := event.GetLead()
		if e.GetStage() == 0 || event.GetId() == "" || e.GetLeadId() == "" {
			t.Errorf("what happened is forgotten too: %v", event)
		}
		if known := e.GetPerson() + e.GetDetail() + e.GetIdempotencyKey(); known != "" {
			t.Errorf("still known: %q", known)
		}
	}
	if secret.GetLead().GetPerson() == "" {
		t.Error("an event that a watcher may be reading was changed")
	}
}

// Whatever happens while nobody reads, the journal keeps its history and no more.
func TestAMillionEventsTakeNoMoreRoomThanTheHistory(t *testing.T) {
	t.Parallel()
	const history = 1000
	j := journal.New(journal.Options{Now: time.Now, History: history})
	defer j.Close()
	j.Load("shop", nil)
	slow := subscribe(t, j, journal.SubscribeOptions{})
	for range 1000 {
		batch := make([]*leadgatev1.Event, 1000)
		for i := range batch {
			stage := leadgatev1.Stage_STAGE_QUEUED
			if i%2 == 0 {
				stage = leadgatev1.Stage_STAGE_REJECTED
			}
			batch[i] = &leadgatev1.Event{Kind: &leadgatev1.Event_Lead{Lead: &leadgatev1.LeadEvent{Stage: stage}}}
		}
		j.Publish(batch...)
	}
	if n := len(j.Recent()); n != history {
		t.Errorf("%d events are kept, want %d", n, history)
	}
	batch, err := slow.Next(t.Context())
	if err != nil || batch.Gap == nil || batch.Gap.Missed != 1_000_000-2*history {
		t.Errorf("the one that did not read is told %+v (%v)", batch.Gap, err)
	}
}

// Following one lead shows the same as looking at everything and choosing.
func TestFollowingOneLeadMissesNothingOfIt(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		j := journal.New(journal.Options{Now: time.Now, History: 64})
		defer j.Close()
		j.Load("shop", nil)
		ofA := func(e *leadgatev1.Event) bool { return e.GetLead().GetLeadId() == "a" }
		follows := subscribe(t, j, journal.SubscribeOptions{Lead: "a", Filter: ofA})
		var want, got []string
		read := func() {
			for len(got) < len(want) {
				batch, err := follows.Next(t.Context())
				if err != nil || batch.Gap != nil {
					rt.Fatalf("%+v %v", batch.Gap, err)
				}
				for _, e := range batch.Events {
					got = append(got, e.GetId())
				}
			}
		}
		for _, lead := range rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", ""}), 1, 60).Draw(rt, "leads") {
			stage := leadgatev1.Stage_STAGE_QUEUED
			if rapid.Bool().Draw(rt, "refused") {
				stage = leadgatev1.Stage_STAGE_REJECTED
			}
			event := &leadgatev1.Event{Kind: &leadgatev1.Event_Lead{Lead: &leadgatev1.LeadEvent{Stage: stage, LeadId: lead}}}
			j.Publish(event)
			if lead == "a" {
				want = append(want, event.GetId())
			}
			if rapid.Bool().Draw(rt, "read") {
				read()
			}
		}
		read()
		if !slices.Equal(got, want) {
			rt.Fatalf("%v, want %v", got, want)
		}
	})
}

func TestWhatCannotBePassedOnAsItIsIsMadeLegible(t *testing.T) {
	t.Parallel()
	j := newJournal(t, 10)
	s := subscribe(t, j, journal.SubscribeOptions{})
	j.Publish(
		&leadgatev1.Event{Kind: &leadgatev1.Event_Lead{Lead: &leadgatev1.LeadEvent{Error: "a\xffb", Detail: strings.Repeat("é", 100_000)}}},
		&leadgatev1.Event{Kind: &leadgatev1.Event_Destination{Destination: &leadgatev1.DestinationEvent{Detail: "fine"}}},
	)
	batch, err := s.Next(t.Context())
	if err != nil || len(batch.Events) != 2 {
		t.Fatalf("got %v, %v", batch, err)
	}
	for _, event := range batch.Events {
		if encoded, err := proto.Marshal(event); err != nil || len(encoded) > 10_000 {
			t.Errorf("%d bytes, %v", len(encoded), err)
		}
	}
	lead := batch.Events[0].GetLead()
	if lead.GetError() != "a\uFFFDb" || !strings.HasPrefix(lead.GetDetail(), "ééé") || !strings.HasSuffix(lead.GetDetail(), "…") {
		t.Errorf("it says %q and %.20q", lead.GetError(), lead.GetDetail())
	}
}
