package badger

import (
	"fmt"
	"io/fs"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/leadgate/leadgate/worker/store"
)

// space watches how much room the disk has.
type space struct {
	dir  string
	min  uint64
	free func(dir string) (uint64, error)
	low  atomic.Pointer[error]
}

// check looks at the disk and remembers what it saw. Below the minimum it fails with ErrUnavailable.
func (s *space) check() error {
	free, err := s.free(s.dir)
	if err == nil && free >= s.min {
		s.low.Store(nil)
		return nil
	}
	if err != nil {
		err = fmt.Errorf("%w: free space cannot be told: %w", store.ErrUnavailable, err)
	} else {
		err = fmt.Errorf("%w: the disk has %d MiB left, and %d MiB must stay free", store.ErrUnavailable, free>>20, s.min>>20)
	}
	s.low.Store(&err)
	return err
}

// last is what check found last.
func (s *space) last() error {
	if low := s.low.Load(); low != nil {
		return *low
	}
	return nil
}

// Free returns how many bytes are free on the store's disk, and how many must stay free for it to be writable.
func (s *Store) Free() (free, needed uint64, err error) {
	free, err = s.space.free(s.space.dir)
	return free, s.space.min, err
}

// bytesOnDisk is what a file takes, holes not counted.
func bytesOnDisk(info fs.FileInfo) int64 {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return stat.Blocks * 512 // whatever the file system's own blocks are: stat(2)
	}
	return info.Size()
}

func freeBytes(dir string) (uint64, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return 0, err
	}
	return fs.Bavail * uint64(fs.Bsize), nil
}
