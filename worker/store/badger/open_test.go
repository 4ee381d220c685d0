package badger_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	badgerdb "github.com/dgraph-io/badger/v4"
	"google.golang.org/protobuf/proto"

	storev1 "github.com/leadgate/leadgate/gen/go/leadgate/store/v1"
	"github.com/leadgate/leadgate/worker/store"
	"github.com/leadgate/leadgate/worker/store/badger"
)

// expectRefused expects that a store cannot be opened, with these words in the error.
func expectRefused(t *testing.T, o badger.Options, words ...string) error {
	t.Helper()
	s, err := badger.Open(o)
	if err == nil {
		_ = s.Close()
		t.Fatal("it was opened")
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%q does not say %q", err, word)
		}
	}
	return err
}

func TestADirectoryThatIsInUseIsRefusedWithTheProcessThatHasIt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, badger.Options{Dir: dir})
	expectRefused(t, badger.Options{Dir: dir}, dir, "in use", fmt.Sprintf("process %d", os.Getpid()), "--data-dir")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, badger.Options{Dir: dir})
}

func TestADirectoryThatCannotBeMadeIsRefusedWithTheWayOut(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(file, "data")
	expectRefused(t, badger.Options{Dir: dir}, dir, "cannot be made", "not a directory", "--data-dir")
}

func TestADirectoryThatCannotBeWrittenIsRefusedWithTheWayOut(t *testing.T) {
	t.Parallel()
	if os.Geteuid() == 0 {
		t.Skip("root can write everywhere")
	}
	dir := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	expectRefused(t, badger.Options{Dir: dir}, dir, "cannot be written", "--data-dir")
}

func TestAnotherFormatIsRefusedWithTheVersionToUse(t *testing.T) {
	t.Parallel()
	for format, words := range map[uint32][]string{
		99: {"format 99", "newer leadgate"},
		0:  {"format 0", "older leadgate"},
	} {
		dir := t.TempDir()
		edit(t, dir, func(txn *badgerdb.Txn) error {
			value, err := proto.Marshal(&storev1.Meta{Format: format, StoreId: "shop", HashKey: []byte("k")})
			if err != nil {
				return err
			}
			return txn.Set([]byte("!meta"), value)
		})
		for range 2 { // a refused one is closed again
			expectRefused(t, badger.Options{Dir: dir}, append(words, dir)...)
		}
	}
}

func TestALogOfLargerMemoryTablesIsReadAfterAKill(t *testing.T) {
	t.Parallel()
	o := badger.Options{Dir: t.TempDir(), LargestLead: 1 << 20}
	s := open(t, o)
	ids := acceptMany(t, s, 10)
	large := lead("ada@example.com")
	large.Record.Lead.Message = strings.Repeat("m", 1<<20-1024)
	for range 13 {
		large.Record.LeadId = lead("").Record.GetLeadId()
		ids = append(ids, accept(t, s, large)[0].LeadID)
	}
	killed := badger.Options{Dir: copyDir(t, o.Dir)} // its memory tables are of 8 MiB
	if n := kept(t, open(t, killed), ids); n != len(ids) {
		t.Errorf("%d of %d leads are kept", n, len(ids))
	}
}

func TestADiskThatIsNearlyFullIsRefused(t *testing.T) {
	t.Parallel()
	o := badger.Options{Dir: t.TempDir(), Free: func(string) (uint64, error) { return 50 << 20, nil }}
	if err := expectRefused(t, o, o.Dir, "50 MiB left", "500 MiB must be free", "free some space"); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("error is %v", err)
	}
}

// edit changes the database in a directory that no store has open.
func edit(t *testing.T, dir string, change func(*badgerdb.Txn) error) {
	t.Helper()
	db, err := badgerdb.Open(badgerdb.DefaultOptions(filepath.Join(dir, "badger")).WithLogger(nil))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Update(change), db.Close()); err != nil {
		t.Fatal(err)
	}
}

// keys counts the keys on disk by prefix, in a directory that no store has open.
func keys(t *testing.T, dir string) map[byte]int {
	t.Helper()
	counts := map[byte]int{}
	edit(t, dir, func(txn *badgerdb.Txn) error {
		it := txn.NewIterator(badgerdb.IteratorOptions{})
		defer it.Close()
		for it.Rewind(); it.Valid(); it.Next() {
			counts[it.Item().Key()[0]]++
		}
		return nil
	})
	return counts
}
