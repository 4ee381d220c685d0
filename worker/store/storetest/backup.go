package storetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/store"
)

// Restore makes a store in an empty directory from a full backup and the incremental ones that follow it, in order. The leads in
// erased were erased after the last of them.
type Restore func(o Options, erased []string, backups ...io.Reader) error

// restoredReason is the prefix of the reason of a delivery that is held because it was restored.
const restoredReason = "RESTORED"

// RunBackup runs the part of the suite that restores what [store.Store.Backup] wrote.
func RunBackup(t *testing.T, open Open, restore Restore) {
	for name, test := range backupSuite(restore) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, t.TempDir(), open)
			t.Cleanup(r.close)
			test(t, r)
		})
	}
}

// backup makes a backup and returns it with its position.
func (r *rig) backup(since string) (content []byte, position string) {
	r.t.Helper()
	var to bytes.Buffer
	position, err := r.Backup(r.ctx, since, &to)
	if err != nil {
		r.t.Fatal(err)
	}
	return to.Bytes(), position
}

// restored returns a rig on a store restored from backups.
func (r *rig) restored(t *testing.T, restore Restore, erased []string, backups ...[]byte) *rig {
	t.Helper()
	readers := make([]io.Reader, len(backups))
	for i, b := range backups {
		readers[i] = bytes.NewReader(b)
	}
	dir := t.TempDir()
	if err := restore(Options{Dir: dir, Now: r.clock.time, Publish: func([]*leadgatev1.Event) {}}, erased, readers...); err != nil {
		t.Fatal(err)
	}
	n := &rig{t: t, ctx: r.ctx, open: r.open, dir: dir, clock: r.clock, leads: 1 << 20}
	n.start()
	t.Cleanup(n.close)
	return n
}

// expectRestored expects the content of another store, with unfinished deliveries held.
func (r *rig) expectRestored(from *rig) {
	r.t.Helper()
	if got, want := r.allLeads(store.LeadQuery{}, 100), from.allLeads(store.LeadQuery{}, 100); !slices.Equal(got, want) {
		r.t.Fatalf("leads are %v, were %v", got, want)
	}
	for _, was := range from.allDeliveries(store.DeliveryQuery{}, 100) {
		r.expectSame(from.record(was.GetLeadId()), r.record(was.GetLeadId()))
		is := r.delivery(was.GetDeliveryId())
		switch was.GetState() {
		case pending, inFlight, retryWait:
			if is.GetState() != held || !strings.HasPrefix(is.GetReason(), restoredReason) || is.GetAttemptCount() != was.GetAttemptCount() {
				r.t.Errorf("%s was %v and is %v", was.GetDeliveryId(), was.GetState(), is)
			}
		default:
			r.expectSame(from.delivery(was.GetDeliveryId()), is)
		}
	}
	if n, was := len(r.allDeliveries(store.DeliveryQuery{}, 100)), len(from.allDeliveries(store.DeliveryQuery{}, 100)); n != was {
		r.t.Errorf("%d deliveries, were %d", n, was)
	}
}

func backupSuite(restore Restore) suite {
	return suite{
		"ARestoredStoreHasEverythingAndHoldsWhatWasUnfinished": func(t *testing.T, r *rig) {
			keyed := r.keyed("k", map[string]string{"email": "ada@example.com"})
			keyed.Record.Lead.Email = "ada@example.com"
			keyed.Events = []*leadgatev1.Event{event(keyed.Record.GetLeadId(), leadgatev1.Stage_STAGE_QUEUED)}
			r.accept(keyed)
			first := keyed.Record.GetLeadId() + ".crm"
			r.pass(delivered, first)
			r.pass(dead, r.acceptFrom("bob@example.com")...)
			r.begin(r.claim(r.acceptFrom("cyd@example.com")...)...)
			waiting := r.acceptFrom("eve@example.com", "eve@example.com")
			r.accept(r.heldLead("fay@example.com", leadgatev1.HoldReason_HOLD_REASON_NO_ROUTE))
			r.put(r.State("pause"), "crm", "cleaning up", time.Time{})
			whole, _ := r.backup("")

			n := r.restored(t, restore, nil, whole)
			n.expectRestored(r)
			if n.ID() == r.ID() {
				t.Error("its events would be taken for the old one's")
			}
			if !bytes.Equal(n.HashKey(), r.HashKey()) {
				t.Error("it has another hash key: the payloads of known keys would all differ")
			}
			if known := n.lookUp(keyed.Key); known.LeadID != keyed.Record.GetLeadId() || len(known.Differing) > 0 {
				t.Errorf("the key is known as %+v", known)
			}
			if got := stages(n.timeline(keyed.Record.GetLeadId())); got != stages(r.timeline(keyed.Record.GetLeadId())) {
				t.Errorf("the timeline is %s", got)
			}
			if value, _ := n.get(n.State("pause"), "crm"); value != "cleaning up" {
				t.Errorf("the state is %q", value)
			}
			n.expectLeads(map[leadgatev1.LeadState]int64{leadgatev1.LeadState_LEAD_STATE_OPEN: 5, leadgatev1.LeadState_LEAD_STATE_HELD: 1})
			n.claim() // nothing is sent automatically
			n.redrive(waiting...)
			n.pass(delivered, waiting[0])
			n.pass(delivered, waiting[1])
		},

		"WhatIsAddedIsWhatChangedSince": func(t *testing.T, r *rig) {
			ids := r.acceptFrom(people(20)...)
			r.put(r.State("pause"), "crm", "cleaning up", time.Time{})
			whole, position := r.backup("")
			r.reopen() // a position outlives the process
			nothing, position := r.backup(position)
			r.pass(delivered, ids...)
			r.acceptFrom("late@example.com")
			if err := r.State("pause").Delete(r.ctx, "crm"); err != nil {
				t.Fatal(err)
			}
			added, _ := r.backup(position)
			n := r.restored(t, restore, nil, whole, nothing, added)
			n.expectRestored(r)
			if value, _ := n.get(n.State("pause"), "crm"); value != "" {
				t.Errorf("what was deleted since is back: %q", value)
			}
		},

		"WhatWasDeliveredLastIsKnownThoughItsLeadIsGone": func(t *testing.T, r *rig) {
			ids := r.acceptFrom("ada@example.com", "ada@example.com")
			r.pass(dead, ids[0])
			whole, position := r.backup("")
			r.pass(delivered, ids[1])
			r.clock.advance(day)
			r.purge(store.Retention{Delivered: r.clock.time()})
			if _, err := r.Lead(r.ctx, leadOf(ids[1])); !errors.Is(err, store.ErrNotFound) {
				t.Fatalf("the newer lead: %v", err)
			}
			added, _ := r.backup(position)
			alone, _ := r.backup("")
			for _, backups := range [][][]byte{{whole, added}, {alone}} {
				n := r.restored(t, restore, nil, backups...)
				n.redrive(ids[0])
				if claims := n.claim(ids[0]); !claims[0].Late {
					t.Error("the older one would overwrite the newer")
				}
			}
		},

		"WhatWasErasedStaysErased": func(t *testing.T, r *rig) {
			var leads []string
			for _, id := range r.acceptFrom("ada@example.com", "bob@example.com", "eve@example.com") {
				leads = append(leads, leadOf(id))
			}
			whole, position := r.backup("")
			r.erase(leads[0])
			added, _ := r.backup(position)
			n := r.restored(t, restore, leads[1:2], whole, added) // the second was erased after both
			for i, want := range []leadgatev1.LeadState{leadgatev1.LeadState_LEAD_STATE_ERASED, leadgatev1.LeadState_LEAD_STATE_ERASED, leadgatev1.LeadState_LEAD_STATE_OPEN} {
				if is := n.record(leads[i]); is.GetState() != want || (is.GetLead().GetEmail() == "") != (i < 2) {
					t.Errorf("lead %d is %v", i, is)
				}
			}
			if again, err := n.ErasedLeads(n.ctx, "bob@example.com"); err != nil || !slices.Equal(again, leads[1:2]) {
				t.Errorf("erased of the second person: %v, %v", again, err)
			}
		},

		"ABackupShowsOneMoment": func(t *testing.T, r *rig) {
			before := r.acceptFrom(people(50)...)
			var content bytes.Buffer
			_, err := r.Backup(r.ctx, "", writerFunc(func(b []byte) (int, error) {
				r.acceptFrom("meanwhile@example.com")
				return content.Write(b)
			}))
			if err != nil {
				t.Fatal(err)
			}
			if n := len(r.restored(t, restore, nil, content.Bytes()).allLeads(store.LeadQuery{}, 100)); n != len(before) {
				t.Errorf("%d leads are in it, there were %d when it began", n, len(before))
			}
		},

		"APositionIsGoodForItsOwnStoreOnly": func(t *testing.T, r *rig) {
			r.acceptFrom("ada@example.com")
			whole, position := r.backup("")
			other := newRig(t, t.TempDir(), r.open)
			t.Cleanup(other.close)
			for what, c := range map[string]struct {
				*rig
				since string
			}{
				"nonsense":                       {r, "nonsense"},
				"another store's":                {other, position},
				"that of before it was restored": {r.restored(t, restore, nil, whole), position},
			} {
				var to bytes.Buffer
				if _, err := c.Backup(r.ctx, c.since, &to); !errors.Is(err, store.ErrPosition) {
					t.Errorf("%s: %v", what, err)
				}
			}
		},

		"ABackupThatCannotBeWrittenFails": func(t *testing.T, r *rig) {
			r.acceptFrom(people(50)...)
			full := errors.New("the other disk is full")
			if _, err := r.Backup(r.ctx, "", writerFunc(func([]byte) (int, error) { return 0, full })); !errors.Is(err, full) {
				t.Errorf("error is %v", err)
			}
			ctx, cancel := context.WithCancel(r.ctx)
			cancel()
			if _, err := r.Backup(ctx, "", io.Discard); !errors.Is(err, context.Canceled) {
				t.Errorf("under an ended context: %v", err)
			}
		},

		"ACutBackupIsNotRestored": func(t *testing.T, r *rig) {
			r.acceptFrom(people(50)...)
			whole, _ := r.backup("")
			for _, cut := range []int{0, len(whole) / 2, len(whole) - 1} {
				o := Options{Dir: t.TempDir(), Now: r.clock.time, Publish: func([]*leadgatev1.Event) {}}
				if err := restore(o, nil, bytes.NewReader(whole[:cut])); err == nil {
					t.Errorf("the first %d of %d bytes were restored", cut, len(whole))
				}
			}
		},
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }
