package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/store"
)

func acceptSuite() suite {
	return suite{
		"AnAcceptedLeadIsThereWithItsDeliveriesAlsoAfterARestart": func(t *testing.T, r *rig) {
			a := r.lead("ada@example.com", "crm", "archive")
			if got := r.accept(a)[0]; got.LeadID != a.Record.GetLeadId() || got.Replayed {
				t.Fatalf("accepted as %+v", got)
			}
			r.reopen()
			record, err := r.Lead(r.ctx, a.Record.GetLeadId())
			if err != nil {
				t.Fatal(err)
			}
			if record.GetLead().GetEmail() != "ada@example.com" || record.GetSequence() == 0 {
				t.Errorf("record is %v", record)
			}
			deliveries, err := r.LeadDeliveries(r.ctx, a.Record.GetLeadId())
			if err != nil {
				t.Fatal(err)
			}
			if len(deliveries) != 2 || deliveries[0].GetDestination() != "archive" || deliveries[1].GetDestination() != "crm" {
				t.Fatalf("deliveries are %v", deliveries)
			}
			for _, d := range deliveries {
				if d.GetState() != pending || d.GetSequence() != record.GetSequence() || d.GetForm() != "contact" ||
					d.GetDeliveryId() != record.GetLeadId()+"."+d.GetDestination() || !d.GetDueTime().AsTime().Equal(r.clock.time()) {
					t.Errorf("delivery is %v", d)
				}
			}
		},

		"SequencesRiseInTheOrderOfAcceptanceAcrossRestarts": func(t *testing.T, r *rig) {
			var last uint64
			for range 3 {
				for range 3 {
					a := r.lead("")
					r.accept(a)
					record, err := r.Lead(r.ctx, a.Record.GetLeadId())
					if err != nil {
						t.Fatal(err)
					}
					if record.GetSequence() <= last {
						t.Fatalf("sequence %d comes after %d", record.GetSequence(), last)
					}
					last = record.GetSequence()
				}
				r.reopen()
			}
		},

		"ALeadThatCannotBeStoredFailsAloneAmongMany": func(t *testing.T, r *rig) {
			poisons := map[string]func(*store.Acceptance){
				"no record":                 func(a *store.Acceptance) { a.Record = nil },
				"an id that is no UUID":     func(a *store.Acceptance) { a.Record.LeadId = "7" },
				"text that is not UTF-8":    func(a *store.Acceptance) { a.Record.Lead.Message = "\xff" },
				"no state":                  func(a *store.Acceptance) { a.Record.State = 0 },
				"held, with a delivery":     func(a *store.Acceptance) { a.Record.State = leadgatev1.LeadState_LEAD_STATE_HELD },
				"no time":                   func(a *store.Acceptance) { a.Record.CreateTime = nil },
				"a time before computers":   func(a *store.Acceptance) { a.Record.CreateTime = timestamppb.New(time.Unix(-1, 0)) },
				"a nameless destination":    func(a *store.Acceptance) { a.Destinations = []string{""} },
				"a destination named twice": func(a *store.Acceptance) { a.Destinations = []string{"crm", "crm"} },
				"a key without an expiry":   func(a *store.Acceptance) { a.Key = &store.Key{Scope: "contact", Value: "k"} },
				"fields that are not UTF-8": func(a *store.Acceptance) {
					a.Key = &store.Key{Scope: "contact", Value: "k", Expires: r.clock.time().Add(1), Fields: store.Fingerprint{{Name: "\xff"}}}
				},
				"an event that is not UTF-8": func(a *store.Acceptance) {
					a.Events = []*leadgatev1.Event{{Kind: &leadgatev1.Event_System{System: &leadgatev1.SystemEvent{Detail: "\xff"}}}}
				},
				"32 MiB of message": func(a *store.Acceptance) { a.Record.Lead.Message = string(make([]byte, 32<<20)) },
				"an open lead on reuse": func(a *store.Acceptance) {
					a.Key = &store.Key{Scope: "contact", Value: "k", Expires: r.clock.time().Add(1)}
					a.OnReuse = r.lead("")
				},
			}
			for what, poison := range poisons {
				before, bad, after := r.lead("a@example.com"), r.lead("a@example.com"), r.lead("a@example.com")
				poison(bad)
				results := r.tryAccept(before, bad, after)
				if results[0].Err != nil || results[2].Err != nil {
					t.Fatalf("%s: its neighbours failed: %v, %v", what, results[0].Err, results[2].Err)
				}
				if results[1].Err == nil || results[1].LeadID != "" {
					t.Errorf("%s was accepted: %+v", what, results[1])
				}
			}
			if err := r.Writable(); err != nil {
				t.Error(err)
			}
			if got := r.counts("crm")[pending]; got != int64(2*len(poisons)) {
				t.Errorf("%d deliveries wait, want %d", got, 2*len(poisons))
			}
		},

		"ALeadIDIsAcceptedOnce": func(t *testing.T, r *rig) {
			a, b := r.lead("ada@example.com"), r.lead("bob@example.com")
			b.Record.LeadId = a.Record.GetLeadId()
			results := r.tryAccept(a, b)
			if results[0].Err != nil || results[1].Err == nil {
				t.Errorf("in one call: %v", results)
			}
			if again := r.tryAccept(b); again[0].Err == nil {
				t.Errorf("in another call: %v", again)
			}
			if claims := r.claim(a.Record.GetLeadId() + ".crm"); claims[0].Record.GetLead().GetEmail() != "ada@example.com" {
				t.Errorf("the lead became %v", claims[0].Record)
			}
		},

		"ConcurrentCallersEachGetTheirOwnResults": func(t *testing.T, r *rig) {
			const callers, leads = 32, 8
			var all sync.WaitGroup
			for caller := range callers {
				var acceptances []*store.Acceptance
				for i := range leads {
					acceptances = append(acceptances, r.lead(fmt.Sprintf("p%d-%d@example.com", caller, i)))
				}
				all.Go(func() {
					results, err := r.Accept(r.ctx, acceptances...)
					if err != nil {
						t.Error(err)
						return
					}
					for i, result := range results {
						if result.Err != nil || result.LeadID != acceptances[i].Record.GetLeadId() {
							t.Errorf("caller %d, lead %d: %+v", caller, i, result)
						}
					}
				})
			}
			all.Wait()
			if got := r.counts("crm")[pending]; got != callers*leads {
				t.Errorf("%d deliveries wait, want %d", got, callers*leads)
			}
		},

		"NothingIsWrittenUnderAnEndedContext": func(t *testing.T, r *rig) {
			ctx, cancel := context.WithCancel(r.ctx)
			cancel()
			a := r.lead("ada@example.com")
			if _, err := r.Accept(ctx, a); !errors.Is(err, context.Canceled) {
				t.Errorf("error is %v", err)
			}
			if _, err := r.Lead(r.ctx, a.Record.GetLeadId()); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("the lead: %v", err)
			}
		},
	}
}
