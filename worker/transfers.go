package worker

import (
	"context"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/operations"
	"github.com/leadgate/leadgate/worker/store"
)

// MoveDeliveries implements WorkerServiceServer.
func (s *service) MoveDeliveries(ctx context.Context, r *leadgatev1.MoveDeliveriesRequest) (*leadgatev1.MoveDeliveriesResponse, error) {
	if _, err := s.worker.lane(r.GetTo()); err != nil {
		return nil, destinationStatus(err)
	}
	op, err := s.operate(ctx, moveDeliveries, r, "delivery")
	if err != nil {
		return nil, err
	}
	return &leadgatev1.MoveDeliveriesResponse{Matched: op.GetMatched(), Moved: op.GetCounts()["moved"], OperationId: op.GetOperationId()}, nil
}

// movable are the states in which deliveries are moved if the filter names none.
var movable = []leadgatev1.DeliveryState{
	leadgatev1.DeliveryState_DELIVERY_STATE_PENDING, leadgatev1.DeliveryState_DELIVERY_STATE_RETRY_WAIT, leadgatev1.DeliveryState_DELIVERY_STATE_HELD,
}

func (s *service) moveTask(r *leadgatev1.MoveDeliveriesRequest) (operations.Task, error) {
	from, to := r.GetFilter().GetDestination(), r.GetTo()
	return s.deliveriesTask(r.GetFilter(), movable, func(ctx context.Context, page []*leadgatev1.Delivery) (result operations.Result, err error) {
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
			s.tally(&result, "moved", "delivery", page[i].GetDeliveryId(), moved.Err)
		}
		return result, nil
	}), nil
}

// DeleteDeliveries implements WorkerServiceServer.
func (s *service) DeleteDeliveries(ctx context.Context, r *leadgatev1.DeleteDeliveriesRequest) (*leadgatev1.DeleteDeliveriesResponse, error) {
	op, err := s.operate(ctx, deleteDeliveries, r, "delivery")
	if err != nil {
		return nil, err
	}
	return &leadgatev1.DeleteDeliveriesResponse{Matched: op.GetMatched(), Deleted: op.GetCounts()["deleted"], OperationId: op.GetOperationId()}, nil
}

func (s *service) deleteTask(r *leadgatev1.DeleteDeliveriesRequest) (operations.Task, error) {
	return s.deliveriesTask(r.GetFilter(), dead, func(ctx context.Context, page []*leadgatev1.Delivery) (result operations.Result, err error) {
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
			s.tally(&result, "deleted", "delivery", page[i].GetDeliveryId(), deleted.Err)
		}
		return result, nil
	}), nil
}
