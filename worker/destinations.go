package worker

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/pace"
	"github.com/leadgate/leadgate/worker/store"
)

// ListDestinations implements WorkerServiceServer.
func (s *service) ListDestinations(ctx context.Context, _ *leadgatev1.ListDestinationsRequest) (*leadgatev1.ListDestinationsResponse, error) {
	counts, err := s.worker.store.Counts(ctx)
	if err != nil {
		return nil, destinationStatus(err)
	}
	answer := &leadgatev1.ListDestinationsResponse{}
	for _, l := range s.worker.all() {
		d, err := s.describe(ctx, l, counts[l.name])
		if err != nil {
			return nil, err
		}
		answer.Destinations = append(answer.Destinations, d)
	}
	return answer, nil
}

// PauseDestination implements WorkerServiceServer.
func (s *service) PauseDestination(ctx context.Context, r *leadgatev1.PauseDestinationRequest) (*leadgatev1.PauseDestinationResponse, error) {
	l, err := s.worker.pause(ctx, r.GetName(), r.GetReason())
	if err != nil {
		return nil, destinationStatus(err)
	}
	d, err := s.described(ctx, l)
	return &leadgatev1.PauseDestinationResponse{Destination: d}, err
}

// ResumeDestination implements WorkerServiceServer.
func (s *service) ResumeDestination(ctx context.Context, r *leadgatev1.ResumeDestinationRequest) (*leadgatev1.ResumeDestinationResponse, error) {
	l, err := s.worker.resume(ctx, r.GetName())
	if err != nil {
		return nil, destinationStatus(err)
	}
	d, err := s.described(ctx, l)
	return &leadgatev1.ResumeDestinationResponse{Destination: d}, err
}

// described returns the state of a lane, with the store's counts.
func (s *service) described(ctx context.Context, l *lane) (*leadgatev1.Destination, error) {
	counts, err := s.worker.store.Counts(ctx)
	if err != nil {
		return nil, destinationStatus(err)
	}
	return s.describe(ctx, l, counts[l.name])
}

// describe returns the state of a lane and, if a person paused it, why.
func (s *service) describe(ctx context.Context, l *lane, counts store.Counts) (*leadgatev1.Destination, error) {
	d := l.describe(counts)
	if d.GetStatus() != leadgatev1.DestinationStatus_DESTINATION_STATUS_PAUSED {
		return d, nil
	}
	var err error
	if d.PauseReason, err = pauseReason(ctx, s.worker.store, l.name); err != nil {
		return nil, destinationStatus(err)
	}
	return d, nil
}

// describe returns the state of the lane.
func (l *lane) describe(counts store.Counts) *leadgatev1.Destination {
	now := l.worker.now()
	conn := l.conn.Load()
	failing, lastError, lastErrorAt := l.health.get()
	gate, _ := l.gate.State()
	d := &leadgatev1.Destination{
		Name: l.name, Kind: conn.traits.Kind, LastError: lastError,
		Waiting: counts.ByState[leadgatev1.DeliveryState_DELIVERY_STATE_PENDING] +
			counts.ByState[leadgatev1.DeliveryState_DELIVERY_STATE_RETRY_WAIT],
		InFlight:               counts.ByState[leadgatev1.DeliveryState_DELIVERY_STATE_IN_FLIGHT],
		Delivered:              counts.ByState[leadgatev1.DeliveryState_DELIVERY_STATE_DELIVERED],
		Dead:                   counts.ByState[leadgatev1.DeliveryState_DELIVERY_STATE_DEAD],
		Held:                   counts.ByState[leadgatev1.DeliveryState_DELIVERY_STATE_HELD],
		RequestsPerSecond:      float64(l.limiter.Rate()),
		RequestsPerSecondLimit: l.limiter.Limit(),
	}
	if lastError != "" {
		d.LastErrorTime = timestamppb.New(lastErrorAt)
	}
	if !counts.OldestWaiting.IsZero() {
		d.OldestWaiting = durationpb.New(max(0, now.Sub(counts.OldestWaiting)).Truncate(time.Millisecond))
	}
	if account := conn.account.Load(); account != nil {
		d.Account = *account
	}
	if budget := l.limiter.Budget(); budget != nil {
		d.RequestsPerDayLimit, d.RequestsLeftToday = int32(budget.Limit()), int32(budget.Left()) //nolint:gosec // requests_per_day is one
	}
	breaker, probeAt := l.breaker.State()
	switch {
	case gate.Paused:
		d.Status = leadgatev1.DestinationStatus_DESTINATION_STATUS_PAUSED
	case gate.Refused:
		d.Status = leadgatev1.DestinationStatus_DESTINATION_STATUS_CREDENTIALS_REFUSED
	case gate.Until.After(now):
		d.Status = leadgatev1.DestinationStatus_DESTINATION_STATUS_RATE_LIMITED
		d.ResumeTime = timestamppb.New(gate.Until)
	case gate.Broken:
		d.Status = leadgatev1.DestinationStatus_DESTINATION_STATUS_UNREACHABLE
		if breaker == pace.Open {
			d.ResumeTime = timestamppb.New(probeAt)
		}
	case failing:
		d.Status = leadgatev1.DestinationStatus_DESTINATION_STATUS_FAILING
	default:
		d.Status = leadgatev1.DestinationStatus_DESTINATION_STATUS_FLOWING
	}
	return d
}
