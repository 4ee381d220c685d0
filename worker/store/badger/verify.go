package badger

import (
	"fmt"
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
	// Between two tables, so many times as long as reading one took.
	verifyRest = 4
)

// verifier reads every table, at start and once a day, until the store is closed. Badger notices a flipped bit only when it
// comes upon it, and may drop what stands behind it when it compacts: so that nothing is lost unseen, nothing is written any
// more once a table is found damaged.
func (s *Store) verifier() {
	for {
		if err := s.verify(); err != nil {
			err = fmt.Errorf("%w: %w", store.ErrUnavailable, err)
			s.failed.CompareAndSwap(nil, &err)
			if s.log != nil {
				s.log.Error("store: " + err.Error())
			}
			return
		}
		if !s.rest(verifyInterval) {
			return
		}
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

func (s *Store) verify() error {
	dir := filepath.Join(s.dir, databaseDir)
	tables := s.db.Tables()
	listed, _ := checkManifest(s.options, dir) // after that, so that it has the key of each
	keys, err := newDecryption(s.options, dir, listed)
	if err != nil {
		return err
	}
	defer keys.close()
	for _, t := range tables {
		began, path := time.Now(), table.NewFilename(t.ID, dir)
		damage, err := walkTable(path, keys, func([]byte, uint64, []byte, byte) error { return nil })
		if err != nil {
			return err
		}
		if damage != "" && s.holds(t.ID) {
			return fmt.Errorf("%s is damaged: %s; stop leadgate, and see leadgate doctor --data-dir %s", path, damage, s.dir)
		}
		if !s.rest(verifyRest * time.Since(began)) {
			return nil
		}
	}
	return nil
}
