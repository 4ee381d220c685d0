package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/store"
)

// erase erases leads in one call.
func (r *rig) erase(leadIDs ...string) []store.Erased {
	r.t.Helper()
	erasures := make([]*store.Erasure, len(leadIDs))
	for i, id := range leadIDs {
		erasures[i] = &store.Erasure{LeadID: id, Events: []*leadgatev1.Event{stageEvent(id, leadgatev1.Stage_STAGE_ERASED)}}
	}
	results, err := r.Erase(r.ctx, erasures...)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, result := range results {
		if result.Err != nil {
			r.t.Fatal(result.Err)
		}
	}
	return results
}

func stageEvent(leadID string, stage leadgatev1.Stage) *leadgatev1.Event {
	return &leadgatev1.Event{Kind: &leadgatev1.Event_Lead{Lead: &leadgatev1.LeadEvent{Stage: stage, LeadId: leadID, Form: "contact"}}}
}

// personal returns an acceptance with the person's name in every field that may contain it.
func (r *rig) personal(name string, destinations ...string) *store.Acceptance {
	email := name + "@example.com"
	a := r.lead(email, destinations...)
	a.Record.Submission = &leadgatev1.Submission{
		Fields: []*leadgatev1.Submission_Field{{Name: "email", Values: []string{email}}}, PageUrl: "https://www.example.com/?who=" + name,
	}
	a.Record.IdempotencyKey, a.Record.RequestId = name+"-1", name+"-2"
	event := stageEvent(a.Record.GetLeadId(), leadgatev1.Stage_STAGE_RECEIVED)
	event.GetLead().Person, event.GetLead().Detail, event.GetLead().IdempotencyKey = name, name, name
	a.Events = append(a.Events, event)
	return a
}

// sent begins an attempt that names the person in every field that may contain it.
func (r *rig) sent(name string, claim *store.Claim) *store.Step {
	step := r.next(claim)
	step.Attempt.Payload, step.Attempt.CrmBody, step.Attempt.Error = name, name, name
	step.Delivery.LastError, step.Delivery.Reason = name, name
	step.Delivery.RecordId, step.Delivery.RecordUrl = "77", "https://crm.example.com/77"
	event := stageEvent(claim.Delivery.GetLeadId(), leadgatev1.Stage_STAGE_FAILURE)
	event.GetLead().CrmBody, event.GetLead().Error, event.GetLead().Detail = name, name, name
	step.Events = []*leadgatev1.Event{event}
	r.expectDone(r.Begin(r.ctx, step))
	step.Events = nil
	return step
}

// everything returns all that can be read of a lead, as text.
func (r *rig) everything(leadID string) string {
	r.t.Helper()
	var all strings.Builder
	show := func(m proto.Message) {
		text, err := protojson.Marshal(m)
		if err != nil {
			r.t.Fatal(err)
		}
		all.Write(text)
	}
	record, err := r.Lead(r.ctx, leadID)
	if err != nil {
		r.t.Fatal(err)
	}
	show(record)
	deliveries, err := r.LeadDeliveries(r.ctx, leadID)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, d := range deliveries {
		show(d)
	}
	timeline, err := r.Timeline(r.ctx, leadID)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, e := range append(timeline, r.recent(1000)...) {
		show(e)
	}
	return all.String()
}

func (r *rig) expectLate(step *store.Step) {
	r.t.Helper()
	step.Delivery.State = delivered
	results, err := r.Settle(r.ctx, step)
	if err := problem(results, err); !errors.Is(err, store.ErrStale) {
		r.t.Errorf("a late settle: %v", err)
	}
}

func eraseSuite() suite {
	return suite{
		"NothingOfThePersonIsLeft": func(t *testing.T, r *rig) {
			a := r.personal("ada", "crm", "archive", "third")
			leadID := a.Record.GetLeadId()
			r.accept(a, r.personal("bob"))
			r.settle(delivered, r.sent("ada", r.claimUpTo("crm", 1).Items[0]))
			r.settle(retryWait, r.sent("ada", r.claimUpTo("archive", 1).Items[0]))
			if !strings.Contains(r.everything(leadID), "ada") {
				t.Fatal("the test sees nothing")
			}
			result := r.erase(leadID)[0]
			if len(result.Deliveries) != 3 || result.Cancelled != 2 || result.Attempts != 2 || result.Events != 3 || len(result.Interrupted) != 0 {
				t.Errorf("result is %+v", result)
			}
			for range 2 {
				if all := r.everything(leadID); strings.Contains(all, "ada") {
					t.Errorf("left: %s", all)
				}
				record, err := r.Lead(r.ctx, leadID)
				if err != nil || record.GetState() != leadgatev1.LeadState_LEAD_STATE_ERASED {
					t.Errorf("the lead is %v, %v", record, err)
				}
				d := r.expectState(leadID+".crm", delivered)
				if d.GetRecordId() != "77" || d.GetRecordUrl() == "" || len(d.GetAttempts()) != 1 {
					t.Errorf("what is to be erased in the CRM is lost: %v", d)
				}
				r.expectState(leadID+".archive", cancelled)
				r.expectState(leadID+".third", cancelled)
				if ids := r.allLeads(store.LeadQuery{Email: "ada@example.com"}, 10); len(ids) != 0 {
					t.Errorf("found by address: %v", ids)
				}
				if ids := r.allLeads(store.LeadQuery{State: leadgatev1.LeadState_LEAD_STATE_ERASED}, 10); !slices.Equal(ids, []string{leadID}) {
					t.Errorf("erased are %v", ids)
				}
				if ids, err := r.ErasedLeads(r.ctx, "ada@example.com"); err != nil || !slices.Equal(ids, []string{leadID}) {
					t.Errorf("the erasure list has %v, %v", ids, err)
				}
				r.expectLeads(map[leadgatev1.LeadState]int64{leadgatev1.LeadState_LEAD_STATE_OPEN: 1, leadgatev1.LeadState_LEAD_STATE_ERASED: 1})
				r.reopen()
			}
			r.claim(r.allLeads(store.LeadQuery{Email: "bob@example.com"}, 1)[0] + ".crm")
		},

		"ErasingWinsOverALateSettle": func(t *testing.T, r *rig) {
			ids := r.acceptFrom("ada@example.com", "ada@example.com")
			step := r.begin(r.claim(ids[0])...)[0]
			result := r.erase(step.Delivery.GetLeadId())[0]
			if !slices.Equal(result.Interrupted, ids[:1]) || result.Cancelled != 1 {
				t.Errorf("result is %+v", result)
			}
			r.expectLate(step)
			r.expectState(ids[0], cancelled)
			r.claim(ids[1]) // now it is this one's turn
			r.reopen()
			r.expectState(ids[0], cancelled)
			r.claim(ids[1])
		},

		"AClaimThatHasNotBegunIsStale": func(t *testing.T, r *rig) {
			ids := r.acceptFrom("ada@example.com")
			claims := r.claim(ids...)
			r.erase(claims[0].Delivery.GetLeadId())
			results, err := r.Begin(r.ctx, r.next(claims[0]))
			if err := problem(results, err); !errors.Is(err, store.ErrStale) {
				t.Errorf("begin: %v", err)
			}
			r.claim()
		},

		"WhoeverWaitsBehindGoesOnInOrder": func(t *testing.T, r *rig) {
			ids := r.acceptFrom("ada@example.com", "ada@example.com", "ada@example.com", "bob@example.com")
			lead := func(i int) string { return strings.TrimSuffix(ids[i], ".crm") }
			r.erase(lead(1)) // in the middle of the chain
			r.pass(delivered, ids[0], ids[3])
			r.pass(delivered, ids[2])
			r.claim()
			if oldest := r.oldestWaiting(); !oldest.IsZero() {
				t.Errorf("something is said to wait since %v", oldest)
			}
		},

		"AllLeadsOfAPersonAtOnce": func(t *testing.T, r *rig) {
			const n = 50
			var leads []string
			for i, id := range r.acceptFrom(slices.Repeat([]string{"ada@example.com"}, n)...) {
				if leads = append(leads, strings.TrimSuffix(id, ".crm")); i%7 == 0 {
					r.clock.advance(time.Second)
				}
			}
			r.erase(leads...)
			r.claim()
			want := map[leadgatev1.DeliveryState]int64{cancelled: n}
			if got := r.counts("crm"); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("counts are %v", got)
			}
			next := r.acceptFrom("ada@example.com") // somebody who comes back is a person like any other
			if claim := r.claim(next...)[0]; claim.Late {
				t.Error("it is late behind what was erased")
			}
		},

		"TheKeyGoesOnAnsweringUntilItsTimeIsUp": func(t *testing.T, r *rig) {
			a := r.lead("ada@example.com")
			a.Key = &store.Key{Scope: "contact", Value: "k", Expires: r.clock.time().Add(time.Hour), Fields: store.Fingerprint{{Name: "email", Hash: [16]byte{'h'}}}}
			r.accept(a)
			r.erase(a.Record.GetLeadId())
			again := r.lead("ada@example.com")
			again.Key = a.Key
			for range 2 {
				if known, err := r.LookUp(r.ctx, a.Key); err != nil || known.LeadID != a.Record.GetLeadId() || len(known.Differing) != 0 {
					t.Errorf("the key is known as %+v, %v", known, err)
				}
				if result := r.accept(again)[0]; !result.Replayed || result.LeadID != a.Record.GetLeadId() {
					t.Errorf("the key again: %+v", result)
				}
				r.reopen()
			}
		},

		"WhatIsErasedOrUnknownIsLeftAsItIs": func(t *testing.T, r *rig) {
			ids := r.acceptFrom("ada@example.com")
			lead := strings.TrimSuffix(ids[0], ".crm")
			r.erase(lead)
			events := len(r.seen())
			if again := r.erase(lead)[0]; !again.Already || again.Cancelled != 0 || len(again.Deliveries) != 1 {
				t.Errorf("again: %+v", again)
			}
			if len(r.seen()) != events {
				t.Error("an event tells of nothing")
			}
			for _, id := range []string{"nonsense", r.newLeadID()} {
				if results, err := r.Erase(r.ctx, &store.Erasure{LeadID: id}); err != nil || !errors.Is(results[0].Err, store.ErrNotFound) {
					t.Errorf("lead %s: %v, %v", id, results, err)
				}
			}
			if result := r.tryRedrive(ids[0])[0]; !errors.Is(result.Err, store.ErrState) {
				t.Errorf("redriven: %+v", result)
			}
		},

		"ALeadThatGotAnotherAddressIsFoundAndErasedByTheOldOne": func(t *testing.T, r *rig) {
			ids := r.acceptFrom("ada@example.com")
			r.pass(delivered, ids...)
			leadID := leadOf(ids[0])
			for _, email := range []string{"bob@example.com", "carl@example.com", "bob@example.com"} {
				r.amend(r.amendment(leadID, func(record *leadgatev1.LeadRecord) { record.Lead.Email, record.FormerEmails = email, nil }))
			}
			for _, email := range []string{"ada@example.com", "bob@example.com", "carl@example.com"} {
				if found := r.allLeads(store.LeadQuery{Email: email}, 10); !slices.Equal(found, []string{leadID}) {
					t.Errorf("by %s are found %v", email, found)
				}
			}
			r.erase(leadID)
			r.reopen()
			if all := r.everything(leadID); strings.Contains(all, "ada") || strings.Contains(all, "bob") || strings.Contains(all, "carl") {
				t.Errorf("left: %s", all)
			}
			for _, email := range []string{"ada@example.com", "bob@example.com", "carl@example.com"} {
				if found := r.allLeads(store.LeadQuery{Email: email}, 10); len(found) != 0 {
					t.Errorf("by %s are still found %v", email, found)
				}
				if erased, err := r.ErasedLeads(r.ctx, email); err != nil || !slices.Equal(erased, []string{leadID}) {
					t.Errorf("erased of %s are %v, %v", email, erased, err)
				}
			}
		},

		"AHeldLeadThatHasNoAddressIsFoundByItsSubmission": func(t *testing.T, r *rig) {
			a := r.heldLead("", leadgatev1.HoldReason_HOLD_REASON_NO_ROUTE)
			a.Record.Submission = &leadgatev1.Submission{Fields: []*leadgatev1.Submission_Field{
				{Name: "note", Values: []string{"call me @ noon", "a@b c"}}, {Name: "e-mail", Values: []string{" Ada@Example.com "}},
			}}
			r.accept(a)
			if ids := r.allLeads(store.LeadQuery{Email: "ada@example.com"}, 10); !slices.Equal(ids, []string{a.Record.GetLeadId()}) {
				t.Errorf("found: %v", ids)
			}
			r.expectHeld(map[leadgatev1.HoldReason]int64{leadgatev1.HoldReason_HOLD_REASON_NO_ROUTE: 1})
			r.erase(a.Record.GetLeadId())
			if ids := r.allLeads(store.LeadQuery{Reason: leadgatev1.HoldReason_HOLD_REASON_NO_ROUTE}, 10); len(ids) != 0 {
				t.Errorf("still held: %v", ids)
			}
			r.expectHeld(map[leadgatev1.HoldReason]int64{})
		},
	}
}

// expectLeads expects the counts of leads, without zeros.
func (r *rig) expectLeads(want map[leadgatev1.LeadState]int64) {
	r.t.Helper()
	counts, err := r.LeadCounts(r.ctx)
	if err != nil {
		r.t.Fatal(err)
	}
	if got := notZero(counts.ByState); fmt.Sprint(got) != fmt.Sprint(want) {
		r.t.Errorf("leads are %v, want %v", got, want)
	}
}

// expectHeld expects the counts of held leads, without zeros.
func (r *rig) expectHeld(want map[leadgatev1.HoldReason]int64) {
	r.t.Helper()
	counts, err := r.LeadCounts(r.ctx)
	if err != nil {
		r.t.Fatal(err)
	}
	if got := notZero(counts.Held); fmt.Sprint(got) != fmt.Sprint(want) {
		r.t.Errorf("held leads are %v, want %v", got, want)
	}
}

func notZero[K comparable](counts map[K]int64) map[K]int64 {
	left := map[K]int64{}
	for key, n := range counts {
		if n != 0 {
			left[key] = n
		}
	}
	return left
}
