package badger_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/leadgate/leadgate/worker/store"
	"github.com/leadgate/leadgate/worker/store/badger"
)

func TestALowDiskRefusesWritesUntilThereIsRoomAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		var free atomic.Uint64
		free.Store(1 << 30)
		s := open(t, badger.Options{
			Dir: dir, MinFree: 500 << 20, SweepInterval: time.Hour,
			Free: func(string) (uint64, error) { return free.Load(), nil },
		})
		first := lead("ada@example.com")
		accept(t, s, first)

		free.Store(400 << 20)
		refused := lead("bob@example.com")
		for range 2 { // the first finds out, the second knows
			if _, err := s.Accept(t.Context(), refused); !errors.Is(err, store.ErrUnavailable) {
				t.Fatalf("with a low disk: %v", err)
			}
			if err := s.Writable(); !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("writable: %v", err)
			}
		}
		if _, err := s.Lead(t.Context(), first.Record.GetLeadId()); err != nil {
			t.Errorf("reading: %v", err)
		}
		if _, err := s.Lead(t.Context(), refused.Record.GetLeadId()); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("what was refused: %v", err)
		}

		free.Store(1 << 30)
		time.Sleep(time.Second) // of the bubble's clock
		synctest.Wait()
		accept(t, s, refused)
	})
}

func TestADiskThatRunsLowIsNoticedWithoutAnyWrite(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		var fault atomic.Bool
		s := open(t, badger.Options{Dir: dir, SweepInterval: time.Hour, Free: func(string) (uint64, error) {
			if fault.Load() {
				return 0, errors.New("input/output error")
			}
			return 1 << 40, nil
		}})
		fault.Store(true)
		if err := s.Writable(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if err := s.Writable(); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("writable: %v", err)
		}
	})
}
