package badger_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	badgerdb "github.com/dgraph-io/badger/v4"
	"github.com/google/uuid"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/store"
	"github.com/leadgate/leadgate/worker/store/badger"
)

// flip flips a bit of a file, at a fraction of its written part, and returns its position.
func flip(t *testing.T, path string, part float64) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	end := len(strings.TrimRight(string(b), "\x00"))
	b[int(float64(end)*part)] ^= 0x04
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// spoil flips bits of a file in place, so that whoever has it mapped sees it.
func spoil(t *testing.T, path string, part float64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	at, bits := int64(float64(info.Size())*part), make([]byte, 8)
	if _, err := f.ReadAt(bits, at); err != nil {
		t.Fatal(err)
	}
	for i := range bits {
		bits[i] ^= 0x04
	}
	if _, err := f.WriteAt(bits, at); err != nil {
		t.Fatal(err)
	}
}

// largest returns the largest file in a data directory that matches a pattern.
func largest(t *testing.T, dir, pattern string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "badger", pattern))
	if err != nil {
		t.Fatal(err)
	}
	var found string
	var size int64
	for _, path := range files {
		if info, err := os.Stat(path); err == nil && info.Size() > size {
			found, size = path, info.Size()
		}
	}
	if found == "" {
		t.Fatalf("no %s", pattern)
	}
	return found
}

// copyDir copies the files of a running store's directory, as a kill would leave them.
func copyDir(t *testing.T, from string) (to string) {
	t.Helper()
	to = t.TempDir()
	if err := os.CopyFS(filepath.Join(to, "badger"), os.DirFS(filepath.Join(from, "badger"))); err != nil {
		t.Fatal(err)
	}
	return to
}

// kept counts how many of the leads exist.
func kept(t *testing.T, s store.Store, ids []string) (n int) {
	t.Helper()
	for _, id := range ids {
		if _, err := s.Lead(t.Context(), id); err == nil {
			n++
		} else if !errors.Is(err, store.ErrNotFound) {
			t.Fatal(err)
		}
	}
	return n
}

func acceptMany(t *testing.T, s store.Store, n int) (ids []string) {
	t.Helper()
	for i := range n {
		ids = append(ids, accept(t, s, keyed(withEvent(lead(fmt.Sprintf("p%d@example.com", i))), fmt.Sprint("k", i)))[0].LeadID)
	}
	return ids
}

// sealings runs a test on a plain and on an encrypted store.
func sealings(t *testing.T, test func(t *testing.T, key []byte)) {
	t.Helper()
	for name, key := range map[string][]byte{"as it is": nil, "encrypted": key(t, "a")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, key)
		})
	}
}

func TestALogThatEndsInTheMiddleOfAnEntryIsTakenAsItIs(t *testing.T) {
	t.Parallel()
	sealings(t, endOfALog)
}

func endOfALog(t *testing.T, key []byte) {
	o := badger.Options{Dir: t.TempDir(), EncryptionKey: key}
	s := open(t, o)
	ids := acceptMany(t, s, 50)
	dir := copyDir(t, o.Dir)
	path := largest(t, dir, "*.mem")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	end := len(strings.TrimRight(string(b), "\x00"))
	clear(b[end-40:]) // the last entry was being written when the machine went down
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	torn := badger.Options{Dir: dir, EncryptionKey: key}
	if found, err := badger.Examine(torn); err != nil || len(found.Damages) != 0 || found.Logs == 0 {
		t.Errorf("examined: %+v, %v", found, err)
	}
	if n := kept(t, open(t, torn), ids); n < 49 {
		t.Errorf("%d of 50 leads are kept", n)
	}
}

func TestALogOfWhoseLastCommitAPageIsMissingIsTakenAsItIs(t *testing.T) {
	t.Parallel()
	sealings(t, pageOfALog)
}

func pageOfALog(t *testing.T, key []byte) {
	const page = 4 << 10
	o := badger.Options{Dir: t.TempDir(), EncryptionKey: key}
	s := open(t, o)
	ids := acceptMany(t, s, 50)
	read := func(dir string) (path string, b []byte, end int) {
		path = largest(t, dir, "*.mem")
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return path, b, len(bytes.TrimRight(b, "\x00"))
	}
	_, _, before := read(o.Dir)
	last := make([]*store.Acceptance, 300) // in one commit
	for i := range last {
		last[i] = withEvent(lead(fmt.Sprintf("q%d@example.com", i)))
	}
	accept(t, s, last...)
	_, _, end := read(o.Dir)
	without := func(at int) badger.Options { // clears the rest of the page from there on
		dir := copyDir(t, o.Dir)
		path, b, _ := read(dir)
		clear(b[at : (at/page+1)*page])
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return badger.Options{Dir: dir, EncryptionKey: key}
	}
	for _, at := range []int{end/page*page - 10*page, before} { // a whole page, or from the end of the previous commit
		torn := without(at)
		if found, err := badger.Examine(torn); err != nil || len(found.Damages) != 0 || found.Logs == 0 {
			t.Errorf("examined: %+v, %v", found, err)
		}
		r := open(t, torn)
		if n := kept(t, r, ids); n != len(ids) {
			t.Errorf("%d of %d leads are kept", n, len(ids))
		}
		if _, err := r.Lead(t.Context(), last[0].Record.GetLeadId()); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("a lead of the last commit: %v", err)
		}
	}
	expectRefused(t, without(3*page), ".mem is damaged at byte")
}

func TestALogThatBeginsWithADamageIsRefused(t *testing.T) {
	t.Parallel()
	o := badger.Options{Dir: t.TempDir()}
	if err := open(t, o).Close(); err != nil {
		t.Fatal(err)
	}
	s := open(t, o) // with a new log
	accept(t, s, lead("ada@example.com"))
	last := make([]*store.Acceptance, 300) // in one commit
	for i := range last {
		last[i] = withEvent(lead(fmt.Sprintf("q%d@example.com", i)))
	}
	accept(t, s, last...)
	dir := copyDir(t, o.Dir)
	path := largest(t, dir, "*.mem")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	clear(b[20 : 8<<10]) // only the second commit follows
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	expectRefused(t, badger.Options{Dir: dir}, ".mem is damaged at byte 20")
}

func TestALogThatIsDamagedInTheMiddleIsRefusedAndTheRestSaved(t *testing.T) {
	t.Parallel()
	sealings(t, middleOfALog)
}

func middleOfALog(t *testing.T, key []byte) {
	o := badger.Options{Dir: t.TempDir(), EncryptionKey: key}
	s := open(t, o)
	ids := acceptMany(t, s, 60)
	end(t, s, "crm", 5, leadgatev1.DeliveryState_DELIVERY_STATE_DELIVERED)
	dir := copyDir(t, o.Dir)
	flip(t, largest(t, dir, "*.mem"), 0.5)
	damaged := badger.Options{Dir: dir, EncryptionKey: key}
	expectRefused(t, damaged, ".mem is damaged at byte", "entries stand behind", "leadgate doctor", "--salvage")
	found, err := badger.Examine(damaged)
	if err != nil || len(found.Damages) != 1 || !strings.Contains(found.Damages[0].What, "stand behind") {
		t.Errorf("examined: %+v, %v", found, err)
	}
	saved := badger.Options{Dir: filepath.Join(t.TempDir(), "saved"), EncryptionKey: key}
	if _, _, err := badger.Salvage(context.Background(), badger.Options{Dir: t.TempDir() + "/misspelt"}, saved); err == nil {
		t.Error("saved what there is not")
	}
	if _, err := os.Stat(saved.Dir); err == nil {
		t.Error("what failed to be saved left a directory")
	}
	_, result, err := badger.Salvage(context.Background(), damaged, saved)
	if err != nil || result.Leads < 59 {
		t.Fatalf("saved: %+v, %v", result, err)
	}
	r := open(t, saved)
	if n := kept(t, r, ids); n < 59 {
		t.Errorf("%d of 60 leads are saved", n)
	}
	expectCountsOfScan(t, r)
	if counts, err := r.Counts(t.Context()); err != nil || counts["crm"].ByState[leadgatev1.DeliveryState_DELIVERY_STATE_DELIVERED] < 4 {
		t.Errorf("counts: %v, %v", counts, err)
	}
	known := 0
	for i := range ids {
		if a, err := r.LookUp(t.Context(), &store.Key{Scope: "contact", Value: fmt.Sprint("k", i)}); err == nil && a.LeadID == ids[i] {
			known++
		}
	}
	if known < 59 {
		t.Errorf("%d of 60 keys are saved", known)
	}
	accept(t, r, lead("new@example.com"))
}

func TestAnEncryptedStoreIsSavedThoughTheListOfItsTablesIsLost(t *testing.T) {
	t.Parallel()
	o := badger.Options{Dir: t.TempDir(), EncryptionKey: key(t, "a")}
	var ids []string
	run(t, o, func(s *badger.Store) { ids = acceptMany(t, s, 200) })
	if err := os.Remove(filepath.Join(o.Dir, "badger", "MANIFEST")); err != nil {
		t.Fatal(err)
	}
	found, err := badger.Examine(o)
	if err != nil || len(found.Damages) != 1 || !strings.HasSuffix(found.Damages[0].File, "MANIFEST") || found.Tables == 0 {
		t.Errorf("examined: %+v, %v", found, err)
	}
	saved := badger.Options{Dir: t.TempDir(), EncryptionKey: key(t, "b")}
	if _, _, err := badger.Salvage(context.Background(), o, saved); err != nil {
		t.Fatal(err)
	}
	if n := kept(t, open(t, saved), ids); n != len(ids) {
		t.Errorf("%d of %d leads are saved", n, len(ids))
	}
}

func TestADamagedTableIsNoticedAndTheRestSaved(t *testing.T) {
	t.Parallel()
	for name, uncompressed := range map[string]bool{"compressed": false, "as it is": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := badger.Options{Dir: t.TempDir(), Uncompressed: uncompressed}
			s := open(t, o)
			ids := acceptMany(t, s, 400)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if found, err := badger.Examine(o); err != nil || len(found.Damages) != 0 || found.Tables == 0 {
				t.Fatalf("undamaged: %+v, %v", found, err)
			}
			flip(t, largest(t, o.Dir, "*.sst"), 0.4)
			found, err := badger.Examine(o)
			if err != nil || len(found.Damages) != 1 || !strings.Contains(found.Damages[0].File, ".sst") {
				t.Fatalf("examined: %+v, %v", found, err)
			}
			if _, err := badger.Compact(o, nil); err == nil || !strings.Contains(err.Error(), "--salvage") {
				t.Errorf("compacted: %v", err)
			}
			if again, err := badger.Examine(o); err != nil || !reflect.DeepEqual(again, found) {
				t.Errorf("after it was to be compacted: %+v, %v", again, err)
			}
			// A store that has it open notices, and stops writing.
			if s, err := badger.Open(o); err == nil {
				for deadline := time.Now().Add(20 * time.Second); s.Writable() == nil && time.Now().Before(deadline); {
					time.Sleep(time.Millisecond)
				}
				if err := s.Writable(); !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "leadgate doctor") {
					t.Errorf("writable: %v", err)
				}
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			}
			saved := badger.Options{Dir: t.TempDir()}
			_, result, err := badger.Salvage(context.Background(), o, saved)
			if err != nil || result.Leads < 300 {
				t.Fatalf("saved: %+v, %v", result, err)
			}
			r := open(t, saved)
			if n := kept(t, r, ids); int64(n) != result.Leads {
				t.Errorf("%d leads are there, %d were said to be saved", n, result.Leads)
			}
			t.Logf("%d of 400 leads saved", result.Leads)
		})
	}
}

func TestADeliveryWhoseLastAttemptIsLostHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	o := badger.Options{Dir: t.TempDir()}
	id := tried(t, o, 3, "ada@example.com")
	edit(t, o.Dir, func(txn *badgerdb.Txn) error {
		lead := uuid.MustParse(id)
		return txn.Delete(append(append([]byte{'a'}, lead[:]...), 'c', 'r', 'm', 0, 0, 0, 0, 3))
	})
	saved := badger.Options{Dir: t.TempDir()}
	if _, result, err := badger.Salvage(context.Background(), o, saved); err != nil || result.Deliveries != 1 {
		t.Fatalf("saved: %+v, %v", result, err)
	}
	s := open(t, saved)
	accept(t, s, lead("bob@example.com"))
	if results, err := s.Redrive(t.Context(), &store.Redrive{DeliveryID: id + ".crm"}); err != nil || results[0].Err != nil {
		t.Fatal(results, err)
	}
	claims, err := s.Claim(t.Context(), "crm", 10)
	if err != nil || len(claims.Items) != 2 {
		t.Fatalf("%d claims, %v", len(claims.Items), err)
	}
	for _, claim := range claims.Items {
		if claim.Last != nil {
			t.Errorf("the last attempt is %v", claim.Last)
		}
	}
}

func TestATableThatIsDamagedWhileItIsInUseIsNotBackedUp(t *testing.T) {
	t.Parallel()
	o := badger.Options{Dir: t.TempDir()}
	s := open(t, o)
	acceptMany(t, s, 400)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		s := open(t, o)
		synctest.Wait() // until all tables are read
		spoil(t, largest(t, o.Dir, "*.sst"), 0.4)
		if _, err := s.Backup(t.Context(), "", io.Discard); err == nil || !strings.Contains(err.Error(), "leadgate doctor") {
			t.Errorf("backed up: %v", err)
		}
		if err := s.Writable(); err == nil {
			t.Error("it is written on")
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestATableThatCannotBeReadAtTheMomentIsNotTakenForDamaged(t *testing.T) {
	t.Parallel()
	o := badger.Options{Dir: t.TempDir(), MinFree: 1}
	s := open(t, o)
	acceptMany(t, s, 1)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	path := largest(t, o.Dir, "*.sst")
	synctest.Test(t, func(t *testing.T) {
		looks := 0
		o.Free = func(string) (uint64, error) {
			if looks++; looks == 2 { // the database is open, its tables are not yet checked
				if err := errors.Join(os.Rename(path, path+".away"), os.Mkdir(path, 0o700)); err != nil {
					t.Error(err)
				}
			}
			return 1 << 40, nil
		}
		var log bytes.Buffer
		o.Logger = slog.New(slog.NewTextHandler(&log, nil))
		s := open(t, o)
		synctest.Wait()
		if !strings.Contains(log.String(), "could be checked") {
			t.Errorf("logged: %s", log.String())
		}
		if err := s.Writable(); err != nil {
			t.Error(err)
		}
		if err := errors.Join(os.Remove(path), os.Rename(path+".away", path)); err != nil {
			t.Error(err)
		}
		spoil(t, path, 0.4)
		time.Sleep(time.Hour) // of the bubble
		synctest.Wait()
		if err := s.Writable(); err == nil {
			t.Error("it was not read again")
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestATableThatIsBeingWrittenIsNotTakenForDamaged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := open(t, badger.Options{Dir: dir, Free: func(string) (uint64, error) {
			// Called last before the store reads its tables. A table looks like this while it is being written.
			_ = os.WriteFile(filepath.Join(dir, "badger", "000999.sst"), make([]byte, 1<<20), 0o600)
			return 1 << 40, nil
		}})
		synctest.Wait() // until they have been read
		if err := s.Writable(); err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	// A kill leaves such a file, which does not belong to the database.
	if found, err := badger.Examine(badger.Options{Dir: dir}); err != nil || len(found.Damages) > 0 {
		t.Errorf("examined: %+v, %v", found, err)
	}
}
