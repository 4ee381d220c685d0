package badger

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

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

// dropped reports whether a table is not there any more, because it was compacted meanwhile. Badger cuts it off before it
// removes it.
func dropped(path string) bool {
	info, err := os.Stat(path)
	return errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0
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
	tables, err := filepath.Glob(filepath.Join(s.dir, databaseDir, "*.sst"))
	if err != nil {
		return err
	}
	keys, err := newDecryption(s.options, filepath.Join(s.dir, databaseDir))
	if err != nil {
		return err
	}
	defer keys.close()
	for _, path := range tables {
		began := time.Now()
		damage, err := walkTable(path, keys, func([]byte, uint64, []byte, byte) error { return nil })
		if err != nil {
			return err
		}
		if damage != "" && !dropped(path) {
			return fmt.Errorf("%s is damaged: %s; stop leadgate, and see leadgate doctor --data-dir %s", path, damage, s.dir)
		}
		if !s.rest(verifyRest * time.Since(began)) {
			return nil
		}
	}
	return nil
}
