package storetest

import (
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/leadgate/leadgate/worker/store"
)

// clockSuite changes the clock between two processes, like an operator, a dead battery or a time server. Within a process, a
// store's clock is steady; see leadgate's steadyClock.
func clockSuite() suite {
	keyed := func(r *rig) *store.Acceptance {
		a := r.lead("ada@example.com")
		a.Key = &store.Key{Scope: "contact", Value: "k", Expires: r.clock.time().Add(time.Hour), Fields: store.Fingerprint{{Name: "email", Hash: [16]byte{'a'}}}}
		return a
	}
	return suite{
		"ADayForwardLosesAndDoublesNothing": func(t *testing.T, r *rig) {
			a := keyed(r)
			r.accept(a)
			id := a.Record.GetLeadId() + ".crm"
			r.begin(r.claim(id)...)
			r.clock.advance(day)
			r.reopen()
			r.pass(delivered, id)
			r.claim()
			if again := r.accept(keyed(r))[0]; again.Replayed {
				t.Error("a key whose time is up is still known")
			}
		},

		"ADayBackLosesAndDoublesNothing": func(t *testing.T, r *rig) {
			a := keyed(r)
			r.accept(a)
			id := a.Record.GetLeadId() + ".crm"
			other := r.acceptFrom("cyd@example.com")
			behind := r.acceptFrom("cyd@example.com")
			r.clock.advance(-day)
			r.reopen()
			if again := r.accept(keyed(r))[0]; !again.Replayed || again.LeadID != a.Record.GetLeadId() {
				t.Errorf("the key is answered with %+v", again)
			}
			later := r.acceptFrom("bob@example.com")
			r.pass(delivered, id, other[0], later[0]) // whatever was due by the clock before is due by this one
			r.pass(delivered, behind...)
			r.claim()
		},

		"ARetryWaitsNoLongerThoughTheClockWasAheadByYears": func(_ *testing.T, r *rig) {
			const ahead = 1000 * day
			r.clock.advance(ahead)
			ids, behind := r.acceptFrom("ada@example.com"), r.acceptFrom("ada@example.com")
			step := r.begin(r.claim(ids...)...)[0]
			step.Delivery.DueTime = timestamppb.New(r.clock.time().Add(time.Hour))
			r.settle(retryWait, step)
			r.clock.advance(-ahead)
			for range 2 { // it is moved back only once
				r.reopen()
				r.claim()
			}
			r.clock.advance(time.Hour)
			r.pass(delivered, ids...)
			r.pass(delivered, behind...)
		},
	}
}
