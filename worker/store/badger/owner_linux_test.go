package badger_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/leadgate/leadgate/worker/store/badger"
)

// The gateway runs as its own user; whoever repairs something is often root.
func TestWhatRootRestoresAndCompactsBelongsToTheOwnerOfTheDirectory(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root gives files away")
	}
	const nobody = 65534
	o := badger.Options{Dir: t.TempDir()}
	s := open(t, o)
	id := accept(t, s, lead("ada@example.com"))[0].LeadID
	content, _ := backup(t, s, "")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	restored, saved := badger.Options{Dir: t.TempDir()}, badger.Options{Dir: t.TempDir()}
	for _, dir := range []string{o.Dir, restored.Dir, saved.Dir} {
		if err := os.Chown(dir, nobody, nobody); err != nil {
			t.Skip(err)
		}
	}
	if _, err := badger.Compact(o, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := restore(t, restored, id, content); err != nil {
		t.Fatal(err)
	}
	if _, _, err := badger.Salvage(t.Context(), o, saved); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{o.Dir, restored.Dir, saved.Dir} {
		if err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := entry.Info()
			if err == nil && info.Sys().(*syscall.Stat_t).Uid != nobody {
				t.Errorf("%s is of another", path)
			}
			return err
		}); err != nil {
			t.Error(err)
		}
	}
}
