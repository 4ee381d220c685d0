package badger_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	badgerdb "github.com/dgraph-io/badger/v4"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/store"
	"github.com/leadgate/leadgate/worker/store/badger"
)

// versionsWith counts the versions of keys, however old, with a word in key or value.
func versionsWith(t *testing.T, dir, word string) (n int) {
	t.Helper()
	edit(t, dir, func(txn *badgerdb.Txn) error {
		it := txn.NewIterator(badgerdb.IteratorOptions{AllVersions: true, PrefetchValues: true})
		defer it.Close()
		for it.Rewind(); it.Valid(); it.Next() {
			value, err := it.Item().ValueCopy(nil)
			if err != nil {
				return err
			}
			if bytes.Contains(it.Item().Key(), []byte(word)) || bytes.Contains(value, []byte(word)) {
				n++
			}
		}
		return nil
	})
	return n
}

// filesWith returns the files that contain a word.
func filesWith(t *testing.T, dir, word string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if bytes.Contains(content, []byte(word)) {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestAnErasedPersonIsInNoVersionAndNoFileAfterCompacting(t *testing.T) {
	t.Parallel()
	const word = "lovelace"
	o := badger.Options{Dir: t.TempDir(), Uncompressed: true}
	s := open(t, o)
	var erasures []*store.Erasure
	for n := range 20 {
		a := withEvent(lead(word + "@example.com"))
		a.Record.Submission = &leadgatev1.Submission{Fields: []*leadgatev1.Submission_Field{{Name: "mail", Values: []string{word + "@example.com"}}}}
		a.Key = &store.Key{Scope: fmt.Sprint("form", n), Value: word + "@example.com", Expires: time.Now().Add(time.Hour)} // some clients do that
		erasures = append(erasures, &store.Erasure{LeadID: accept(t, s, a)[0].LeadID})
	}
	kept := accept(t, s, withEvent(lead("grace@example.com")))[0].LeadID
	claims, err := s.Claim(t.Context(), "crm", 1)
	if err != nil {
		t.Fatal(err)
	}
	step := begun(claims.Items[0])
	step.Attempt.Payload = `{"email":"` + word + `@example.com"}`
	if results, err := s.Begin(t.Context(), step); err != nil || results[0].Err != nil {
		t.Fatal(results, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if versionsWith(t, o.Dir, word) == 0 || len(filesWith(t, o.Dir, word)) == 0 {
		t.Fatal("the test sees nothing")
	}

	s = open(t, o)
	if results, err := s.Erase(t.Context(), erasures...); err != nil || results[0].Err != nil {
		t.Fatal(results, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	var told int
	result, err := badger.Compact(o, func(written, about int64) { told++ })
	if err != nil {
		t.Fatal(err)
	}
	if result.Keys == 0 || result.After == 0 || told == 0 {
		t.Errorf("compacted: %+v, progress told %d times", result, told)
	}
	if n, files := versionsWith(t, o.Dir, word), filesWith(t, o.Dir, word); n > 0 || len(files) > 0 {
		t.Errorf("it is in %d versions and in the files %v", n, files)
	}
	s = open(t, o)
	if known, err := s.LookUp(t.Context(), &store.Key{Scope: "form7", Value: word + "@example.com"}); err != nil || known.LeadID != erasures[7].LeadID {
		t.Errorf("its key answers %+v, %v", known, err)
	}
	if r, err := s.Lead(t.Context(), kept); err != nil || r.GetLead().GetEmail() != "grace@example.com" {
		t.Errorf("another lead is %v, %v", r, err)
	}
	accept(t, s, lead("new@example.com"))
	expectCountsOfScan(t, s)
}

func TestCompactingIsRefusedWhileInUseAndWithoutRoom(t *testing.T) {
	t.Parallel()
	o := badger.Options{Dir: t.TempDir()}
	s := open(t, o)
	accept(t, s, lead("ada@example.com"))
	if _, err := badger.Compact(o, nil); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("in use: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	full := o
	full.Free = func(string) (uint64, error) { return 10 << 20, nil }
	if _, err := badger.Compact(full, nil); err == nil || !strings.Contains(err.Error(), "free some space") {
		t.Errorf("on a full disk: %v", err)
	}
	if _, err := badger.Compact(badger.Options{Dir: t.TempDir()}, nil); err == nil || !strings.Contains(err.Error(), "no data directory") {
		t.Errorf("elsewhere: %v", err)
	}
	if _, err := badger.Compact(o, nil); err != nil {
		t.Error(err)
	}
}

// Wherever Compact is interrupted, one of the two databases is complete, and the next start finds it.
func TestACompactionThatEndedEarlyIsTidiedUp(t *testing.T) {
	t.Parallel()
	for name, moves := range map[string][][2]string{
		"while writing":          {{"", "badger.compacted"}},
		"between the renames":    {{"badger", "badger.replaced"}, {"", "badger.compacted"}},
		"before the old is gone": {{"", "badger.replaced"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := badger.Options{Dir: t.TempDir()}
			s := open(t, o)
			id := accept(t, s, lead("ada@example.com"))[0].LeadID
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			for _, move := range moves {
				var err error
				if move[0] == "" {
					err = os.MkdirAll(filepath.Join(o.Dir, move[1], "sub"), 0o700)
				} else {
					err = os.Rename(filepath.Join(o.Dir, move[0]), filepath.Join(o.Dir, move[1]))
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			s = open(t, o)
			if _, err := s.Lead(t.Context(), id); err != nil {
				t.Error(err)
			}
			if left, err := filepath.Glob(filepath.Join(o.Dir, "badger.*")); err != nil || len(left) > 0 {
				t.Errorf("left: %v, %v", left, err)
			}
		})
	}
}
