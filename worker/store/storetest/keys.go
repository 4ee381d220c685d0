package storetest

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/store"
)

// keyed returns the acceptance of a lead with an idempotency key of form "contact" that lives for a day.
func (r *rig) keyed(value string, payload map[string]string) *store.Acceptance {
	a := r.lead(payload["email"])
	a.Key = r.key(value, payload)
	return a
}

func (r *rig) key(value string, payload map[string]string) *store.Key {
	var fields []store.Field
	for name, content := range payload {
		fields = append(fields, store.Field{Name: name, Value: []byte(content)})
	}
	return &store.Key{
		Scope: "contact", Value: value, Expires: r.clock.time().Add(24 * time.Hour),
		Fields: store.NewHasher(r.HashKey()).Fingerprint(fields),
	}
}

func (r *rig) lookUp(key *store.Key) store.Accepted {
	r.t.Helper()
	known, err := r.LookUp(r.ctx, key)
	if err != nil {
		r.t.Fatal(err)
	}
	return known
}

func keySuite() suite {
	ada := map[string]string{"email": "ada@example.com", "city": "London", "budget": "10"}
	corrected := map[string]string{"email": "ada@example.com", "city": "Paris", "phone": "1"}

	return suite{
		"OfFiftyConcurrentEqualKeysOneIsAccepted": func(t *testing.T, r *rig) {
			const callers = 50
			results := make([]store.Accepted, callers)
			var all sync.WaitGroup
			for i := range callers {
				a := r.keyed("k", ada)
				all.Go(func() {
					got, err := r.Accept(r.ctx, a)
					if err != nil {
						t.Error(err)
						return
					}
					results[i] = got[0]
				})
			}
			all.Wait()
			accepted := slices.DeleteFunc(slices.Clone(results), func(a store.Accepted) bool { return a.Replayed })
			if len(accepted) != 1 {
				t.Fatalf("%d were accepted", len(accepted))
			}
			for _, result := range results {
				if result.Err != nil || result.LeadID != accepted[0].LeadID || len(result.Differing) != 0 {
					t.Errorf("answered with %+v, want lead %s", result, accepted[0].LeadID)
				}
			}
			r.claim(accepted[0].LeadID + ".crm")
		},

		"EqualKeysInOneCallAreOneLead": func(t *testing.T, r *rig) {
			a, b := r.keyed("k", ada), r.keyed("k", ada)
			results := r.accept(a, b)
			want := store.Accepted{LeadID: a.Record.GetLeadId(), Replayed: true}
			if results[0].Replayed || !cmp.Equal(results[1], want) {
				t.Errorf("results are %+v", results)
			}
		},

		"AReplayIsAnsweredWithTheFirstLeadAlsoAfterARestart": func(t *testing.T, r *rig) {
			first := r.accept(r.keyed("k", ada))[0]
			r.reopen()
			again := r.accept(r.keyed("k", ada))[0]
			if want := (store.Accepted{LeadID: first.LeadID, Replayed: true}); !cmp.Equal(again, want) {
				t.Errorf("answered with %+v, want %+v", again, want)
			}
			r.claim(first.LeadID + ".crm")
		},

		"KeysOfAnotherScopeAreOthers": func(t *testing.T, r *rig) {
			a, b, c := r.keyed("k", ada), r.keyed("k", ada), r.keyed("k2", ada)
			b.Key.Scope = "newsletter"
			for _, result := range r.accept(a, b, c) {
				if result.Replayed {
					t.Errorf("a replay: %+v", result)
				}
			}
		},

		"AnotherPayloadNamesTheFieldsThatDiffer": func(t *testing.T, r *rig) {
			first := r.accept(r.keyed("k", ada))[0]
			got := r.accept(r.keyed("k", corrected))[0]
			want := store.Accepted{LeadID: first.LeadID, Replayed: true, Differing: []string{"budget", "city", "phone"}}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			r.claim(first.LeadID + ".crm")
		},

		"AnotherPayloadIsHeldAndLinkedToTheFirstLead": func(t *testing.T, r *rig) {
			first := r.accept(r.keyed("k", ada))[0]
			reuse := r.keyed("k", corrected)
			reuse.OnReuse = r.heldLead("ada@example.com", leadgatev1.HoldReason_HOLD_REASON_KEY_REUSED)
			heldID := reuse.OnReuse.Record.GetLeadId()
			got := r.accept(reuse)[0]
			want := store.Accepted{LeadID: first.LeadID, Replayed: true, Differing: []string{"budget", "city", "phone"}, HeldLeadID: heldID}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatal(diff)
			}
			record, err := r.Lead(r.ctx, heldID)
			if err != nil {
				t.Fatal(err)
			}
			if record.GetState() != leadgatev1.LeadState_LEAD_STATE_HELD || record.GetLinkedLeadId() != first.LeadID || record.GetSequence() == 0 {
				t.Errorf("held lead is %v", record)
			}
		},

		"AHeldPayloadThatComesAgainIsAReplayOfIt": func(t *testing.T, r *rig) {
			first := r.accept(r.keyed("k", ada))[0]
			var heldIDs []string
			for range 3 {
				reuse := r.keyed("k", corrected)
				reuse.OnReuse = r.heldLead("ada@example.com", leadgatev1.HoldReason_HOLD_REASON_KEY_REUSED)
				got := r.accept(reuse)[0]
				if got.LeadID != first.LeadID {
					t.Errorf("answered with %+v", got)
				}
				heldIDs = append(heldIDs, got.HeldLeadID)
				r.reopen()
			}
			if heldIDs[0] == "" || heldIDs[1] != heldIDs[0] || heldIDs[2] != heldIDs[0] {
				t.Errorf("held as %v", heldIDs)
			}
			page, _, err := r.Leads(r.ctx, store.LeadQuery{}, 10, "")
			if err != nil || len(page) != 2 {
				t.Errorf("%d leads are stored, error %v", len(page), err)
			}
		},

		"ConcurrentEqualReusesAreHeldOnce": func(t *testing.T, r *rig) {
			r.accept(r.keyed("k", ada))
			const callers = 20
			heldIDs := make([]string, callers)
			var all sync.WaitGroup
			for i := range callers {
				reuse := r.keyed("k", corrected)
				reuse.OnReuse = r.heldLead("ada@example.com", leadgatev1.HoldReason_HOLD_REASON_KEY_REUSED)
				all.Go(func() {
					results, err := r.Accept(r.ctx, reuse)
					if err != nil {
						t.Error(err)
						return
					}
					heldIDs[i] = results[0].HeldLeadID
				})
			}
			all.Wait()
			if slices.Sort(heldIDs); heldIDs[0] == "" || len(slices.Compact(heldIDs)) != 1 {
				t.Errorf("held as %v", heldIDs)
			}
		},

		"AKeyIsFreeFromTheVeryNanosecondItExpires": func(t *testing.T, r *rig) {
			a := r.keyed("k", ada)
			first := r.accept(a)[0]
			r.clock.advance(24*time.Hour - 1)
			if got := r.lookUp(a.Key); got.LeadID != first.LeadID {
				t.Fatalf("a nanosecond before: %+v", got)
			}
			if got := r.accept(r.keyed("k", ada))[0]; !got.Replayed {
				t.Fatalf("a nanosecond before: %+v", got)
			}
			r.clock.advance(1)
			if got := r.lookUp(a.Key); !cmp.Equal(got, store.Accepted{}) {
				t.Fatalf("when it expires: %+v", got)
			}
			second := r.accept(r.keyed("k", corrected))[0]
			if second.Replayed || second.LeadID == first.LeadID {
				t.Fatalf("when it expires: %+v", second)
			}
			r.reopen()
			if got := r.lookUp(r.key("k", corrected)); !cmp.Equal(got, store.Accepted{LeadID: second.LeadID, Replayed: true}) {
				t.Errorf("afterwards: %+v", got)
			}
		},

		"LookUpSaysWhatAnAcceptWouldAndWritesNothing": func(t *testing.T, r *rig) {
			if got := r.lookUp(r.key("k", ada)); !cmp.Equal(got, store.Accepted{}) {
				t.Errorf("before: %+v", got)
			}
			first := r.accept(r.keyed("k", ada))[0]
			if got := r.lookUp(r.key("k", ada)); !cmp.Equal(got, store.Accepted{LeadID: first.LeadID, Replayed: true}) {
				t.Errorf("same payload: %+v", got)
			}
			differing := []string{"budget", "city", "phone"}
			if got, want := r.lookUp(r.key("k", corrected)), (store.Accepted{LeadID: first.LeadID, Replayed: true, Differing: differing}); !cmp.Equal(got, want) {
				t.Errorf("another payload: %+v", got)
			}
			reuse := r.keyed("k", corrected)
			reuse.OnReuse = r.heldLead("ada@example.com", leadgatev1.HoldReason_HOLD_REASON_KEY_REUSED)
			want := r.accept(reuse)[0]
			if got := r.lookUp(r.key("k", corrected)); !cmp.Equal(got, want) {
				t.Errorf("held payload: %+v, want %+v", got, want)
			}
		},

		"ASeenKeyIsAnsweredWhileTheStoreIsBusyWriting": func(t *testing.T, r *rig) {
			a := r.keyed("k", map[string]string{"email": "a"})
			r.accept(a)
			release := r.busy()
			defer release()
			ctx, cancel := context.WithTimeout(r.ctx, time.Minute)
			defer cancel()
			if known, err := r.LookUp(ctx, a.Key); err != nil || known.LeadID != a.Record.GetLeadId() || !known.Replayed {
				t.Errorf("%+v, %v", known, err)
			}
		},

		"ALeadThatFailedDoesNotUseUpItsKey": func(t *testing.T, r *rig) {
			bad := r.keyed("k", ada)
			bad.Record.Lead.Message = "\xff"
			if got := r.tryAccept(bad)[0]; got.Err == nil {
				t.Fatal("it was accepted")
			}
			if got := r.accept(r.keyed("k", ada))[0]; got.Replayed {
				t.Errorf("the key is used: %+v", got)
			}
		},
	}
}
