package badger

import (
	"os"

	"golang.org/x/sys/unix"
)

// reserve allocates disk space for a file.
func reserve(f *os.File, size int64) error { return unix.Fallocate(int(f.Fd()), 0, 0, size) }
