//go:build unix

package server

import "golang.org/x/sys/unix"

// descriptors is how many files and connections the process may have open. Go has raised it as far as the system lets it.
func descriptors() uint64 {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 1024 // the least that is usual
	}
	return uint64(limit.Cur) //nolint:unconvert // it is signed on FreeBSD
}
