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
	// Between two readings of all tables.
	verifyInterval = 24 * time.Hour
	// To the next, if one could not be read.
	verifyAgain = time.Hour
	// Between two tables, so many times as long as reading one took.
	verifyRest = 4
)

// damaged is what is wrong with a table.
type damaged struct{ path, what, dir string }

func (d damaged) Error() string {
	return fmt.Sprintf("%s is damaged: %s; stop leadgate, and see leadgate doctor --data-dir %s", d.path, d.what, d.dir)
}

// verifier reads every table, at start and once a day, until the store is closed. Badger notices a flipped bit only when it
// comes upon it, and may drop what stands behind it when it compacts: so that nothing is lost unseen, nothing is written any
// more once a table is found damaged. That a table cannot be read at the moment, because too many files are open, is no damage.
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

// stop has nothing written any more, because a table is damaged.
func (s *Store) stop(damage error) {
	damage = fmt.Errorf("%w: %w: %w", store.ErrUnavailable, store.ErrDamaged, damage)
	s.failed.CompareAndSwap(nil, &damage)
	if s.log != nil {
		s.log.Error("store: " + damage.Error())
	}
}

// holds reports whether a table is one of those that make up the database. A file that is not is being written still, by a
// flush or a compaction that adds it when it is whole, or was compacted away and is kept while somebody reads it.
func (s *Store) holds(id uint64) bool {
	return slices.ContainsFunc(s.db.Tables(), func(t badgerdb.TableInfo) bool { return t.ID == id })
}

// rest waits; false if the store is closed meanwhile.
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

// verify reads tables, until rest, which it calls between them, says that it is enough. The error is damaged, or why the first of
// those that could not be read was not.
func (s *Store) verify(tables []badgerdb.TableInfo, rest func(time.Duration) bool) (unread error) {
	dir := filepath.Join(s.dir, databaseDir)
	listed, _ := checkManifest(s.options, dir) // after the tables were asked for, so that it has the key of each
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

// damageOf says what is wrong with a table, if it is found twice: on disk it stays so, in memory it does not.
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
