package crmtest

import (
	"bytes"
	"encoding/json"
	"slices"
	"sync"
	"testing"

	"github.com/leadgate/leadgate/worker/crm"
)

func runDeliveries(t *testing.T, h Harness) {
	t.Run("TraitsMakeSense", func(t *testing.T) {
		t.Parallel()
		traits := newBench(t, h).destination.Traits()
		if traits.Kind == "" || traits.MaxBatch < 1 || traits.RequestsPerSecond < 0 {
			t.Errorf("traits are %+v", traits)
		}
	})
	t.Run("ThePingNamesTheAccountOfTheTraits", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, h)
		account := b.destination.Traits().Account
		if outcome := b.destination.Ping(t.Context()); account != "" && outcome.Account != account {
			t.Errorf("the ping names %q, the traits %q", outcome.Account, account)
		}
	})
	t.Run("EqualLeadsHaveEqualPayloads", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, h)
		one, two := b.people(1)[0], b.people(1)[0]
		if !bytes.Equal(one.Payload, two.Payload) || !json.Valid(one.Payload) {
			t.Errorf("payloads %s and %s", one.Payload, two.Payload)
		}
	})
	t.Run("EachLeadHasItsOwnRecord", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, h)
		items := b.full()
		for range 2 { // again in reverse order, as an update
			for i, outcome := range b.deliver(items) {
				want := b.crm.RecordID(items[i].Email)
				if outcome.Kind != crm.Delivered || outcome.RecordID != want || want == "" {
					t.Errorf("lead %d ended as %s with record %q, want record %q", i, kindName(outcome.Kind), outcome.RecordID, want)
				}
			}
			slices.Reverse(items)
		}
	})
	t.Run("TheSameBytesTwiceAreOneRecord", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, h)
		items := b.full()
		b.expectKind(items, b.deliver(items), crm.Delivered)
		b.expectKind(items, b.deliver(items), crm.Delivered)
		if n := b.crm.Records(); n != len(items) {
			t.Errorf("%d records of %d people", n, len(items))
		}
	})
	t.Run("NothingToDeliverIsNoCall", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, h)
		if outcomes := b.deliver(nil); len(outcomes) != 0 || b.seen.Load() != 0 {
			t.Errorf("%d outcomes, %d calls", len(outcomes), b.seen.Load())
		}
	})
	t.Run("ManyDeliverAtOnce", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, h)
		people := b.people(40)
		var wg sync.WaitGroup
		for batch := range slices.Chunk(people, len(b.full())) {
			wg.Go(func() {
				outcomes := b.destination.Deliver(t.Context(), batch, upsert)
				for i, outcome := range outcomes {
					if outcome.Kind != crm.Delivered || outcome.RecordID != b.crm.RecordID(batch[i].Email) {
						t.Errorf("%s ended as %+v", batch[i].IdempotencyValue, outcome)
					}
				}
			})
			wg.Go(func() { b.destination.Ping(t.Context()) })
		}
		wg.Wait()
		if n := b.crm.Records(); n != len(people) {
			t.Errorf("%d records of %d people", n, len(people))
		}
	})
	t.Run("APingChangesNothing", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, h)
		if outcome := b.destination.Ping(t.Context()); outcome.Kind != crm.Delivered {
			t.Errorf("the CRM is up and has the secret, but the ping ended as %s: %+v", kindName(outcome.Kind), outcome)
		} else if outcome.Account == "" {
			t.Errorf("the ping does not say whose records are written: %+v", outcome)
		}
		if n := b.crm.Records(); n != 0 {
			t.Errorf("the ping made %d records", n)
		}
	})
}
