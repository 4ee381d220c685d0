package worker

import (
	"context"
	"fmt"
	"strconv"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/store"
)

// How many deliveries one transaction of RetryDeliveries makes due.
const retryBatch = 500

// RetryDelivery implements WorkerServiceServer.
func (s *service) RetryDelivery(ctx context.Context, r *leadgatev1.RetryDeliveryRequest) (*leadgatev1.RetryDeliveryResponse, error) {
	d, err := s.worker.store.Delivery(ctx, r.GetDeliveryId())
	if err != nil {
		return nil, StatusOf(err, "delivery")
	}
	results, err := s.worker.store.Redrive(ctx, &store.Redrive{
		DeliveryID: d.GetDeliveryId(), Events: []*leadgatev1.Event{asked(d, s.now())},
	})
	if err != nil {
		return nil, StatusOf(err, "delivery")
	}
	if err := results[0].Err; err != nil {
		return nil, StatusOf(err, "delivery")
	}
	return &leadgatev1.RetryDeliveryResponse{Delivery: results[0].Delivery}, nil
}

// RetryDeliveries implements WorkerServiceServer. It works through the matching deliveries in bounded transactions, newest
// lead first; when it ends early, what was made due stays due, and asking again does the rest.
func (s *service) RetryDeliveries(ctx context.Context, r *leadgatev1.RetryDeliveriesRequest) (*leadgatev1.RetryDeliveriesResponse, error) {
	q := query(r.GetFilter())
	if q.State == leadgatev1.DeliveryState_DELIVERY_STATE_UNSPECIFIED {
		q.State = leadgatev1.DeliveryState_DELIVERY_STATE_DEAD
	}
	answer := &leadgatev1.RetryDeliveriesResponse{}
	if expected := r.GetExpectedCount(); r.GetDryRun() || expected != 0 {
		matched, err := s.count(ctx, q)
		if err != nil {
			return nil, StatusOf(err, "delivery")
		}
		if expected != 0 && matched != expected {
			return nil, Failure(nil, codes.FailedPrecondition, &errdetails.ErrorInfo{
				Reason:   "EXPECTED_COUNT_MISMATCH",
				Metadata: map[string]string{"expected": strconv.FormatInt(expected, 10), "matched": strconv.FormatInt(matched, 10)},
			}, fmt.Sprintf("%d deliveries match, not %d; nothing was done", matched, expected))
		}
		if r.GetDryRun() {
			answer.Matched = matched
			return answer, nil
		}
	}
	err := s.eachPage(ctx, q, func(page []*leadgatev1.Delivery) error {
		redrives := make([]*store.Redrive, len(page))
		for i, d := range page {
			redrives[i] = &store.Redrive{DeliveryID: d.GetDeliveryId(), Events: []*leadgatev1.Event{asked(d, s.now())}}
		}
		results, err := s.worker.store.Redrive(ctx, redrives...)
		if err != nil {
			return err
		}
		answer.Matched += int64(len(page))
		for _, result := range results {
			if result.Err == nil { // otherwise it changed since it was listed
				answer.Retried++
			}
		}
		return nil
	})
	if err != nil {
		return nil, StatusOf(err, "delivery")
	}
	return answer, nil
}

func (s *service) count(ctx context.Context, q store.DeliveryQuery) (n int64, err error) {
	err = s.eachPage(ctx, q, func(page []*leadgatev1.Delivery) error {
		n += int64(len(page))
		return nil
	})
	return n, err
}

// eachPage visits the deliveries that match, page by page.
func (s *service) eachPage(ctx context.Context, q store.DeliveryQuery, visit func([]*leadgatev1.Delivery) error) error {
	for token := ""; ; {
		page, next, err := s.worker.store.Deliveries(ctx, q, retryBatch, token)
		if err != nil {
			return err
		}
		if len(page) > 0 {
			if err := visit(page); err != nil {
				return err
			}
		}
		if next == "" {
			return nil
		}
		token = next
	}
}
