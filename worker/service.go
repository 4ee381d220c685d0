package worker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/operations"
	"github.com/leadgate/leadgate/worker/store"
)

// The page size if the request gives none.
const defaultPage = 100

// service implements WorkerService: watch.go streams; destinations.go, report.go, retries.go, transfers.go and held.go act;
// drift.go and this file read.
type service struct {
	leadgatev1.UnimplementedWorkerServiceServer
	worker  *Worker
	version string
}

// NewService returns the service with which operators watch and control a worker. version is sent to watchers. Requests must
// already be validated.
func NewService(w *Worker, version string) leadgatev1.WorkerServiceServer {
	s := &service{worker: w, version: version}
	operations.Define(w.operations, retryDeliveries, s.retryTask)
	operations.Define(w.operations, releaseLeads, s.releaseTask)
	operations.Define(w.operations, discardLeads, s.discardTask)
	operations.Define(w.operations, undiscardLeads, s.undiscardTask)
	operations.Define(w.operations, moveDeliveries, s.moveTask)
	operations.Define(w.operations, deleteDeliveries, s.deleteTask)
	return s
}

// The names of the RPCs on many, under which their operations are stored.
const (
	retryDeliveries  = "RetryDeliveries"
	releaseLeads     = "ReleaseLeads"
	discardLeads     = "DiscardLeads"
	undiscardLeads   = "UndiscardLeads"
	moveDeliveries   = "MoveDeliveries"
	deleteDeliveries = "DeleteDeliveries"
)

// many is a request of an RPC on many leads or deliveries.
type many interface {
	proto.Message
	GetOperationId() string
	GetDryRun() bool
	GetExpectedCount() int64
}

// operate runs an operation on many. Its errors are gRPC statuses. An operation that failed midway is an error as well, which
// contains its identifier; what was done stays done.
func (s *service) operate(ctx context.Context, kind string, r many, what string) (*leadgatev1.Operation, error) {
	op, err := s.worker.operations.Run(ctx, operations.Call{
		Kind: kind, Request: r, ID: r.GetOperationId(), DryRun: r.GetDryRun(), Expected: r.GetExpectedCount(),
	})
	if err != nil {
		return nil, StatusOf(err, what)
	}
	if filtered, ok := r.(interface {
		GetFilter() *leadgatev1.DeliveryFilter
	}); ok && op.GetMatched() == 0 {
		if err := s.known(ctx, filtered.GetFilter().GetDestination()); err != nil {
			return nil, err
		}
	}
	return op, OperationFailure(op)
}

// tally counts a change under word or, if err is not nil, records why there was none.
func (s *service) tally(result *operations.Result, word, what, id string, err error) {
	if err != nil {
		result.Problem(id, Problem(s.worker.log, err, what))
		return
	}
	result.Count(word, 1)
}

// OperationFailure returns the gRPC status of a failed operation; nil if it did not fail.
func OperationFailure(op *leadgatev1.Operation) error {
	if op.GetState() != leadgatev1.OperationState_OPERATION_STATE_FAILED {
		return nil
	}
	return Failure(nil, codes.Internal, &errdetails.ErrorInfo{
		Reason: "OPERATION_FAILED", Metadata: map[string]string{"operationId": op.GetOperationId()},
	}, fmt.Sprintf("operation %s failed after %d of %d, which stay done; the log has the details", op.GetOperationId(), op.GetMatched(), op.GetTotal()))
}

// GetOperation implements WorkerServiceServer.
func (s *service) GetOperation(ctx context.Context, r *leadgatev1.GetOperationRequest) (*leadgatev1.GetOperationResponse, error) {
	op, err := s.worker.operations.Get(ctx, r.GetOperationId())
	if err != nil {
		return nil, StatusOf(err, "operation")
	}
	return &leadgatev1.GetOperationResponse{Operation: op}, nil
}

// ListOperations implements WorkerServiceServer.
func (s *service) ListOperations(ctx context.Context, _ *leadgatev1.ListOperationsRequest) (*leadgatev1.ListOperationsResponse, error) {
	all, err := s.worker.operations.List(ctx)
	if err != nil {
		return nil, StatusOf(err, "operation")
	}
	return &leadgatev1.ListOperationsResponse{Operations: all}, nil
}

// ListDeliveries implements WorkerServiceServer.
func (s *service) ListDeliveries(ctx context.Context, r *leadgatev1.ListDeliveriesRequest) (*leadgatev1.ListDeliveriesResponse, error) {
	size := cmp.Or(int(r.GetPageSize()), defaultPage)
	q := query(&leadgatev1.DeliveryFilter{
		State: r.GetState(), Destination: r.GetDestination(), Form: r.GetForm(), LeadId: r.GetLeadId(), Since: r.GetSince(), Until: r.GetUntil(),
	})
	page, next, err := s.worker.store.Deliveries(ctx, q, size, r.GetPageToken())
	if err != nil {
		return nil, StatusOf(err, "delivery")
	}
	if len(page) == 0 {
		if err := s.known(ctx, r.GetDestination()); err != nil {
			return nil, err
		}
	}
	return &leadgatev1.ListDeliveriesResponse{Deliveries: page, NextPageToken: next}, nil
}

// known returns an error if a destination is neither configured nor has any deliveries: the name is misspelt, and an empty answer
// would look like good news. An empty name is fine.
func (s *service) known(ctx context.Context, destination string) error {
	if destination == "" {
		return nil
	}
	names := map[string]bool{}
	for _, l := range s.worker.all() {
		names[l.name] = true
	}
	if names[destination] {
		return nil
	}
	counts, err := s.worker.store.Counts(ctx)
	if err != nil {
		return StatusOf(err, "destination")
	}
	for name := range counts {
		names[name] = true
	}
	if names[destination] {
		return nil
	}
	return destinationStatus(noDestination(destination, slices.Sorted(maps.Keys(names))))
}

// GetDelivery implements WorkerServiceServer.
func (s *service) GetDelivery(ctx context.Context, r *leadgatev1.GetDeliveryRequest) (*leadgatev1.GetDeliveryResponse, error) {
	d, err := s.worker.store.Delivery(ctx, r.GetDeliveryId())
	if err != nil {
		return nil, StatusOf(err, "delivery")
	}
	return &leadgatev1.GetDeliveryResponse{Delivery: d}, nil
}

// query converts a filter to the store's query.
func query(f *leadgatev1.DeliveryFilter) store.DeliveryQuery {
	q := store.DeliveryQuery{State: f.GetState(), Destination: f.GetDestination(), Form: f.GetForm(), LeadID: f.GetLeadId()}
	if f.GetSince() != nil {
		q.Since = f.GetSince().AsTime()
	}
	if f.GetUntil() != nil {
		q.Until = f.GetUntil().AsTime()
	}
	return q
}

// destinationStatus is StatusOf for methods that first look up a destination.
func destinationStatus(err error) error {
	if errors.Is(err, errNoDestination) {
		return failure(nil, codes.NotFound, "DESTINATION_NOT_FOUND", err.Error())
	}
	return StatusOf(err, "destination")
}

func (s *service) now() *timestamppb.Timestamp { return timestamppb.New(s.worker.now()) }
