package observe_test

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"google.golang.org/protobuf/types/known/timestamppb"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/server/observe"
	"github.com/leadgate/leadgate/worker/journal"
)

// The cost of one event: its line and its count. An accepted lead has three.
func BenchmarkEvent(b *testing.B) {
	b.Run("discarded", func(b *testing.B) { benchmarkEvent(b, io.Discard) })
	b.Run("to a file", func(b *testing.B) {
		file, err := os.Create(filepath.Join(b.TempDir(), "log"))
		if err != nil {
			b.Fatal(err)
		}
		defer file.Close()
		benchmarkEvent(b, file)
	})
}

func benchmarkEvent(b *testing.B, out io.Writer) {
	j := journal.New(journal.Options{Now: noon})
	defer j.Close()
	output := observe.NewOutput(out)
	observer, err := observe.New(observe.Options{Journal: j, Store: figures{}, Logger: observe.NewLogger(output, "json", ""), Output: output})
	if err != nil {
		b.Fatal(err)
	}
	event := lead(&leadgatev1.LeadEvent{
		Stage: leadgatev1.Stage_STAGE_QUEUED, LeadId: "0193a3f2-7d1c-7c5a-9f6e-0d4b7c2a1e55", Form: "contact", Destination: "crm",
		DeliveryId: "0193a3f2-7d1c-7c5a-9f6e-0d4b7c2a1e55.crm", IdempotencyKey: "5f0c54a2-4d44-4c79-9c43-6b3a3a5d4d5e",
		Person: "a***@example.com", RequestId: "c0ffee00c0ffee00",
	})
	event.Time = timestamppb.New(noon())
	b.ReportAllocs()
	for b.Loop() {
		j.Publish(event)
	}
	observer.Close() // everything is written, within the measured time
}
