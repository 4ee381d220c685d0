package worker

import (
	"context"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/operations"
	"github.com/leadgate/leadgate/worker/store"
)

// MoveDeliveries implements WorkerServiceServer.
func (s *service) MoveDeliveries(ctx context.Context, r *leadgatev1.MoveDeliveriesRequest) (*leadgatev1.MoveDeliveriesResponse, error) {
	if _, err := s.worker.lane(r.GetTo()); err != nil {
		return nil, destinationStatus(err)
	}
	op, err := s.operate(ctx, operations.Call{
		Kind: moveDeliveries, Request: r, ID: r.GetOperationId(), DryRun: r.GetDryRun(), Expected: r.GetExpectedCount(),
	}, "delivery")
	if err != nil {
		return nil, err
	}
	return &leadgatev1.MoveDeliveriesResponse{Matched: op.GetMatched(), Moved: op.GetCounts()["moved"], OperationId: op.GetOperationId()}, nil
}

// movable are the states in which deliveries are moved if none is named.
var movable = []leadgatev1.DeliveryState{
	leadgatev1.DeliveryState_DELIVERY_STATE_PENDING, leadgatev1.DeliveryState_DELIVERY_STATE_RETRY_WAIT, leadgatev1.DeliveryState_DELIVERY_STATE_HELD,
}

func (s *service) moveTask(request proto.Message) (operations.Task, error) {
	r, ok := request.(*leadgatev1.MoveDeliveriesRequest)
	if !ok {
		return operations.Task{}, fmt.Errorf("%T is not a request to move deliveries", request)
	}
	from, to := r.GetFilter().GetDestination(), r.GetTo()
	states := movable
	if state := r.GetFilter().GetState(); state != leadgatev1.DeliveryState_DELIVERY_STATE_UNSPECIFIED {
		states = []leadgatev1.DeliveryState{state}
	}
	q := query(r.GetFilter())
	act := func(ctx context.Context, page []*leadgatev1.Delivery) (result operations.Result, err error) {
		moves := make([]*store.Move, len(page))
		for i, d := range page {
			moves[i] = &store.Move{
				DeliveryID: d.GetDeliveryId(), Destination: to, Reason: "moved to " + to,
				Events: []*leadgatev1.Event{toldOf(&leadgatev1.Delivery{
					DeliveryId: d.GetLeadId() + "." + to, LeadId: d.GetLeadId(), Form: d.GetForm(), Destination: to,
				}, s.now(), leadgatev1.Stage_STAGE_QUEUED, "a person moved it from "+from)},
			}
		}
		results, err := s.worker.store.Move(ctx, moves...)
		if err != nil {
			return result, err
		}
		for i, moved := range results {
			if moved.Err != nil {
				result.Problem(page[i].GetDeliveryId(), Problem(s.worker.log, moved.Err, "delivery"))
				continue
			}
			result.Count("moved", 1)
		}
		return result, nil
	}
	if len(states) == 1 {
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
	}}, nil
}

// DeleteDeliveries implements WorkerServiceServer.
func (s *service) DeleteDeliveries(ctx context.Context, r *leadgatev1.DeleteDeliveriesRequest) (*leadgatev1.DeleteDeliveriesResponse, error) {
	op, err := s.operate(ctx, operations.Call{
		Kind: deleteDeliveries, Request: r, ID: r.GetOperationId(), DryRun: r.GetDryRun(), Expected: r.GetExpectedCount(),
	}, "delivery")
	if err != nil {
		return nil, err
	}
	return &leadgatev1.DeleteDeliveriesResponse{Matched: op.GetMatched(), Deleted: op.GetCounts()["deleted"], OperationId: op.GetOperationId()}, nil
}

func (s *service) deleteTask(request proto.Message) (operations.Task, error) {
	r, ok := request.(*leadgatev1.DeleteDeliveriesRequest)
	if !ok {
		return operations.Task{}, fmt.Errorf("%T is not a request to delete deliveries", request)
	}
	q := query(r.GetFilter())
	if q.State == leadgatev1.DeliveryState_DELIVERY_STATE_UNSPECIFIED {
		q.State = leadgatev1.DeliveryState_DELIVERY_STATE_DEAD
	}
	return s.deliveriesTask(q, func(ctx context.Context, page []*leadgatev1.Delivery) (result operations.Result, err error) {
		deletions := make([]*store.Deletion, len(page))
		for i, d := range page {
			deletions[i] = &store.Deletion{DeliveryID: d.GetDeliveryId(), Events: []*leadgatev1.Event{
				toldOf(d, s.now(), leadgatev1.Stage_STAGE_DISCARDED, "a person deleted the delivery"),
			}}
		}
		results, err := s.worker.store.Delete(ctx, deletions...)
		if err != nil {
			return result, err
		}
		for i, deleted := range results {
			if deleted.Err != nil {
				result.Problem(page[i].GetDeliveryId(), Problem(s.worker.log, deleted.Err, "delivery"))
				continue
			}
			result.Count("deleted", 1)
		}
		return result, nil
	}), nil
}
