package worker

import (
	"context"
	"fmt"
	"slices"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/operations"
	"github.com/leadgate/leadgate/worker/store"
)

// How many leads or deliveries one step of an operation changes.
const portionSize = 200

// RetryDelivery implements WorkerServiceServer.
func (s *service) RetryDelivery(ctx context.Context, r *leadgatev1.RetryDeliveryRequest) (*leadgatev1.RetryDeliveryResponse, error) {
	d, err := s.worker.store.Delivery(ctx, r.GetDeliveryId())
	if err != nil {
		return nil, StatusOf(err, "delivery")
	}
	if _, err := s.worker.lane(d.GetDestination()); err != nil {
		return nil, destinationStatus(fmt.Errorf("%w: move the delivery to one of them", err))
	}
	results, err := s.worker.store.Redrive(ctx, &store.Redrive{
		DeliveryID: d.GetDeliveryId(), Force: r.GetForce(), Events: []*leadgatev1.Event{asked(d, s.now())},
	})
	if err != nil {
		return nil, StatusOf(err, "delivery")
	}
	if err := results[0].Err; err != nil {
		return nil, StatusOf(err, "delivery")
	}
	return &leadgatev1.RetryDeliveryResponse{Delivery: results[0].Delivery}, nil
}

// RetryDeliveries implements WorkerServiceServer.
func (s *service) RetryDeliveries(ctx context.Context, r *leadgatev1.RetryDeliveriesRequest) (*leadgatev1.RetryDeliveriesResponse, error) {
	op, err := s.operate(ctx, retryDeliveries, r, "delivery")
	if err != nil {
		return nil, err
	}
	return &leadgatev1.RetryDeliveriesResponse{Matched: op.GetMatched(), Retried: op.GetCounts()["retried"], OperationId: op.GetOperationId()}, nil
}

// retryTask makes the matching deliveries due, newest lead first.
func (s *service) retryTask(r *leadgatev1.RetryDeliveriesRequest) (operations.Task, error) {
	return s.deliveriesTask(r.GetFilter(), dead, func(ctx context.Context, page []*leadgatev1.Delivery) (result operations.Result, err error) {
		var redrives []*store.Redrive
		for _, d := range page {
			if _, err := s.worker.lane(d.GetDestination()); err != nil {
				result.Problem(d.GetDeliveryId(), err.Error()+": move the delivery")
				continue
			}
			redrives = append(redrives, &store.Redrive{DeliveryID: d.GetDeliveryId(), Events: []*leadgatev1.Event{asked(d, s.now())}})
		}
		results, err := s.worker.store.Redrive(ctx, redrives...)
		if err != nil {
			return result, err
		}
		for i, redriven := range results {
			s.tally(&result, "retried", "delivery", redrives[i].DeliveryID, redriven.Err)
		}
		return result, nil
	}), nil
}

// dead is the state in which deliveries are retried or deleted if the filter names none.
var dead = []leadgatev1.DeliveryState{leadgatev1.DeliveryState_DELIVERY_STATE_DEAD}

// deliveriesTask goes through the matching deliveries, newest lead first, one transaction at a time. If the filter names no state,
// the states in otherwise match.
func (s *service) deliveriesTask(f *leadgatev1.DeliveryFilter, otherwise []leadgatev1.DeliveryState, act func(context.Context, []*leadgatev1.Delivery) (operations.Result, error)) operations.Task {
	q, states := query(f), otherwise
	if q.State != leadgatev1.DeliveryState_DELIVERY_STATE_UNSPECIFIED {
		states = []leadgatev1.DeliveryState{q.State}
	} else if len(states) == 1 {
		q.State = states[0]
	}
	return operations.Task{Read: func(ctx context.Context, token string) (operations.Portion, error) {
		page, next, err := s.worker.store.Deliveries(ctx, q, portionSize, token)
		if err != nil {
			return operations.Portion{}, err
		}
		page = slices.DeleteFunc(page, func(d *leadgatev1.Delivery) bool { return !slices.Contains(states, d.GetState()) })
		return operations.Portion{
			Matched: int64(len(page)), Next: next,
			Act: func(ctx context.Context) (operations.Result, error) { return act(ctx, page) },
		}, nil
	}}
}
