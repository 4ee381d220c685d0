package badger

import (
	"fmt"
	"sync/atomic"

	"github.com/leadgate/leadgate/worker/store"
)

// space watches how much room the disk has. Badger writes through mapped memory, so that a full disk kills the process:
//
//	below min    no leads are accepted; what drains the store goes on
//	below floor  nothing is written
//	a ballast    lies in the directory while there is room, and makes some when leadgate has to start without
type space struct {
	dir  string
	min  uint64
	free func(dir string) (uint64, error)
	// ballast says that there is one to be.
	ballast bool
	low     atomic.Pointer[error] // below min
	empty   atomic.Pointer[error] // below floor
}

// floor is what must be free for anything to be written: what a merge takes, which may begin at any time.
func (s *space) floor() uint64 { return s.min / 5 * 4 }

// check looks at the disk, remembers what it saw, and fails with ErrUnavailable if nothing can be written.
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

// last is what check found last: why no leads are accepted, nil if they are.
func (s *space) last() error { return found(&s.low) }

// lastEmpty is what check found last: why nothing is written, nil if it is.
func (s *space) lastEmpty() error { return found(&s.empty) }

func found(err *atomic.Pointer[error]) error {
	if e := err.Load(); e != nil {
		return *e
	}
	return nil
}

// Free returns how many bytes are free on the store's disk, and how many must stay free for it to be writable.
func (s *Store) Free() (free, needed uint64, err error) {
	free, err = s.space.free(s.space.dir)
	return free, s.space.min, err
}
