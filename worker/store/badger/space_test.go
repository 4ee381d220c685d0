package badger_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
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

// A full disk kills a process that writes through mapped memory.
func TestRestoreAndSalvageEndBeforeTheDiskIsFullAndLeaveNothing(t *testing.T) {
	t.Parallel()
	o := badger.Options{Dir: t.TempDir()}
	s := open(t, o)
	for i := range 40 {
		a := lead(fmt.Sprintf("p%d@example.com", i))
		a.Record.Lead.Message = strings.Repeat("m", 200<<10)
		accept(t, s, a)
	}
	content, _ := backup(t, s, "")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for when, looks := range map[string]int32{"at once": 0, "on the way": 1} {
		var looked atomic.Int32
		low := func(string) (uint64, error) {
			if looked.Add(1) > looks {
				return 100 << 20, nil
			}
			return 1 << 40, nil
		}
		to := badger.Options{Dir: filepath.Join(t.TempDir(), "new"), Free: low}
		if _, err := restore(t, to, "", content); err == nil || !strings.Contains(err.Error(), "100 MiB left") {
			t.Errorf("restored, low %s: %v", when, err)
		}
		looked.Store(0)
		if _, _, err := badger.Salvage(t.Context(), o, to); err == nil || !strings.Contains(err.Error(), "100 MiB left") {
			t.Errorf("saved, low %s: %v", when, err)
		}
		if _, err := os.Stat(to.Dir); !os.IsNotExist(err) {
			t.Errorf("low %s, it leaves something: %v", when, err)
		}
	}
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

func TestOnALowDiskWhatWaitsGoesOutAndKeysAnswer(t *testing.T) {
	t.Parallel()
	var free atomic.Uint64
	free.Store(1 << 30)
	s := open(t, badger.Options{MinFree: 400 << 20, SweepInterval: time.Hour, Free: func(string) (uint64, error) { return free.Load(), nil }})
	first := keyed(lead("ada@example.com"), "k")
	accept(t, s, first)
	free.Store(350 << 20)
	if _, err := s.Accept(t.Context(), lead("bob@example.com")); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("a new lead: %v", err)
	}
	if results, err := s.Accept(t.Context(), keyed(lead("ada@example.com"), "k")); err != nil || !results[0].Replayed || results[0].LeadID != first.Record.GetLeadId() {
		t.Errorf("a known key: %+v, %v", results, err)
	}
	end(t, s, "crm", 10, leadgatev1.DeliveryState_DELIVERY_STATE_DELIVERED)
	free.Store(100 << 20)
	if err := s.State("x").Put(t.Context(), "k", nil, time.Time{}); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("with nearly nothing left: %v", err)
	}
}

func TestTheBallastMakesRoomToStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ballast := filepath.Join(dir, "ballast")
	var used atomic.Uint64 // by others
	o := badger.Options{Dir: dir, MinFree: 64 << 20, Ballast: true, SweepInterval: time.Hour, Free: func(string) (uint64, error) {
		size := uint64(100 << 20)
		if info, err := os.Stat(ballast); err == nil {
			size -= uint64(info.Size())
		}
		return size - min(size, used.Load()), nil
	}}
	s := open(t, o)
	id := accept(t, s, lead("ada@example.com"))[0].LeadID
	claims, err := s.Claim(t.Context(), "crm", 1)
	if err != nil || len(claims.Items) != 1 {
		t.Fatal(claims, err)
	}
	if begun, err := s.Begin(t.Context(), begun(claims.Items[0])); err != nil || begun[0].Err != nil {
		t.Fatal(begun, err)
	}
	if info, err := os.Stat(ballast); err != nil || info.Size() != 16<<20 {
		t.Fatalf("the ballast is %v, %v", info, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	used.Store(83 << 20) // of the 84 MiB that the ballast leaves
	s = open(t, o)
	if d, err := s.Delivery(t.Context(), id+".crm"); err != nil || d.GetState() != leadgatev1.DeliveryState_DELIVERY_STATE_RETRY_WAIT {
		t.Errorf("what was in flight: %v, %v", d, err)
	}
	if err := s.Writable(); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("writable: %v", err)
	}
	if _, err := os.Stat(ballast); err == nil {
		t.Error("the ballast is still there")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	used.Store(90 << 20)
	expectRefused(t, o, dir, "10 MiB left", "16 MiB", "64 MiB must be free", "free some space")
	used.Store(0)
	s = open(t, o)
	if _, err := os.Stat(ballast); err != nil {
		t.Error("the ballast is not there again")
	}
	accept(t, s, lead("bob@example.com"))
}
