package storetest

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/leadgate/leadgate/worker/store"
)

func claimSuite() suite {
	return suite{
		"ClaimTakesAtMostWhatItIsAskedForOldestFirst": func(t *testing.T, r *rig) {
			ids := r.acceptFrom(people(5)...)
			for _, want := range [][]string{ids[0:2], ids[2:4], ids[4:5], nil} {
				if got := claimed(r.claimUpTo("crm", 2).Items); fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("claimed %v, want %v", got, want)
				}
			}
		},

		"AClaimHasTheLeadAndTheLastAttempt": func(t *testing.T, r *rig) {
			ids := r.acceptFrom("ada@example.com")
			claim := r.claim(ids[0])[0]
			if claim.Record.GetLead().GetEmail() != "ada@example.com" || claim.Last != nil || claim.Late {
				t.Errorf("first claim: %+v", claim)
			}
			step := r.begin(claim)[0]
			step.Attempt.Error, step.Attempt.Payload = "busy", `{"a":1}`
			r.settle(retryWait, step)
			claim = r.claim(ids[0])[0]
			if claim.Last.GetNumber() != 1 || claim.Last.GetError() != "busy" || claim.Last.GetPayload() != `{"a":1}` {
				t.Errorf("last attempt: %v", claim.Last)
			}
			if claim.Delivery.GetAttemptCount() != 1 || claim.Delivery.GetState() != retryWait || len(claim.Delivery.GetAttempts()) != 0 {
				t.Errorf("delivery: %v", claim.Delivery)
			}
		},

		"ADeliveryIsDueFromTheVeryInstant": func(t *testing.T, r *rig) {
			ids := r.acceptFrom("ada@example.com")
			step := r.begin(r.claim(ids[0])...)[0]
			due := r.clock.time().Add(time.Minute)
			step.Delivery.DueTime = timestamppb.New(due)
			r.settle(retryWait, step)
			r.clock.advance(time.Minute - 1)
			if claims := r.claimUpTo("crm", 10); len(claims.Items) != 0 || !claims.Next.Equal(due) {
				t.Errorf("a nanosecond before: %v, next %v", claimed(claims.Items), claims.Next)
			}
			r.clock.advance(1)
			r.claim(ids[0])
		},

		"NextIsWhenTheNextAfterThoseClaimedFallsDue": func(t *testing.T, r *rig) {
			if next := r.claimUpTo("crm", 10).Next; !next.IsZero() {
				t.Errorf("with nothing: %v", next)
			}
			ids := r.acceptFrom(people(3)...)
			start := r.clock.time()
			if next := r.claimUpTo("crm", 1).Next; !next.Equal(start) {
				t.Errorf("with more that is due: %v", next)
			}
			steps := r.begin(r.claim(ids[1], ids[2])...)
			if next := r.claimUpTo("crm", 10).Next; !next.IsZero() {
				t.Errorf("with all claimed: %v", next)
			}
			for i, step := range steps {
				step.Delivery.DueTime = timestamppb.New(start.Add(time.Duration(2-i) * time.Hour))
			}
			r.settle(retryWait, steps...)
			if next := r.claimUpTo("crm", 10).Next; !next.Equal(start.Add(time.Hour)) {
				t.Errorf("with two that wait: %v", next)
			}
		},

		"WhatFallsDueEarlierComesFirst": func(_ *testing.T, r *rig) {
			ids := r.acceptFrom(people(3)...)
			for i, step := range r.begin(r.claim(ids...)...) {
				step.Delivery.DueTime = timestamppb.New(r.clock.time().Add(time.Duration(3-i) * time.Second))
				r.settle(retryWait, step)
			}
			r.clock.advance(time.Minute)
			ids = append(ids, r.acceptFrom("late@example.com")...)
			r.claim(ids[2], ids[1], ids[0], ids[3])
		},

		"ConcurrentClaimersNeverGetTheSame": func(t *testing.T, r *rig) {
			const claimers, deliveries = 8, 200
			r.acceptFrom(people(deliveries)...)
			var (
				all  sync.WaitGroup
				mu   sync.Mutex
				seen = map[string]int{}
			)
			for range claimers {
				all.Go(func() {
					for {
						claims, err := r.Claim(r.ctx, "crm", 3)
						if err != nil {
							t.Error(err)
							return
						}
						if len(claims.Items) == 0 {
							return
						}
						mu.Lock()
						for _, id := range claimed(claims.Items) {
							seen[id]++
						}
						mu.Unlock()
					}
				})
			}
			all.Wait()
			if len(seen) != deliveries {
				t.Errorf("%d deliveries were claimed, want %d", len(seen), deliveries)
			}
			for id, times := range seen {
				if times != 1 {
					t.Errorf("%s was claimed %d times", id, times)
				}
			}
		},

		"WhatIsGivenBackIsDueAgain": func(_ *testing.T, r *rig) {
			ids := r.acceptFrom(people(2)...)
			claims := r.claim(ids...)
			if err := r.Unclaim(r.ctx, claims...); err != nil {
				r.t.Fatal(err)
			}
			r.claim(ids...)
		},

		"WhatHasBegunIsNotGivenBack": func(_ *testing.T, r *rig) {
			ids := r.acceptFrom("ada@example.com")
			claims := r.claim(ids...)
			steps := r.begin(claims...)
			if err := r.Unclaim(r.ctx, claims...); err != nil {
				r.t.Fatal(err)
			}
			r.claim()
			r.expectState(ids[0], inFlight)
			r.settle(delivered, steps...)
		},

		"AClaimThatWasGivenBackChangesNothing": func(t *testing.T, r *rig) {
			ids := r.acceptFrom("ada@example.com")
			claims := r.claim(ids...)
			if err := r.Unclaim(r.ctx, claims...); err != nil {
				t.Fatal(err)
			}
			r.expectStale(claims[0])
			again := r.claim(ids...)[0]
			r.expectStale(claims[0])
			r.settle(delivered, r.begin(again)...)
		},

		"AClaimThatWasSettledChangesNothing": func(_ *testing.T, r *rig) {
			ids := r.acceptFrom("ada@example.com")
			claim := r.claim(ids...)[0]
			r.settle(retryWait, r.begin(claim)...)
			r.expectStale(claim)
			r.settle(delivered, r.begin(r.claim(ids...)...)...)
			r.expectStale(claim)
		},

		"AClaimOfAnEarlierProcessChangesNothing": func(_ *testing.T, r *rig) {
			ids := r.acceptFrom(people(2)...)
			claims := r.claim(ids...)
			r.begin(claims[0])
			r.clock.advance(time.Second)
			r.reopen()
			r.expectStale(claims...)
			for _, claim := range r.claim(ids[1], ids[0]) {
				r.settle(delivered, r.begin(claim)...)
			}
		},

		"NotifySignalsWhatMayBeDueEarlier": func(t *testing.T, r *rig) {
			notify := r.Notify("crm")
			if r.Notify("crm") != notify {
				t.Fatal("another channel")
			}
			woken := func(by string) {
				t.Helper()
				select {
				case <-notify:
				case <-time.After(10 * time.Second):
					t.Fatalf("not woken by %s", by)
				}
			}
			ids := r.acceptFrom("ada@example.com", "ada@example.com")
			woken("an accepted lead")
			claims := r.claim(ids[0])
			if err := r.Unclaim(r.ctx, claims...); err != nil {
				t.Fatal(err)
			}
			woken("a claim given back")
			r.pass(dead, ids[0])
			woken("the next of a person")
			r.pass(retryWait, ids[1])
			woken("a retry")
			r.pass(delivered, ids[1])
			r.redrive(ids[0])
			woken("a redrive")
		},
	}
}

// expectStale expects that claims are unusable, and that using them changes nothing.
func (r *rig) expectStale(claims ...*store.Claim) {
	r.t.Helper()
	for _, claim := range claims {
		before := r.delivery(claim.Delivery.GetDeliveryId())
		step := r.next(claim)
		results, err := r.Begin(r.ctx, step)
		if err != nil || !errors.Is(results[0].Err, store.ErrStale) {
			r.t.Errorf("begin: %v, %v", results, err)
		}
		step.Delivery.State = delivered
		results, err = r.Settle(r.ctx, step)
		if err != nil || !errors.Is(results[0].Err, store.ErrStale) {
			r.t.Errorf("settle: %v, %v", results, err)
		}
		if err := r.Unclaim(r.ctx, claim); err != nil {
			r.t.Error(err)
		}
		r.expectSame(before, r.delivery(claim.Delivery.GetDeliveryId()))
	}
}

// people returns the addresses of n persons.
func people(n int) []string {
	emails := make([]string, n)
	for i := range emails {
		emails[i] = fmt.Sprintf("p%d@example.com", i)
	}
	return emails
}
