package badger

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/windows"
)

// lockFile is what is locked in a data directory: Windows locks files, not directories.
const lockFile = "leadgate.lock"

// lockDir keeps everybody else out of a data directory until it is released or the process ends. Badger locks its own
// directory too, but that one is replaced by Compact.
func lockDir(dir string) (release func() error, err error) {
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	const all = ^uint32(0)
	err = windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, all, all, &windows.Overlapped{})
	if err != nil {
		if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
			err = errLocked
		}
		return nil, errors.Join(err, f.Close())
	}
	return f.Close, nil // which lets go of the lock
}

// bytesOnDisk is what a file takes; holes count, because Windows does not tell them here.
func bytesOnDisk(info fs.FileInfo) int64 { return info.Size() }

func freeBytes(dir string) (uint64, error) {
	name, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, err
	}
	var free uint64
	if err := windows.GetDiskFreeSpaceEx(name, &free, nil, nil); err != nil {
		return 0, err
	}
	return free, nil
}

// giveTo has nothing to do: what is made in a directory gets its rights.
func giveTo(string, string) {}

// syncDir has nothing to do: Windows flushes no directories (ERROR_ACCESS_DENIED), and NTFS keeps a log of what changes in them.
func syncDir(string) error { return nil }
