//go:build unix

package badger_test

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"

	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/store"
	"github.com/leadgate/leadgate/worker/store/badger"
)

// TestSoakADeliveryCostsTheSameHoweverManyWait measures the cost of claiming, beginning and settling a delivery, durably, while a
// thousand wait and while a million do, and the memory that the million take.
func TestSoakADeliveryCostsTheSameHoweverManyWait(t *testing.T) {
	soaking(t)
	const batch, warm, rounds = 100, 100, 500
	lots := queue(t, many)
	runtime.GC()
	debug.FreeOSMemory()
	opened := resident(t)
	lots.turn(batch, warm)
	debug.FreeOSMemory()
	memory := resident(t)
	few := queue(t, 1000)
	few.turn(batch, warm)
	var cost, work [2][]time.Duration
	for range rounds { // alternating, so that other load on the machine affects both
		for i, q := range []*waiting{few, lots} {
			began := time.Now()
			work[i] = append(work[i], q.settle(batch)/batch)
			cost[i] = append(cost[i], time.Since(began)/batch)
			q.accept(batch) // so that the number of waiting deliveries stays the same
		}
	}
	t.Logf("a delivery costs %v while 1,000 wait and %v while %d do (median), %v and %v of computing; %d MiB of memory, %d MiB after opening",
		median(cost[0]), median(cost[1]), many, median(work[0]), median(work[1]), memory>>20, opened>>20)
	for what, of := range map[string][2][]time.Duration{"costs": cost, "computes": work} {
		if ratio := float64(median(of[1])) / float64(median(of[0])); ratio > 1.2 {
			t.Errorf("a delivery %s %.2f times as much, want 1.2 at most", what, ratio)
		}
	}
	if memory > 300_000_000 {
		t.Errorf("%d MiB of memory, want 300 MB", memory>>20)
	}
}

// turn settles and accepts a number of batches.
func (q *waiting) turn(batch, rounds int) {
	q.t.Helper()
	for range rounds {
		q.settle(batch)
		q.accept(batch)
	}
}

func median(times []time.Duration) time.Duration {
	return slices.Sorted(slices.Values(times))[len(times)/2]
}

// waiting is a store with waiting deliveries, each of another person.
type waiting struct {
	t    *testing.T
	s    store.Store
	made int
}

func queue(t *testing.T, n int) *waiting {
	t.Helper()
	o := badger.Options{Dir: t.TempDir()}
	q := &waiting{t: t, s: open(t, o)}
	began := time.Now()
	for q.made < n {
		q.accept(min(500, n-q.made))
	}
	t.Logf("%d accepted in %v", n, time.Since(began).Round(time.Second))
	if err := q.s.Close(); err != nil {
		t.Fatal(err)
	}
	q.s = open(t, o)
	return q
}

func (q *waiting) accept(n int) {
	q.t.Helper()
	var acceptances []*store.Acceptance
	for range n {
		acceptances = append(acceptances, withEvent(lead(fmt.Sprintf("p%d@example.com", q.made))))
		q.made++
	}
	accept(q.t, q.s, acceptances...)
}

// settle claims and delivers n deliveries and returns the processor time used.
func (q *waiting) settle(n int) time.Duration {
	t, s := q.t, q.s
	t.Helper()
	began := spent()
	claims, err := s.Claim(t.Context(), "crm", n)
	if err != nil || len(claims.Items) != n {
		t.Fatal(len(claims.Items), err)
	}
	steps := make([]*store.Step, n)
	for i, claim := range claims.Items {
		steps[i] = begun(claim)
	}
	for _, move := range []func(context.Context, ...*store.Step) ([]store.Stepped, error){s.Begin, s.Settle} {
		if results, err := move(t.Context(), steps...); err != nil || results[0].Err != nil {
			t.Fatal(results, err)
		}
		for _, step := range steps {
			step.Delivery.State = leadgatev1.DeliveryState_DELIVERY_STATE_DELIVERED
		}
	}
	return spent() - began
}

// spent returns the processor time that the process has used.
func spent() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// resident returns the resident memory of the process in bytes.
func resident(t *testing.T) int64 {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if name, value, _ := strings.Cut(line, ":"); name == "VmRSS" {
			kib, err := strconv.ParseInt(strings.Fields(value)[0], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kib << 10
		}
	}
	t.Fatal("there is no VmRSS")
	return 0
}
