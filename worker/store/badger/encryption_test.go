package badger_test

import (
	"context"
	"strings"
	"testing"

	"github.com/leadgate/leadgate/worker/store/badger"
)

func key(t *testing.T, secret string) []byte {
	t.Helper()
	k, err := badger.EncryptionKey(strings.Repeat(secret, 32))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// run opens a store, calls do, and closes it.
func run(t *testing.T, o badger.Options, do func(s *badger.Store)) {
	t.Helper()
	s, err := badger.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	do(s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestAnEncryptedStoreIsReadWithItsKeyAlone(t *testing.T) {
	t.Parallel()
	const word = "lovelace"
	o := badger.Options{Dir: t.TempDir(), Uncompressed: true, EncryptionKey: key(t, "a")}
	var id string
	run(t, o, func(s *badger.Store) { id = accept(t, s, lead(word+"@example.com"))[0].LeadID })
	if files := filesWith(t, o.Dir, word); len(files) > 0 {
		t.Errorf("it stands in %v", files)
	}
	for what, other := range map[string]badger.Options{
		"without a key":    {Dir: o.Dir, Uncompressed: true},
		"with another key": {Dir: o.Dir, Uncompressed: true, EncryptionKey: key(t, "b")},
		"with others":      {Dir: o.Dir, Uncompressed: true, EncryptionKey: key(t, "b"), PreviousKey: key(t, "c")},
	} {
		t.Log(what)
		expectRefused(t, other, o.Dir, "store.encryption_key", "previous_encryption_key")
		if found, err := badger.Examine(other); err == nil || !strings.Contains(err.Error(), "store.encryption_key") { // the wrong key is not reported as damage
			t.Errorf("examined %s: %+v, %v", what, found, err)
		}
	}
	if found, err := badger.Examine(badger.Options{Dir: o.Dir, EncryptionKey: key(t, "b"), PreviousKey: key(t, "a")}); err != nil || len(found.Damages) > 0 || found.Tables == 0 {
		t.Errorf("examined before it is rotated: %+v, %v", found, err)
	}
	// Rotation: first with both keys, then with only the new one.
	rotated := badger.Options{Dir: o.Dir, Uncompressed: true, EncryptionKey: key(t, "b"), PreviousKey: key(t, "a")}
	for range 2 {
		run(t, rotated, func(s *badger.Store) {
			if _, err := s.Lead(t.Context(), id); err != nil {
				t.Error(err)
			}
			accept(t, s, lead("grace@example.com"))
		})
		rotated.PreviousKey = nil
	}
	expectRefused(t, o, o.Dir, "store.encryption_key")
	if found, err := badger.Examine(rotated); err != nil || len(found.Damages) > 0 || found.Tables == 0 {
		t.Errorf("examined: %+v, %v", found, err)
	}
	saved := badger.Options{Dir: t.TempDir()}
	if _, result, err := badger.Salvage(context.Background(), rotated, saved); err != nil || result.Leads != 3 {
		t.Errorf("salvaged: %+v, %v", result, err)
	}
}

func TestCompactEncryptsWhatWasNotAndTheOtherWayRound(t *testing.T) {
	t.Parallel()
	const word = "lovelace"
	plain := badger.Options{Dir: t.TempDir(), Uncompressed: true}
	encrypted := plain
	encrypted.EncryptionKey = key(t, "a")
	var id string
	run(t, plain, func(s *badger.Store) { id = accept(t, s, lead(word+"@example.com"))[0].LeadID })
	expectRefused(t, encrypted, "leadgate compact")
	if found, err := badger.Examine(encrypted); err != nil || len(found.Damages) > 0 || found.Tables == 0 {
		t.Errorf("examined before it is encrypted: %+v, %v", found, err)
	}
	if _, err := badger.Compact(encrypted, nil); err != nil {
		t.Fatal(err)
	}
	if files := filesWith(t, plain.Dir, word); len(files) > 0 {
		t.Errorf("it stands in %v", files)
	}
	run(t, encrypted, func(s *badger.Store) {
		if _, err := s.Lead(t.Context(), id); err != nil {
			t.Error(err)
		}
	})
	back := plain
	back.PreviousKey = encrypted.EncryptionKey
	if _, err := badger.Compact(back, nil); err != nil {
		t.Fatal(err)
	}
	run(t, plain, func(s *badger.Store) {
		if _, err := s.Lead(t.Context(), id); err != nil {
			t.Error(err)
		}
	})
	if _, err := badger.EncryptionKey("short"); err == nil || !strings.Contains(err.Error(), "openssl rand") {
		t.Errorf("a short secret: %v", err)
	}
}
