package badger

import (
	"os"

	"golang.org/x/sys/unix"
)

// reserve makes a file take that much space.
func reserve(f *os.File, size int64) error { return unix.Fallocate(int(f.Fd()), 0, 0, size) }
