package badger_test

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	badgerdb "github.com/dgraph-io/badger/v4"
	"github.com/google/uuid"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/store"
	"github.com/leadgate/leadgate/worker/store/badger"
)

// garble makes the record of one lead and the delivery of another unreadable.
func garble(t *testing.T, o badger.Options, lead, ofDelivery string) {
	t.Helper()
	record, delivery := uuid.MustParse(lead), uuid.MustParse(ofDelivery)
	edit(t, o.Dir, func(txn *badgerdb.Txn) error {
		return errors.Join(
			txn.Set(append([]byte{'l'}, record[:]...), []byte("\xff nonsense")),
			txn.Set(append(append([]byte{'d'}, delivery[:]...), "crm"...), []byte("\xff nonsense")),
		)
	})
}

func TestRetentionPassesOverWhatCannotBeRead(t *testing.T) {
	t.Parallel()
	o := badger.Options{Dir: t.TempDir()}
	s := open(t, o)
	var ids []string
	for i := range 6 {
		ids = append(ids, accept(t, s, lead(fmt.Sprintf("p%d@example.com", i)))[0].LeadID)
	}
	end(t, s, "crm", 6, leadgatev1.DeliveryState_DELIVERY_STATE_DELIVERED)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	garble(t, o, ids[0], ids[2])
	s = open(t, o)
	later := time.Now().Add(time.Hour)
	removed, failed := 0, ""
	for token := ""; ; {
		purged, err := s.Purge(t.Context(), store.Retention{Delivered: later, Undelivered: later}, 2, token)
		if err != nil {
			t.Fatal(err)
		}
		removed += purged.Delivered
		failed += fmt.Sprintln(purged.Failed)
		if token = purged.Next; token == "" {
			break
		}
	}
	if removed != 4 || !strings.Contains(failed, ids[0]) || !strings.Contains(failed, ids[2]) {
		t.Errorf("%d of 4 were removed; failed: %s", removed, failed)
	}
}

// An unreadable lead must not block other deliveries.
func TestWhatCannotBeReadHoldsUpNoClaim(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	o := badger.Options{Dir: t.TempDir(), Logger: slog.New(slog.NewTextHandler(&log, nil))}
	s := open(t, o)
	var ids []string
	for i := range 6 {
		ids = append(ids, accept(t, s, lead(fmt.Sprintf("p%d@example.com", i)))[0].LeadID)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	garble(t, o, ids[0], ids[2])
	s = open(t, o)
	var claimed []string
	for range 10 {
		claims, err := s.Claim(t.Context(), "crm", 1)
		if err != nil {
			t.Fatal(err)
		}
		for _, claim := range claims.Items {
			claimed = append(claimed, claim.Record.GetLeadId())
		}
	}
	if want := []string{ids[1], ids[3], ids[4], ids[5]}; !slices.Equal(claimed, want) {
		t.Errorf("claimed %v, want %v", claimed, want)
	}
	for _, i := range []int{0, 2} {
		if n := strings.Count(log.String(), ids[i]); n != 1 {
			t.Errorf("lead %d is told of %d times: %s", i, n, log.String())
		}
	}
}

// garbled returns a store of six leads, in which one record and the delivery of another lead are unreadable.
func garbled(t *testing.T) (o badger.Options, log *strings.Builder, ids []string) {
	t.Helper()
	log = &strings.Builder{}
	o = badger.Options{Dir: t.TempDir(), Logger: slog.New(slog.NewTextHandler(log, nil))}
	s := open(t, o)
	for i := range 6 {
		a := withEvent(lead(fmt.Sprintf("p%d@example.com", i)))
		a.Record.Lead.Source = &leadgatev1.Source{Form: "contact"}
		ids = append(ids, accept(t, s, a)[0].LeadID)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	garble(t, o, ids[0], ids[2])
	return o, log, ids
}

// An unreadable record must not hide others from a page.
func TestAListLeavesOutWhatCannotBeReadAndSaysSoOnce(t *testing.T) {
	t.Parallel()
	o, log, ids := garbled(t)
	s := open(t, o)
	for name, q := range map[string]store.LeadQuery{"all": {}, "of a form": {Form: "contact"}} {
		page, next, err := s.Leads(t.Context(), q, 100, "")
		if err != nil || len(page) != 5 || next != "" {
			t.Errorf("leads, %s: %d, %q, %v", name, len(page), next, err)
		}
	}
	for name, q := range map[string]store.DeliveryQuery{
		"all": {}, "to a destination": {Destination: "crm"}, "in a state": {State: leadgatev1.DeliveryState_DELIVERY_STATE_PENDING}, "of a form": {Form: "contact"},
	} {
		page, next, err := s.Deliveries(t.Context(), q, 100, "")
		if err != nil || len(page) < 4 || len(page) > 5 || next != "" {
			t.Errorf("deliveries, %s: %d, %q, %v", name, len(page), next, err)
		}
	}
	if deliveries, err := s.DeliveriesOf(t.Context(), ids...); err != nil || len(deliveries) != 5 {
		t.Errorf("deliveries of leads: %d, %v", len(deliveries), err)
	}
	if deliveries, err := s.LeadDeliveries(t.Context(), ids[2]); err != nil || len(deliveries) != 0 {
		t.Errorf("deliveries of a lead: %d, %v", len(deliveries), err)
	}
	for _, name := range []string{"lead " + ids[0] + " cannot", "delivery " + ids[2] + ".crm cannot"} {
		if n := strings.Count(log.String(), name); n != 1 {
			t.Errorf("%q is said %d times: %s", name, n, log)
		}
	}
}

// Whoever erases a person must learn of leads that cannot be erased.
func TestALeadThatCannotBeReadIsFoundByItsPersonIfItIsToBe(t *testing.T) {
	t.Parallel()
	o, _, ids := garbled(t)
	s := open(t, o)
	for unreadable, want := range map[bool]int{false: 0, true: 1} {
		page, _, err := s.Leads(t.Context(), store.LeadQuery{Email: "p0@example.com", Unreadable: unreadable}, 100, "")
		if err != nil || len(page) != want {
			t.Fatalf("%v: %v, %v", unreadable, page, err)
		}
		if want == 1 && page[0].GetLeadId() != ids[0] {
			t.Errorf("found %v", page)
		}
	}
}

func TestWhatCannotBeReadIsNamedByTheDoctorAndNeitherRestoredNorSaved(t *testing.T) {
	t.Parallel()
	o, _, ids := garbled(t)
	want := []string{"delivery " + ids[2] + ".crm", "lead " + ids[0]}
	found, err := badger.Examine(o)
	if err != nil || len(found.Damages) != 2 {
		t.Fatalf("examined: %+v, %v", found, err)
	}
	for _, name := range want {
		if !slices.ContainsFunc(found.Damages, func(d badger.Damage) bool { return strings.Contains(d.What, name) }) {
			t.Errorf("the doctor does not name %s: %+v", name, found.Damages)
		}
	}
	saved, restored := badger.Options{Dir: t.TempDir()}, badger.Options{Dir: t.TempDir()}
	_, result, err := badger.Salvage(t.Context(), o, saved)
	if err != nil || result.Leads != 5 || result.Deliveries != 4 || !slices.Equal(result.LeftOut, want) {
		t.Errorf("saved: %+v, %v", result, err)
	}
	s := open(t, o)
	content, _ := backup(t, s, "")
	result, err = restore(t, restored, "", content)
	if err != nil || result.Leads != 5 || result.Deliveries != 4 || !slices.Equal(result.LeftOut, want) {
		t.Errorf("restored: %+v, %v", result, err)
	}
	for _, o := range []badger.Options{saved, restored} {
		if found, err := badger.Examine(o); err != nil || len(found.Damages) != 0 {
			t.Errorf("%+v, %v", found, err)
		}
		r := open(t, o)
		if n := kept(t, r, ids); n != 5 {
			t.Errorf("%d of 5 leads are there", n)
		}
		if timeline, err := r.Timeline(t.Context(), ids[0]); err != nil || len(timeline) != 0 {
			t.Errorf("of the lead that is gone there is %v, %v", timeline, err)
		}
	}
}

// An unreadable delivery that was in flight when the process ended must not keep the store from opening.
func TestWhatWasUnderWayAndCannotBeReadKeepsNoStoreFromOpening(t *testing.T) {
	t.Parallel()
	o := badger.Options{Dir: t.TempDir()}
	s := open(t, o)
	var ids []string
	for i := range 4 {
		ids = append(ids, accept(t, s, lead(fmt.Sprintf("p%d@example.com", i)))[0].LeadID)
	}
	claims, err := s.Claim(t.Context(), "crm", 4)
	if err != nil || len(claims.Items) != 4 {
		t.Fatal(claims, err)
	}
	for _, claim := range claims.Items {
		claim.Delivery.AttemptCount = 1
		step := &store.Step{Claim: claim, Delivery: claim.Delivery, Attempt: &leadgatev1.Attempt{Number: 1}}
		if results, err := s.Begin(t.Context(), step); err != nil || results[0].Err != nil {
			t.Fatal(results, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	garble(t, o, ids[0], ids[1])
	attempt := uuid.MustParse(ids[2])
	edit(t, o.Dir, func(txn *badgerdb.Txn) error {
		return txn.Set(append(append([]byte{'a'}, attempt[:]...), 'c', 'r', 'm', 0, 0, 0, 0, 1), []byte("\xff nonsense"))
	})
	s = open(t, o)
	again, err := s.Claim(t.Context(), "crm", 4)
	if err != nil || len(again.Items) != 2 {
		t.Fatalf("%d of 2 that can be read are due: %v", len(again.Items), err)
	}
}
