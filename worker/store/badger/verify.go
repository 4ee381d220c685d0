package badger

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	badgerdb "github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/table"

	"github.com/leadgate/leadgate/worker/store"
)

const (
	// The time between two checks of all tables.
	verifyInterval = 24 * time.Hour
	// The time to the next check if a table could not be read.
	verifyAgain = time.Hour
	// The pause between two tables, as a multiple of the time that reading one took.
	verifyRest = 4
)

// damaged is the error for a damaged table.
type damaged struct{ path, what, dir string }

func (d damaged) Error() string {
	return fmt.Sprintf("%s is damaged: %s; stop leadgate, and see leadgate doctor --data-dir %s", d.path, d.what, d.dir)
}

// verifier reads every table at the start and then daily, until the store is closed. Badger notices a flipped bit only when it
// reads it, and compaction may drop what follows it. So that no loss goes unnoticed, a damaged table stops all writes. That a
// table cannot be read at the moment, for example because too many files are open, does not count as damage.
func (s *Store) verifier() {
	for again := verifyInterval; ; again = verifyInterval {
		err := s.verify(s.db.Tables(), s.rest)
		if errors.As(err, &damaged{}) {
			s.stop(err)
			return
		}
		if err != nil {
			again = verifyAgain
			if s.log != nil {
				s.log.Warn("store: not all tables could be checked, and will be in an hour: " + err.Error())
			}
		}
		if !s.rest(again) {
			return
		}
	}
}

// stop ends all writes, because a table is damaged.
func (s *Store) stop(damage error) {
	damage = fmt.Errorf("%w: %w: %w", store.ErrUnavailable, store.ErrDamaged, damage)
	s.failed.CompareAndSwap(nil, &damage)
	if s.log != nil {
		s.log.Error("store: " + damage.Error())
	}
}

// holds reports whether a table belongs to the database. Other files are still being written by a flush or a compaction, which
// adds them when complete, or were compacted away and are kept while somebody reads them.
func (s *Store) holds(id uint64) bool {
	return slices.ContainsFunc(s.db.Tables(), func(t badgerdb.TableInfo) bool { return t.ID == id })
}

// rest waits. It returns false if the store is closed meanwhile.
func (s *Store) rest(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-s.closing:
		return false
	case <-timer.C:
		return true
	}
}

// verify reads tables, calling rest between them, until rest returns false. The error is a damaged, or the first failure to read
// a table.
func (s *Store) verify(tables []badgerdb.TableInfo, rest func(time.Duration) bool) (unread error) {
	dir := filepath.Join(s.dir, databaseDir)
	listed, _ := checkManifest(s.options, dir) // after the tables, so that it has the key of each
	keys, err := newDecryption(s.options, dir, listed)
	if err != nil {
		return err
	}
	defer keys.close()
	for _, t := range tables {
		began, path := time.Now(), table.NewFilename(t.ID, dir)
		what, err := s.damageOf(path, t.ID, keys)
		if what != "" {
			return damaged{path, what, s.dir}
		}
		if unread == nil {
			unread = err
		}
		if !rest(verifyRest * time.Since(began)) {
			break
		}
	}
	return unread
}

// damageOf returns what is wrong with a table, if it finds it twice: errors on disk persist, errors in memory do not.
func (s *Store) damageOf(path string, id uint64, keys decryption) (damage string, err error) {
	for range 2 {
		content, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) && !s.holds(id) {
			return "", nil // compacted away
		}
		if err != nil {
			return "", err
		}
		damage, err = walkTable(path, content, keys, func([]byte, uint64, []byte, byte) error { return nil })
		if err != nil || damage == "" || !s.holds(id) {
			return "", err
		}
	}
	return damage, nil
}
