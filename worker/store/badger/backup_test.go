package badger_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	badgerdb "github.com/dgraph-io/badger/v4"
	"google.golang.org/protobuf/proto"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/store"
	"github.com/leadgate/leadgate/worker/store/badger"
)

// backup makes a backup and returns it with its position.
func backup(t *testing.T, s store.Store, since string) (content []byte, position string) {
	t.Helper()
	var to bytes.Buffer
	position, err := s.Backup(t.Context(), since, &to)
	if err != nil {
		t.Fatal(err)
	}
	return to.Bytes(), position
}

func restore(t *testing.T, o badger.Options, erasures string, backups ...[]byte) (badger.Restored, error) {
	t.Helper()
	readers := make([]io.Reader, len(backups))
	for i, b := range backups {
		readers[i] = bytes.NewReader(b)
	}
	var list io.Reader
	if erasures != "" {
		list = strings.NewReader(erasures)
	}
	return badger.Restore(context.Background(), o, readers, list, nil)
}

// erase erases leads.
func erase(t *testing.T, s store.Store, leadIDs ...string) {
	t.Helper()
	for _, id := range leadIDs {
		if results, err := s.Erase(t.Context(), &store.Erasure{LeadID: id}); err != nil || results[0].Err != nil {
			t.Fatal(results, err)
		}
	}
}

func keyed(a *store.Acceptance, key string) *store.Acceptance {
	a.Key = &store.Key{Scope: "contact", Value: key, Expires: time.Now().Add(time.Hour)}
	return a
}

func TestARestoredStoreIsTheSameButHoldsWhatWasUnfinished(t *testing.T) {
	t.Parallel()
	s := open(t, badger.Options{})
	var ids []string
	for i := range 40 {
		ids = append(ids, accept(t, s, keyed(withEvent(lead(fmt.Sprintf("p%d@example.com", i/2))), fmt.Sprint("k", i)))[0].LeadID)
	}
	end(t, s, "crm", 5, leadgatev1.DeliveryState_DELIVERY_STATE_DELIVERED)
	end(t, s, "crm", 3, leadgatev1.DeliveryState_DELIVERY_STATE_DEAD)
	claims, err := s.Claim(t.Context(), "crm", 1) // in flight when the backup is made
	if err != nil {
		t.Fatal(err)
	}
	if results, err := s.Begin(t.Context(), begun(claims.Items[0])); err != nil || results[0].Err != nil {
		t.Fatal(results, err)
	}
	if err := s.State("paused").Put(t.Context(), "crm", []byte("cleaning up"), time.Time{}); err != nil {
		t.Fatal(err)
	}
	whole, position := backup(t, s, "")
	// Since then, a lead is delivered, one is accepted, and the pause ends.
	end(t, s, "crm", 1, leadgatev1.DeliveryState_DELIVERY_STATE_DELIVERED)
	ids = append(ids, accept(t, s, withEvent(lead("late@example.com")))[0].LeadID)
	if err := s.State("paused").Delete(t.Context(), "crm"); err != nil {
		t.Fatal(err)
	}
	added, _ := backup(t, s, position)
	if len(added) >= len(whole)/2 {
		t.Errorf("what was added has %d bytes, all has %d", len(added), len(whole))
	}

	o := badger.Options{Dir: filepath.Join(t.TempDir(), "new")}
	result, err := restore(t, o, "", whole, added)
	if err != nil {
		t.Fatal(err)
	}
	if result.Leads != 41 || result.Deliveries != 41 || result.Held != 32 || result.Erased != 0 || result.Time.IsZero() {
		t.Errorf("restored: %+v", result)
	}
	r := open(t, o)
	if r.ID() == s.ID() {
		t.Error("it goes on with the old one's events")
	}
	for i, id := range ids {
		was, err := s.Lead(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		is, err := r.Lead(t.Context(), id)
		if err != nil || !proto.Equal(was, is) {
			t.Fatalf("lead %s is %v, was %v, %v", id, is, was, err)
		}
		if i < 40 {
			if known, err := r.LookUp(t.Context(), &store.Key{Scope: "contact", Value: fmt.Sprint("k", i)}); err != nil || known.LeadID != id {
				t.Errorf("key %d: %+v, %v", i, known, err)
			}
		}
		before, err := s.Delivery(t.Context(), id+".crm")
		if err != nil {
			t.Fatal(err)
		}
		after, err := r.Delivery(t.Context(), id+".crm")
		if err != nil {
			t.Fatal(err)
		}
		switch before.GetState() {
		case leadgatev1.DeliveryState_DELIVERY_STATE_DELIVERED, leadgatev1.DeliveryState_DELIVERY_STATE_DEAD:
			if !proto.Equal(before, after) {
				t.Errorf("delivery is %v, was %v", after, before)
			}
		default:
			if after.GetState() != leadgatev1.DeliveryState_DELIVERY_STATE_HELD || !strings.HasPrefix(after.GetReason(), badger.RestoredReason) {
				t.Errorf("an unfinished delivery is %v", after)
			}
		}
	}
	for _, state := range []leadgatev1.DeliveryState{leadgatev1.DeliveryState_DELIVERY_STATE_DEAD, leadgatev1.DeliveryState_DELIVERY_STATE_HELD} {
		page, _, err := r.Deliveries(t.Context(), store.DeliveryQuery{State: state}, 100, "")
		want := map[bool]int{true: 3, false: 32}[state == leadgatev1.DeliveryState_DELIVERY_STATE_DEAD]
		if err != nil || len(page) != want {
			t.Errorf("%v: %d are listed, want %d, %v", state, len(page), want, err)
		}
	}
	if page, _, err := r.Leads(t.Context(), store.LeadQuery{Email: "late@example.com"}, 10, ""); err != nil || len(page) != 1 {
		t.Errorf("found by address: %v, %v", page, err)
	}
	if _, _, err := r.State("paused").Get(t.Context(), "crm"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the pause is back: %v", err)
	}
	expectCountsOfScan(t, r)
	if claims, err := r.Claim(t.Context(), "crm", 10); err != nil || len(claims.Items) != 0 || !claims.Next.IsZero() {
		t.Errorf("something goes out by itself: %v, %v", claims, err)
	}
	if events, err := r.Recent(t.Context(), 1000); err != nil || len(events) < 41+32 {
		t.Errorf("%d events, %v", len(events), err)
	}
	// Deliveries redriven by a person go out in order.
	for _, id := range ids[30:32] {
		if results, err := r.Redrive(t.Context(), &store.Redrive{DeliveryID: id + ".crm"}); err != nil || results[0].Err != nil {
			t.Fatal(results, err)
		}
	}
	if claims, err := r.Claim(t.Context(), "crm", 10); err != nil || len(claims.Items) != 1 || claims.Items[0].Delivery.GetLeadId() != ids[30] {
		t.Errorf("claimed %v, %v", claims, err)
	}
	accept(t, r, lead("new@example.com"))
}

func TestWhatWasErasedStaysErasedWhenABackupIsRestored(t *testing.T) {
	t.Parallel()
	o := badger.Options{Dir: t.TempDir()}
	s := open(t, o)
	before := accept(t, s, lead("ada@example.com"))[0].LeadID
	after := accept(t, s, lead("bob@example.com"))[0].LeadID
	logged := accept(t, s, lead("cyd@example.com"))[0].LeadID
	kept := accept(t, s, lead("eve@example.com"))[0].LeadID
	erase(t, s, before)
	whole, _ := backup(t, s, "")
	erase(t, s, after)
	list, err := os.ReadFile(filepath.Join(o.Dir, "erasures.ndjson"))
	if err != nil || bytes.Count(list, []byte("\n")) != 2 || bytes.Contains(list, []byte("@")) {
		t.Fatalf("the list is %s, %v", list, err)
	}
	logs := string(list) + `{"time":1795693327358,"level":"INFO","stage":"erased","lead_id":"` + logged + `"}
{"time":"2026-11-26T11:42:07.358Z","level":"INFO","stage":"queued","lead_id":"` + kept + `"}
{"time":"2026-11-26T11:42:07.358Z","level":"IN`
	n := badger.Options{Dir: t.TempDir()}
	result, err := restore(t, n, logs, whole)
	if err != nil || result.Erased != 2 {
		t.Fatalf("%+v, %v", result, err)
	}
	r := open(t, n)
	for _, id := range []string{before, after, logged} {
		if record, err := r.Lead(t.Context(), id); err != nil || record.GetState() != leadgatev1.LeadState_LEAD_STATE_ERASED || record.GetLead().GetEmail() != "" {
			t.Errorf("%v, %v", record, err)
		}
	}
	if record, err := r.Lead(t.Context(), kept); err != nil || record.GetLead().GetEmail() == "" {
		t.Errorf("%v, %v", record, err)
	}
	// A list in the directory is used by default.
	n = badger.Options{Dir: t.TempDir()}
	if err := os.WriteFile(filepath.Join(n.Dir, "erasures.ndjson"), list, 0o600); err != nil {
		t.Fatal(err)
	}
	if result, err := restore(t, n, "", whole); err != nil || result.Erased != 1 {
		t.Errorf("%+v, %v", result, err)
	}
	// A list truncated by a crash is completed.
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(o.Dir, "erasures.ndjson"), list[:len(list)/2-9], 0o600); err != nil {
		t.Fatal(err)
	}
	open(t, o)
	completed, err := os.ReadFile(filepath.Join(o.Dir, "erasures.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	n = badger.Options{Dir: t.TempDir()}
	if result, err := restore(t, n, string(completed), whole); err != nil || result.Erased != 1 {
		t.Errorf("%+v, %v, by %s", result, err, completed)
	}
}

// A restore may be repeated with another backup, which contains leads that the first one lacked.
func TestEveryListedErasureIsKeptForTheNextRestore(t *testing.T) {
	t.Parallel()
	o := badger.Options{Dir: t.TempDir()}
	s := open(t, o)
	early := accept(t, s, lead("ada@example.com"))[0].LeadID
	monday, _ := backup(t, s, "")
	late := accept(t, s, lead("bob@example.com"))[0].LeadID
	later := accept(t, s, lead("cyd@example.com"))[0].LeadID
	tuesday, _ := backup(t, s, "")
	erase(t, s, early, late)
	list, err := os.ReadFile(filepath.Join(o.Dir, "erasures.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	n := badger.Options{Dir: t.TempDir()}
	// As journalctl prints the log, or as somebody else keeps the list.
	given := "Nov 27 05:11:34 web1 leadgate[12]: " + strings.ReplaceAll(string(list), "\n{", "\nNov 27 05:11:35 web1 leadgate[12]: {")
	if result, err := restore(t, n, given, monday); err != nil || result.Listed != 2 || result.Erased != 1 {
		t.Fatalf("%+v, %v", result, err)
	}
	if err := os.Rename(filepath.Join(n.Dir, "badger"), filepath.Join(n.Dir, "monday")); err != nil {
		t.Fatal(err)
	}
	if result, err := restore(t, n, later, tuesday); err != nil || result.Listed != 3 || result.Erased != 3 {
		t.Errorf("what is given is added to what is there: %+v, %v", result, err)
	}
	kept, err := os.ReadFile(filepath.Join(n.Dir, "erasures.ndjson"))
	if err != nil || strings.Count(string(kept), "\n") != 3 || !strings.Contains(string(kept), string(list)) {
		t.Errorf("kept is %s, %v; known were %s", kept, err, list)
	}
}

func TestARestoreThatEndsWhileItErasesLeavesNothing(t *testing.T) {
	t.Parallel()
	s := open(t, badger.Options{})
	id := accept(t, s, lead("ada@example.com"))[0].LeadID
	whole, _ := backup(t, s, "")
	list := id + "\n"
	for range 200 { // accepted after the backup
		list += lead("").Record.GetLeadId() + "\n"
	}
	n := badger.Options{Dir: t.TempDir()}
	ctx, cancel := context.WithCancel(t.Context())
	n.Publish = func([]*leadgatev1.Event) { cancel() }
	if _, err := badger.Restore(ctx, n, []io.Reader{bytes.NewReader(whole)}, strings.NewReader(list), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
	n.Publish = nil
	if _, err := restore(t, n, list+"what is this?\n", whole); err == nil || !strings.Contains(err.Error(), "line 202") {
		t.Errorf("a list with a line that is none: %v", err)
	}
	if _, err := restore(t, n, list+`{"stage":"erased","lead_id":["`+id+`"]}`, whole); err == nil || !strings.Contains(err.Error(), "line 202") {
		t.Errorf("a list with a line of another kind: %v", err)
	}
	if left, err := filepath.Glob(filepath.Join(n.Dir, "badger*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if result, err := restore(t, n, list, whole); err != nil || result.Erased != 1 {
		t.Errorf("%+v, %v", result, err)
	}
	open(t, n)
	if listed, err := os.ReadFile(filepath.Join(n.Dir, "erasures.ndjson")); err != nil || !bytes.Contains(listed, []byte(id)) {
		t.Errorf("the list of the new store is %s, %v", listed, err)
	}
}

func TestAnErasureListThatLostItsEndIsCompletedAndUsedBySalvage(t *testing.T) {
	t.Parallel()
	o := badger.Options{Dir: t.TempDir()}
	s := open(t, o)
	ids := acceptMany(t, s, 3)
	damaged := badger.Options{Dir: copyDir(t, o.Dir)} // as if what the erasures wrote were unreadable
	erase(t, s, ids[:2]...)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(o.Dir, "erasures.ndjson")
	list, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lost := append(list[:bytes.IndexByte(list, '\n')+1:bytes.IndexByte(list, '\n')+1], make([]byte, 4096)...)
	lost = append(lost, "\nand this\n"...)
	if err := os.WriteFile(path, lost, 0o600); err != nil {
		t.Fatal(err)
	}
	open(t, o)
	if list, err = os.ReadFile(path); err != nil || !bytes.Contains(list, []byte(ids[1])) {
		t.Errorf("the list is %s, %v", list, err)
	}
	if err := os.WriteFile(filepath.Join(damaged.Dir, "erasures.ndjson"), list, 0o600); err != nil {
		t.Fatal(err)
	}
	saved := badger.Options{Dir: t.TempDir()}
	const before = `{"time":"2026-01-02T03:04:05Z","stage":"erased","lead_id":"019ca945-0a00-7000-8000-000000000001"}`
	if err := os.WriteFile(filepath.Join(saved.Dir, "erasures.ndjson"), []byte(before), 0o600); err != nil {
		t.Fatal(err)
	}
	found, result, err := badger.Salvage(t.Context(), damaged, saved)
	if err != nil || result.Erased != 2 || len(found.Damages) != 1 {
		t.Fatalf("%+v, %+v, %v", found, result, err)
	}
	r := open(t, saved)
	for i, id := range ids {
		want := leadgatev1.LeadState_LEAD_STATE_OPEN
		if i < 2 {
			want = leadgatev1.LeadState_LEAD_STATE_ERASED
		}
		if record, err := r.Lead(t.Context(), id); err != nil || record.GetState() != want {
			t.Errorf("lead %d: %v, %v", i, record, err)
		}
	}
	carried, err := os.ReadFile(filepath.Join(saved.Dir, "erasures.ndjson"))
	if err != nil || !bytes.Contains(carried, []byte(ids[1])) || !bytes.Contains(carried, []byte(before+"\n")) {
		t.Errorf("the list of the new store is %s, %v", carried, err)
	}
}

func TestWhatBelongsToARemovedLeadIsNotRestoredThoughItsRemovalIsForgotten(t *testing.T) {
	t.Parallel()
	o := badger.Options{Dir: t.TempDir()}
	s := open(t, o)
	accept(t, s, withEvent(lead("ada@example.com")), withEvent(lead("bob@example.com")))
	end(t, s, "crm", 2, leadgatev1.DeliveryState_DELIVERY_STATE_DELIVERED)
	whole, position := backup(t, s, "")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	edit(t, o.Dir, func(txn *badgerdb.Txn) error { // the versions that Badger still has
		it := txn.NewIterator(badgerdb.IteratorOptions{Prefix: []byte("l")})
		defer it.Close()
		it.Rewind()
		return txn.Delete(it.Item().KeyCopy(nil))
	})
	added, _ := backup(t, open(t, o), position)
	n := badger.Options{Dir: t.TempDir()}
	if result, err := restore(t, n, "", whole, added); err != nil || result.Leads != 1 {
		t.Fatalf("%+v, %v", result, err)
	}
	if n := keys(t, n.Dir); n['l'] != 1 || n['d'] != 1 || n['a'] != 1 || n['t'] != 1 || n['e'] != 1 || n['m'] != 1 {
		t.Errorf("the keys are %v", n)
	}
}

func TestABackupThatIsNotWholeOrNotInOrderIsRefusedAndLeavesNothing(t *testing.T) {
	t.Parallel()
	s := open(t, badger.Options{})
	accept(t, s, lead("ada@example.com"))
	whole, first := backup(t, s, "")
	accept(t, s, lead("bob@example.com"))
	one, second := backup(t, s, first)
	accept(t, s, lead("cyd@example.com"))
	two, _ := backup(t, s, second)
	flipped := slices.Clone(whole)
	flipped[len(flipped)/2] ^= 0x10
	for what, c := range map[string]struct {
		backups [][]byte
		want    string
	}{
		"cut off":           {[][]byte{whole[:len(whole)-20]}, "damaged or cut off"},
		"a bit flipped":     {[][]byte{flipped}, ""},
		"something else":    {[][]byte{[]byte("PK\x03\x04 a zip file, perhaps")}, "not a backup"},
		"empty":             {[][]byte{nil}, "not a backup"},
		"without the whole": {[][]byte{one}, "name the whole one first"},
		"with a gap":        {[][]byte{whole, two}, "does not add to the one before"},
		"in another order":  {[][]byte{whole, two, one}, "does not add to the one before"},
		"two whole ones":    {[][]byte{whole, whole}, "whole backup"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			o := badger.Options{Dir: t.TempDir()}
			if _, err := restore(t, o, "", c.backups...); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("restored with %v", err)
			}
			if _, err := restore(t, badger.Options{Dir: filepath.Join(o.Dir, "made", "for it")}, "", c.backups...); err == nil {
				t.Error("restored into a directory that was not there")
			}
			if left, err := os.ReadDir(o.Dir); err != nil || len(left) > 0 {
				t.Errorf("left: %v, %v", left, err)
			}
			if result, err := restore(t, o, "", whole, one, two); err != nil || result.Leads != 3 {
				t.Errorf("then the good ones: %+v, %v", result, err)
			}
			if _, err := restore(t, o, "", whole); err == nil || !strings.Contains(err.Error(), "has a store already") {
				t.Errorf("over a store: %v", err)
			}
		})
	}
	for _, position := range []string{"nonsense", "x:y", "other:7", s.ID() + ":99999999"} {
		if _, err := s.Backup(t.Context(), position, io.Discard); !errors.Is(err, store.ErrPosition) {
			t.Errorf("since %s: %v", position, err)
		}
	}
}

// A backup is a snapshot: of a lead accepted meanwhile, it contains everything or nothing.
func TestABackupMadeUnderLoadIsConsistent(t *testing.T) {
	t.Parallel()
	s := open(t, badger.Options{})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	accept(t, s, withEvent(lead("first@example.com")))
	go func() {
		defer close(done)
		for i := 0; ctx.Err() == nil; i++ {
			accept(t, s, keyed(withEvent(lead(fmt.Sprintf("p%d@example.com", i%50))), fmt.Sprint("k", i)))
			if i%7 == 0 {
				end(t, s, "crm", 5, leadgatev1.DeliveryState_DELIVERY_STATE_DELIVERED)
			}
		}
	}()
	var backups [][]byte
	position := ""
	for range 10 {
		content, next := backup(t, s, position)
		backups, position = append(backups, content), next
	}
	stop()
	<-done
	o := badger.Options{Dir: t.TempDir()}
	result, err := restore(t, o, "", backups...)
	if err != nil || result.Leads == 0 || result.Deliveries != result.Leads {
		t.Fatalf("%+v, %v", result, err)
	}
	r := open(t, o)
	expectCountsOfScan(t, r)
	for token, n := "", 0; ; {
		page, next, err := r.Leads(t.Context(), store.LeadQuery{}, 100, token)
		if err != nil {
			t.Fatal(err)
		}
		for _, record := range page {
			n++
			timeline, err := r.Timeline(t.Context(), record.GetLeadId())
			if err != nil || len(timeline) == 0 {
				t.Fatalf("lead %s has no story: %v", record.GetLeadId(), err)
			}
		}
		if token = next; token == "" {
			if int64(n) != result.Leads {
				t.Errorf("%d leads are listed, %d were restored", n, result.Leads)
			}
			return
		}
	}
}
