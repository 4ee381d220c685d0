package badger

import (
	"fmt"
	"sync/atomic"

	"github.com/leadgate/leadgate/worker/store"
)

// space monitors the free space on the disk. Badger writes through mapped memory, so that a full disk kills the process:
//
//	below min    no leads are accepted; deliveries continue
//	below floor  nothing is written
//	ballast      a file, kept while there is room, that is removed if leadgate has to start without
type space struct {
	dir  string
	min  uint64
	free func(dir string) (uint64, error)
	// ballast enables the ballast.
	ballast bool
	low     atomic.Pointer[error] // below min
	empty   atomic.Pointer[error] // below floor
}

// floor returns how much must be free for any write: the space for a merge, which may begin at any time.
func (s *space) floor() uint64 { return s.min / 5 * 4 }

// check looks at the disk and records the result. It returns ErrUnavailable if nothing can be written.
func (s *space) check() error {
	free, err := s.free(s.dir)
	switch {
	case err != nil:
		err = fmt.Errorf("%w: free space cannot be told: %w", store.ErrUnavailable, err)
	case free < s.min:
		err = fmt.Errorf("%w: the disk has %d MiB left, and %d MiB must stay free", store.ErrUnavailable, free>>20, s.min>>20)
	default:
		s.low.Store(nil)
		s.empty.Store(nil)
		return nil
	}
	s.low.Store(&err)
	if free >= s.floor() {
		s.empty.Store(nil)
		return nil
	}
	s.empty.Store(&err)
	return err
}

// last returns why no leads are accepted, according to the last check; nil if they are.
func (s *space) last() error { return found(&s.low) }

// lastEmpty returns why nothing is written, according to the last check; nil if writes are possible.
func (s *space) lastEmpty() error { return found(&s.empty) }

func found(err *atomic.Pointer[error]) error {
	if e := err.Load(); e != nil {
		return *e
	}
	return nil
}

// Free returns how many bytes are free on the store's disk, and how many are needed for it to be writable.
func (s *Store) Free() (free, needed uint64, err error) {
	free, err = s.space.free(s.space.dir)
	return free, s.space.min, err
}
