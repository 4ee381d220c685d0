package journal_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/journal"
)

// What publishing costs must not depend on how many watch.
func BenchmarkPublish(b *testing.B) {
	for _, subscribers := range []int{0, 1, 1000} {
		b.Run(fmt.Sprintf("subscribers=%d", subscribers), func(b *testing.B) {
			j := journal.New(journal.Options{Now: time.Now})
			defer j.Close()
			j.Load("shop", nil)
			ctx, cancel := context.WithCancel(b.Context())
			var all sync.WaitGroup
			for range subscribers {
				s := subscribe(b, j, journal.SubscribeOptions{Filter: func(*leadgatev1.Event) bool { return false }})
				all.Go(func() { _, _ = s.Next(ctx) })
			}
			event := stored(1, leadgatev1.Stage_STAGE_QUEUED)
			b.ReportAllocs()
			for b.Loop() {
				j.Committed([]*leadgatev1.Event{event})
			}
			cancel()
			all.Wait()
		})
	}
}
