package storetest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/journal"
	"github.com/leadgate/leadgate/worker/store"
)

// event returns an event about one stage of a lead.
func event(leadID string, stage leadgatev1.Stage) *leadgatev1.Event {
	return &leadgatev1.Event{Kind: &leadgatev1.Event_Lead{Lead: &leadgatev1.LeadEvent{LeadId: leadID, Stage: stage}}}
}

// told returns the acceptance of a lead with two events.
func (r *rig) told(email string) *store.Acceptance {
	a := r.lead(email)
	a.Events = []*leadgatev1.Event{
		event(a.Record.GetLeadId(), leadgatev1.Stage_STAGE_RECEIVED), event(a.Record.GetLeadId(), leadgatev1.Stage_STAGE_QUEUED),
	}
	return a
}

// expectNumbered expects consecutive identifiers of this store, from first on.
func (r *rig) expectNumbered(events []*leadgatev1.Event, first uint64) {
	r.t.Helper()
	for i, e := range events {
		id, err := journal.ParseID(e.GetId())
		if err != nil {
			r.t.Fatal(err)
		}
		if want := (journal.ID{Store: r.ID(), Commit: first + uint64(i)}); id != want {
			r.t.Fatalf("event %d is %v, want %v", i, id, want)
		}
	}
}

func (r *rig) timeline(leadID string) []*leadgatev1.Event {
	r.t.Helper()
	events, err := r.Timeline(r.ctx, leadID)
	if err != nil {
		r.t.Fatal(err)
	}
	return events
}

func (r *rig) recent(limit int) []*leadgatev1.Event {
	r.t.Helper()
	events, err := r.Recent(r.ctx, limit)
	if err != nil {
		r.t.Fatal(err)
	}
	return events
}

func stages(events []*leadgatev1.Event) string {
	var names []string
	for _, e := range events {
		names = append(names, strings.TrimPrefix(e.GetLead().GetStage().String(), "STAGE_"))
	}
	return strings.Join(names, " ")
}

func eventSuite() suite {
	return suite{
		"EventsAreNumberedInCommitOrderAndPublishedBeforeTheCallReturns": func(t *testing.T, r *rig) {
			for i := range 5 {
				r.accept(r.told("ada@example.com"), r.told("bob@example.com"))
				if got := len(r.seen()); got != 4*(i+1) {
					t.Fatalf("%d were published after %d calls", got, i+1)
				}
			}
			r.expectNumbered(r.seen(), 1)
		},

		"NumbersGoOnAfterARestart": func(_ *testing.T, r *rig) {
			r.accept(r.told("ada@example.com"))
			r.reopen()
			r.accept(r.told("ada@example.com"))
			r.expectNumbered(r.seen(), 1)
		},

		"ConcurrentCallersDoNotMixTheOrderUp": func(t *testing.T, r *rig) {
			var all sync.WaitGroup
			for i := range 64 {
				a := r.told(fmt.Sprintf("p%d@example.com", i))
				all.Go(func() {
					if _, err := r.Accept(r.ctx, a); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
			r.expectNumbered(r.seen(), 1)
			for i, e := range r.seen() {
				if i%2 == 1 && e.GetLead().GetLeadId() != r.seen()[i-1].GetLead().GetLeadId() {
					t.Fatal("the events of one lead are apart")
				}
			}
		},

		"WhatIsNotWrittenIsNotTold": func(t *testing.T, r *rig) {
			a := r.told("ada@example.com")
			a.Key = r.key("k", nil)
			r.accept(a)
			again := r.told("ada@example.com")
			again.Key = r.key("k", nil)
			r.accept(again)
			bad := r.told("bob@example.com")
			bad.Record.LeadId = a.Record.GetLeadId()
			r.tryAccept(bad, r.told("eve@example.com"))
			if got := len(r.seen()); got != 4 {
				t.Errorf("%d were published", got)
			}
			r.expectNumbered(r.seen(), 1)
		},

		"ATimelineHasAllThatHappenedToALead": func(t *testing.T, r *rig) {
			a := r.told("ada@example.com")
			r.accept(a, r.told("bob@example.com"))
			id := a.Record.GetLeadId()
			step := r.next(r.claimUpTo("crm", 1).Items[0])
			step.Events = []*leadgatev1.Event{event(id, leadgatev1.Stage_STAGE_CRM_API_CALL)}
			r.expectDone(r.Begin(r.ctx, step))
			step.Events = []*leadgatev1.Event{event(id, leadgatev1.Stage_STAGE_FAILURE), event(id, leadgatev1.Stage_STAGE_DEAD)}
			r.settle(dead, step)
			if _, err := r.Redrive(r.ctx, &store.Redrive{DeliveryID: id + ".crm", Events: []*leadgatev1.Event{event(id, leadgatev1.Stage_STAGE_QUEUED)}}); err != nil {
				t.Fatal(err)
			}
			r.reopen()
			timeline := r.timeline(id)
			if got, want := stages(timeline), "RECEIVED QUEUED CRM_API_CALL FAILURE DEAD QUEUED"; got != want {
				t.Errorf("timeline is %s, want %s", got, want)
			}
			seen := slices.DeleteFunc(r.seen(), func(e *leadgatev1.Event) bool { return e.GetLead().GetLeadId() != id })
			if len(seen) != len(timeline) {
				t.Fatalf("%d were published, %d are in the timeline", len(seen), len(timeline))
			}
			for i := range seen {
				r.expectSame(seen[i], timeline[i])
			}
		},

		"AHeldReuseIsTold": func(t *testing.T, r *rig) {
			a := r.told("ada@example.com")
			a.Key = r.key("k", nil)
			r.accept(a)
			again := r.told("ada@example.com")
			again.Key = r.key("k", map[string]string{"city": "Paris"})
			again.OnReuse = r.heldLead("ada@example.com", leadgatev1.HoldReason_HOLD_REASON_KEY_REUSED)
			heldID := again.OnReuse.Record.GetLeadId()
			again.OnReuse.Events = []*leadgatev1.Event{event(heldID, leadgatev1.Stage_STAGE_HELD)}
			r.accept(again)
			if got := stages(r.timeline(heldID)); got != "HELD" {
				t.Errorf("timeline is %q", got)
			}
			if got := stages(r.seen()); got != "RECEIVED QUEUED HELD" {
				t.Errorf("published were %q", got)
			}
		},

		"RecentIsTheNewestOldestFirst": func(t *testing.T, r *rig) {
			if got := r.recent(10); len(got) != 0 {
				t.Errorf("of a new store: %v", got)
			}
			for range 5 {
				r.accept(r.told("ada@example.com"))
			}
			r.reopen()
			r.expectNumbered(r.recent(100), 1)
			recent := r.recent(3)
			if len(recent) != 3 {
				t.Fatalf("%d are recent", len(recent))
			}
			r.expectNumbered(recent, 8)
			for i, e := range recent {
				r.expectSame(r.seen()[7+i], e)
			}
		},
	}
}
