//go:build unix

package badger_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/store"
	"github.com/leadgate/leadgate/worker/store/badger"
)

// BenchmarkAccept measures one durable lead: a whole disk sync for a single caller, a share of one for many.
func BenchmarkAccept(b *testing.B) {
	for _, callers := range []int{1, 64, 256} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			s := open(b, badger.Options{})
			b.ReportAllocs()
			b.ResetTimer()
			var (
				left atomic.Int64
				all  sync.WaitGroup
			)
			left.Store(int64(b.N))
			before := cpu(b)
			for range callers {
				all.Go(func() {
					for n := left.Add(-1); n >= 0; n = left.Add(-1) {
						a := withEvent(lead(fmt.Sprintf("p%d@example.com", n)))
						a.Key = &store.Key{Scope: "contact", Value: a.Record.GetLeadId(), Expires: a.Record.GetCreateTime().AsTime().AddDate(0, 0, 1)}
						accept(b, s, a)
					}
				})
			}
			all.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "leads/s")
			b.ReportMetric(float64((cpu(b)-before).Nanoseconds())/1000/float64(b.N), "cpu-µs/op")
		})
	}
}

// cpu returns the processor time used by this process in all threads, so including flushes and compactions.
func cpu(b *testing.B) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// BenchmarkDeliver measures a delivery from claim to settle, in calls of a hundred.
func BenchmarkDeliver(b *testing.B) {
	s := open(b, badger.Options{})
	fill(b, s, b.N, func(i int) string { return fmt.Sprintf("p%d@example.com", i) })
	b.ReportAllocs()
	b.ResetTimer()
	for done := 0; done < b.N; {
		done += deliver(b, s, 100)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "deliveries/s")
}

// A delivery from claim to settle must cost the same however many wait behind its person.
func BenchmarkDeliverBehindOnePerson(b *testing.B) {
	for _, waiting := range []int{1_000, 100_000} {
		b.Run(fmt.Sprintf("waiting=%d", waiting), func(b *testing.B) {
			s := open(b, badger.Options{})
			fill(b, s, waiting+b.N, func(int) string { return "ada@example.com" })
			b.ResetTimer()
			for range b.N {
				if got := deliver(b, s, 100); got != 1 {
					b.Fatalf("%d were due", got)
				}
			}
		})
	}
}

func fill(b *testing.B, s store.Store, n int, email func(i int) string) {
	b.Helper()
	const step = 1000
	for start := 0; start < n; start += step {
		var acceptances []*store.Acceptance
		for i := start; i < min(n, start+step); i++ {
			acceptances = append(acceptances, lead(email(i)))
		}
		accept(b, s, acceptances...)
	}
}

// deliver claims up to limit due deliveries, delivers them, and returns how many there were.
func deliver(b *testing.B, s store.Store, limit int) int {
	b.Helper()
	claims, err := s.Claim(b.Context(), "crm", limit)
	if err != nil {
		b.Fatal(err)
	}
	steps := make([]*store.Step, len(claims.Items))
	for i, claim := range claims.Items {
		steps[i] = begun(claim)
	}
	for _, move := range []func(context.Context, ...*store.Step) ([]store.Stepped, error){s.Begin, s.Settle} {
		results, err := move(b.Context(), steps...)
		if err != nil {
			b.Fatal(err)
		}
		for i, result := range results {
			if result.Err != nil {
				b.Fatal(result.Err)
			}
			steps[i].Delivery.State = leadgatev1.DeliveryState_DELIVERY_STATE_DELIVERED
		}
	}
	return len(steps)
}
