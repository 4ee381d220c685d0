package badger

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// ballastFile occupies space that leadgate can give up to start on a full disk.
const ballastFile = "ballast"

// ballastSize returns a quarter of the required free space: 125 MiB by default, enough for Badger to open and to write the
// outcome of deliveries that were in flight.
func (s *space) ballastSize() int64 { return int64(s.min / 4) }

// loadBallast creates the ballast if there is room for it. It is optional, so errors are ignored.
func (s *space) loadBallast() {
	if !s.ballast {
		return
	}
	path := filepath.Join(s.dir, ballastFile)
	if info, err := os.Stat(path); err == nil && info.Size() >= s.ballastSize() {
		return
	}
	if free, err := s.free(s.dir); err != nil || free < s.min+2*uint64(s.ballastSize()) {
		return
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return
	}
	if err := errors.Join(reserve(f, s.ballastSize()), f.Close()); err != nil {
		_ = os.Remove(path)
	}
}

// makeRoom is called before the database is opened. If there is too little space, it removes the ballast, and fails if that is
// not enough to open.
func (s *space) makeRoom() error {
	free, err := s.free(s.dir)
	if err != nil {
		return fmt.Errorf("free space cannot be told: %w", err)
	}
	if free >= s.floor() {
		return nil
	}
	if err := os.Remove(filepath.Join(s.dir, ballastFile)); err == nil {
		if free, err = s.free(s.dir); err != nil {
			return fmt.Errorf("free space cannot be told: %w", err)
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if need := uint64(s.ballastSize()); free < need {
		return fmt.Errorf("the disk has %d MiB left, too little to open it, which takes %d MiB; to accept leads %d MiB must be free", free>>20, need>>20, s.min>>20)
	}
	return nil
}
