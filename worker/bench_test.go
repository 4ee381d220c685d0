package worker_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/timestamppb"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker"
	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/journal"
	"github.com/leadgate/leadgate/worker/store"
	"github.com/leadgate/leadgate/worker/store/badger"
)

// How many deliveries per second a lane makes to a CRM that answers at once.
func BenchmarkLane(b *testing.B) {
	for _, batch := range []int{1, 10, 100} {
		for _, concurrency := range []int32{4, 32} {
			b.Run(fmt.Sprintf("batch=%d/concurrency=%d", batch, concurrency), func(b *testing.B) { benchmarkLane(b, batch, concurrency) })
		}
	}
}

func benchmarkLane(b *testing.B, batch int, concurrency int32) {
	j := journal.New(journal.Options{Now: time.Now})
	defer j.Close()
	s, err := badger.Open(badger.Options{Dir: b.TempDir(), Publish: j.Committed})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	j.Load(s.ID(), nil)
	fake := &fakeCRM{traits: crm.Traits{Kind: "fake", MaxBatch: batch}}
	w, err := worker.New(worker.Options{
		Store: s, Journal: j, Transport: emptyAnswers{},
		Open: func(_ *configv1.Destination, env crm.Environment) (crm.Destination, error) {
			return &fakeConnection{fake, env.Client, env}, nil
		},
	})
	if err != nil {
		b.Fatal(err)
	}
	var acceptances []*store.Acceptance
	for i := range b.N {
		acceptances = append(acceptances, &store.Acceptance{
			Record: &leadgatev1.LeadRecord{
				LeadId: uuid.Must(uuid.NewV7()).String(), State: leadgatev1.LeadState_LEAD_STATE_OPEN, CreateTime: timestamppb.Now(),
				Lead: &leadgatev1.Lead{Email: fmt.Sprintf("p%d@example.com", i), FirstName: "Ada"},
			},
			Destinations: []string{"crm"},
		})
	}
	if _, err := s.Accept(b.Context(), acceptances...); err != nil {
		b.Fatal(err)
	}
	successes := 0
	finished := make(chan struct{})
	defer j.Tap(func(events []*leadgatev1.Event) {
		for _, event := range events {
			if event.GetLead().GetStage() == leadgatev1.Stage_STAGE_SUCCESS {
				if successes++; successes == b.N {
					close(finished)
				}
			}
		}
	})()
	if err := w.Apply(workerConfig("r1", func(cfg *configv1.Destination) { cfg.Limits.Concurrency = concurrency })); err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	w.Start()
	<-finished
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "deliveries/s")
	if err := w.Stop(context.Background()); err != nil {
		b.Fatal(err)
	}
}
