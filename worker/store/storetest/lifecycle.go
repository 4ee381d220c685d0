package storetest

import (
	"bytes"
	"errors"
	"io"
	"sync"
	"testing"
	"time"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/store"
)

func lifecycleSuite() suite {
	return suite{
		"EverythingFailsAsUnavailableAfterClose": func(t *testing.T, r *rig) {
			ids := r.acceptFrom("ada@example.com")
			claim := r.claim(ids...)[0]
			s := r.State("pause")
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			for call, err := range map[string]error{
				"Accept":         second(r.Accept(r.ctx, r.lead(""))),
				"LookUp":         second(r.LookUp(r.ctx, r.key("k", nil))),
				"Claim":          second(r.Claim(r.ctx, "crm", 1)),
				"Unclaim":        r.Unclaim(r.ctx, claim),
				"Begin":          second(r.Begin(r.ctx, r.next(claim))),
				"Settle":         second(r.Settle(r.ctx, r.next(claim))),
				"Redrive":        second(r.Redrive(r.ctx, &store.Redrive{DeliveryID: ids[0]})),
				"Erase":          second(r.Erase(r.ctx, &store.Erasure{LeadID: claim.Record.GetLeadId()})),
				"ErasedLeads":    second(r.ErasedLeads(r.ctx, "ada@example.com")),
				"Amend":          second(r.Amend(r.ctx, &store.Amendment{Was: claim.Record, Record: claim.Record})),
				"Purge":          second(r.Purge(r.ctx, store.Retention{}, 1, "")),
				"Hold":           second(r.Hold(r.ctx, &store.Hold{DeliveryID: ids[0]})),
				"Move":           second(r.Move(r.ctx, &store.Move{DeliveryID: ids[0], Destination: "archive"})),
				"Delete":         second(r.Delete(r.ctx, &store.Deletion{DeliveryID: ids[0]})),
				"Lead":           second(r.Lead(r.ctx, claim.Record.GetLeadId())),
				"LeadDeliveries": second(r.LeadDeliveries(r.ctx, claim.Record.GetLeadId())),
				"DeliveriesOf":   second(r.DeliveriesOf(r.ctx, claim.Record.GetLeadId())),
				"Timeline":       second(r.Timeline(r.ctx, claim.Record.GetLeadId())),
				"Leads":          third(r.Leads(r.ctx, store.LeadQuery{}, 1, "")),
				"Delivery":       second(r.Delivery(r.ctx, ids[0])),
				"Deliveries":     third(r.Deliveries(r.ctx, store.DeliveryQuery{}, 1, "")),
				"Counts":         second(r.Counts(r.ctx)),
				"LeadCounts":     second(r.LeadCounts(r.ctx)),
				"Backup":         second(r.Backup(r.ctx, "", io.Discard)),
				"Recent":         second(r.Recent(r.ctx, 1)),
				"Writable":       r.Writable(),
				"State.Get":      third(s.Get(r.ctx, "crm")),
				"State.CAS":      s.CompareAndSet(r.ctx, "crm", 0, nil, time.Time{}),
				"State.Put":      s.Put(r.ctx, "crm", nil, time.Time{}),
				"State.Delete":   s.Delete(r.ctx, "crm"),
				"State.Keys":     second(s.Keys(r.ctx)),
			} {
				if !errors.Is(err, store.ErrUnavailable) {
					t.Errorf("%s: %v", call, err)
				}
			}
			if err := r.Close(); err != nil {
				t.Errorf("closing again: %v", err)
			}
		},

		"MoreCallersThanCanWaitAreRefusedAndMayComeAgain": func(t *testing.T, r *rig) {
			const most = 1 << 17 // whatever the limit of a store, it must be lower
			type outcome struct {
				*store.Acceptance
				err error
			}
			release := r.busy()
			defer release()
			outcomes := make(chan outcome, most)
			var refused []outcome
			callers := 0
			for ; callers < most && len(refused) == 0; callers++ {
				a := r.lead("")
				a.Key = r.key(a.Record.GetLeadId(), nil)
				go func() {
					_, err := r.Accept(r.ctx, a)
					outcomes <- outcome{a, err}
				}()
				select {
				case o := <-outcomes:
					refused = append(refused, o)
				default:
				}
			}
			if len(refused) == 0 {
				t.Errorf("%d callers wait, and none was refused", most)
			}
			release()
			for range callers - len(refused) {
				if o := <-outcomes; o.err != nil {
					refused = append(refused, o)
				}
			}
			for _, o := range refused {
				if !errors.Is(o.err, store.ErrUnavailable) {
					t.Fatalf("refused with %v", o.err)
				}
				if again := r.accept(o.Acceptance)[0]; again.Replayed {
					t.Fatalf("what was refused is answered with %+v when it comes again", again)
				}
			}
			counts, err := r.LeadCounts(r.ctx)
			if n := counts.ByState[leadgatev1.LeadState_LEAD_STATE_OPEN]; err != nil || n != int64(callers)+1 {
				t.Errorf("%d leads of %d callers, %v", n, callers+1, err)
			}
		},

		"CloseWaitsForWhatIsBeingWrittenAndLosesNothingAcknowledged": func(t *testing.T, r *rig) {
			var (
				all   sync.WaitGroup
				mu    sync.Mutex
				acked []string
			)
			first := make(chan struct{}, 1)
			for range 8 {
				all.Go(func() {
					for {
						results, err := r.Accept(r.ctx, r.lead("ada@example.com"))
						if errors.Is(err, store.ErrUnavailable) {
							return
						}
						if err != nil || results[0].Err != nil {
							t.Error(err, results)
							return
						}
						mu.Lock()
						acked = append(acked, results[0].LeadID)
						mu.Unlock()
						select {
						case first <- struct{}{}:
						default:
						}
					}
				})
			}
			<-first
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			all.Wait()
			r.start()
			for _, id := range acked {
				if _, err := r.Lead(r.ctx, id); err != nil {
					t.Errorf("lead %s: %v", id, err)
				}
			}
		},

		"ReadersMayBeAtWorkDuringClose": func(t *testing.T, r *rig) {
			r.acceptFrom(people(50)...)
			var all sync.WaitGroup
			var started sync.WaitGroup
			started.Add(4)
			for range 4 {
				all.Go(func() {
					started.Done()
					for {
						_, _, err := r.Leads(r.ctx, store.LeadQuery{}, 50, "")
						if errors.Is(err, store.ErrUnavailable) {
							return
						}
						if err != nil {
							t.Error(err)
							return
						}
					}
				})
			}
			started.Wait()
			if err := r.Close(); err != nil {
				t.Error(err)
			}
			all.Wait()
		},

		"IdentityAndHashKeyLiveAsLongAsTheStore": func(t *testing.T, r *rig) {
			id, key := r.ID(), bytes.Clone(r.HashKey())
			if id == "" || len(key) < 16 {
				t.Errorf("id %q, hash key of %d bytes", id, len(key))
			}
			r.reopen()
			if r.ID() != id || !bytes.Equal(r.HashKey(), key) {
				t.Error("they changed")
			}
			other := newRig(t, t.TempDir(), r.open)
			defer other.close()
			if other.ID() == id || bytes.Equal(other.HashKey(), key) {
				t.Error("another store has the same")
			}
		},

		"ANewStoreIsWritable": func(t *testing.T, r *rig) {
			if err := r.Writable(); err != nil {
				t.Error(err)
			}
		},
	}
}

func second[A any](_ A, err error) error { return err }

func third[A, B any](_ A, _ B, err error) error { return err }
