package badger

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// errLocked says that another process, or another store of this one, has the data directory.
var errLocked = errors.New("locked")

// lockDir keeps everybody else out of a data directory until it is released or the process ends. Badger locks its own
// directory too, but that one is replaced by Compact.
func lockDir(dir string) (release func() error, err error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(d.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = errLocked
		}
		return nil, errors.Join(err, d.Close())
	}
	return d.Close, nil // which lets go of the lock
}
