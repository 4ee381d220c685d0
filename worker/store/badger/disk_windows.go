package badger

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/windows"
)

// lockFile is the file that is locked in a data directory: Windows cannot lock directories.
const lockFile = "leadgate.lock"

// lockDir locks a data directory against other processes until release, or the end of the process. Badger locks its own directory
// too, but Compact replaces that one.
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
	return f.Close, nil // closing releases the lock
}

// bytesOnDisk returns the size of a file, including holes, because Windows does not report them here.
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

// giveTo does nothing: files inherit the rights of their directory.
func giveTo(string, string) {}

// syncDir does nothing: Windows cannot flush directories (ERROR_ACCESS_DENIED), and NTFS journals changes to them.
func syncDir(string) error { return nil }
