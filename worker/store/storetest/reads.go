package storetest

import (
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/store"
)

// counts returns the numbers of a destination's deliveries by state, without zeros.
func (r *rig) counts(destination string) map[leadgatev1.DeliveryState]int64 {
	r.t.Helper()
	counts, err := r.Counts(r.ctx)
	if err != nil {
		r.t.Fatal(err)
	}
	byState := maps.Clone(counts[destination].ByState)
	maps.DeleteFunc(byState, func(_ leadgatev1.DeliveryState, n int64) bool { return n == 0 })
	return byState
}

func (r *rig) oldestWaiting() time.Time {
	r.t.Helper()
	counts, err := r.Counts(r.ctx)
	if err != nil {
		r.t.Fatal(err)
	}
	return counts["crm"].OldestWaiting
}

func (r *rig) expectSame(want, got proto.Message) {
	r.t.Helper()
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		r.t.Errorf("differs (-want +got):\n%s", diff)
	}
}

func readSuite() suite {
	return suite{
		"ARecordComesBackAsItWasGiven": func(t *testing.T, r *rig) {
			a := r.lead("ada@example.com")
			a.Record.Submission = &leadgatev1.Submission{Fields: []*leadgatev1.Submission_Field{{Name: "email", Values: []string{"Ada@Example.com"}}}}
			a.Record.IdempotencyKey, a.Record.RequestId = "k", "request 7"
			given := proto.CloneOf(a.Record)
			r.accept(a)
			r.reopen()
			got, err := r.Lead(r.ctx, a.Record.GetLeadId())
			if err != nil {
				t.Fatal(err)
			}
			got.Sequence = 0
			r.expectSame(given, got)
		},

		"WhatIsNotThereIsNotFound": func(t *testing.T, r *rig) {
			r.acceptFrom("ada@example.com")
			for _, id := range []string{"", "nonsense", r.newLeadID()} {
				if _, err := r.Lead(r.ctx, id); !errors.Is(err, store.ErrNotFound) {
					t.Errorf("lead %q: %v", id, err)
				}
				if _, err := r.Delivery(r.ctx, id+".crm"); !errors.Is(err, store.ErrNotFound) {
					t.Errorf("delivery %q.crm: %v", id, err)
				}
				if deliveries, err := r.LeadDeliveries(r.ctx, id); err != nil || len(deliveries) != 0 {
					t.Errorf("deliveries of %q: %v, %v", id, deliveries, err)
				}
				if events, err := r.Timeline(r.ctx, id); err != nil || len(events) != 0 {
					t.Errorf("timeline of %q: %v, %v", id, events, err)
				}
			}
		},

		"LeadDeliveriesHaveTheirAttempts": func(t *testing.T, r *rig) {
			a := r.lead("ada@example.com", "crm", "crm-de")
			r.accept(a)
			r.settle(retryWait, r.begin(r.claimUpTo("crm-de", 1).Items...)...)
			deliveries, err := r.LeadDeliveries(r.ctx, a.Record.GetLeadId())
			if err != nil || len(deliveries) != 2 {
				t.Fatalf("%v, %v", deliveries, err)
			}
			if len(deliveries[0].GetAttempts()) != 0 || len(deliveries[1].GetAttempts()) != 1 {
				t.Errorf("attempts are %v and %v", deliveries[0].GetAttempts(), deliveries[1].GetAttempts())
			}
		},

		"DeliveriesOfLeadsComeInTheOrderOfTheLeads": func(t *testing.T, r *rig) {
			for _, n := range []int{2, 30} {
				leads := []string{"nonsense", r.newLeadID()}
				var want []string
				for i := range n {
					a := r.lead("", []string{"crm-de", "crm"}[:1+i%2]...)
					r.accept(a)
					leads = slices.Insert(leads, 0, a.Record.GetLeadId()) // newest first, as in lists
					if i%2 == 1 {
						want = slices.Insert(want, 0, a.Record.GetLeadId()+".crm", a.Record.GetLeadId()+".crm-de")
					} else {
						want = slices.Insert(want, 0, a.Record.GetLeadId()+".crm-de")
					}
				}
				r.settle(retryWait, r.begin(r.claimUpTo("crm-de", 1).Items...)...)
				deliveries, err := r.DeliveriesOf(r.ctx, leads...)
				if err != nil {
					t.Fatal(err)
				}
				var got []string
				for _, d := range deliveries {
					got = append(got, d.GetDeliveryId())
					if len(d.GetAttempts()) > 0 {
						t.Errorf("%s has its attempts", d.GetDeliveryId())
					}
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("of %d leads (-want +got):\n%s", n, diff)
				}
			}
		},

		"CountsAreTheDeliveriesByStateAlsoAfterARestart": func(t *testing.T, r *rig) {
			ids := r.acceptFrom(people(7)...)
			steps := r.begin(r.claim(ids...)[:6]...)
			r.settle(delivered, steps[0], steps[1])
			r.settle(dead, steps[2])
			r.settle(retryWait, steps[3])
			want := map[leadgatev1.DeliveryState]int64{delivered: 2, dead: 1, retryWait: 1, inFlight: 2, pending: 1}
			if diff := cmp.Diff(want, r.counts("crm")); diff != "" {
				t.Error(diff)
			}
			r.reopen()
			want = map[leadgatev1.DeliveryState]int64{delivered: 2, dead: 1, retryWait: 3, pending: 1}
			if diff := cmp.Diff(want, r.counts("crm")); diff != "" {
				t.Error(diff)
			}
		},

		"CountsNameEveryDestinationThatEverHadADelivery": func(t *testing.T, r *rig) {
			r.accept(r.lead("ada@example.com", "crm"), r.lead("ada@example.com", "archive"))
			r.settle(delivered, r.begin(r.claimUpTo("archive", 1).Items...)...)
			r.reopen()
			counts, err := r.Counts(r.ctx)
			if names := slices.Sorted(maps.Keys(counts)); err != nil || !slices.Equal(names, []string{"archive", "crm"}) {
				t.Errorf("destinations are %v, error %v", names, err)
			}
			if !counts["archive"].OldestWaiting.IsZero() {
				t.Errorf("nothing waits, and the oldest is of %v", counts["archive"].OldestWaiting)
			}
		},

		"TheOldestThatWaitsIsTheOldestByAcceptance": func(t *testing.T, r *rig) {
			start := r.clock.time()
			var ids []string
			for _, email := range people(3) {
				ids = append(ids, r.acceptFrom(email)...)
				r.clock.advance(time.Minute)
			}
			expect := func(when string, minute int) {
				t.Helper()
				if got := r.oldestWaiting(); !got.Equal(start.Add(time.Duration(minute) * time.Minute)) {
					t.Errorf("%s: %v", when, got)
				}
			}
			expect("all wait", 0)
			steps := r.begin(r.claim(ids...)...)
			expect("all are in flight", 0)
			r.settle(dead, steps[0])
			expect("the first is dead", 1)
			r.settle(delivered, steps[2])
			step := steps[1]
			step.Delivery.DueTime = timestamppb.New(r.clock.time().Add(time.Hour))
			r.settle(retryWait, step)
			expect("the second waits for a retry", 1)
			r.redrive(ids[0])
			expect("the first is redriven", 0)
			r.reopen()
			expect("after a restart", 0)
		},
	}
}
