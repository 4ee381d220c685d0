//go:build unix

package server

import "golang.org/x/sys/unix"

// descriptors returns how many files and connections the process may have open. Go has raised the limit as far as the system allows.
func descriptors() uint64 {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 1024 // a common minimum
	}
	return uint64(limit.Cur) //nolint:unconvert // it is signed on FreeBSD
}
