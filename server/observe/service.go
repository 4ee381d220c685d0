package observe

import (
	"context"

	"google.golang.org/grpc"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker"
)

// service extends the worker's service with what the observer knows.
type service struct {
	leadgatev1.WorkerServiceServer
	observer *Observer
}

// Service adds GetStats to the worker's service, and counts its watchers.
func (o *Observer) Service(worker leadgatev1.WorkerServiceServer) leadgatev1.WorkerServiceServer {
	return &service{WorkerServiceServer: worker, observer: o}
}

// GetStats implements WorkerServiceServer.
func (s *service) GetStats(ctx context.Context, _ *leadgatev1.GetStatsRequest) (*leadgatev1.GetStatsResponse, error) {
	counts, err := s.observer.store.Counts(ctx)
	if err != nil {
		return nil, worker.StatusOf(err, "statistic")
	}
	return s.observer.stats.message(counts), nil
}

// WatchDeliveries implements WorkerServiceServer.
func (s *service) WatchDeliveries(r *leadgatev1.WatchDeliveriesRequest, stream grpc.ServerStreamingServer[leadgatev1.WatchDeliveriesResponse]) error {
	s.observer.metrics.watchers.Inc()
	defer s.observer.metrics.watchers.Dec()
	return s.WorkerServiceServer.WatchDeliveries(r, stream)
}
