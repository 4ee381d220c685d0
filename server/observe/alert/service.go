package alert

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker"
)

// service extends the worker's service with the methods about alerts.
type service struct {
	leadgatev1.WorkerServiceServer
	engine *Engine
}

// Service adds ListAlerts, TestAlerts and AcknowledgeAlert to the worker's service.
func (e *Engine) Service(worker leadgatev1.WorkerServiceServer) leadgatev1.WorkerServiceServer {
	return &service{worker, e}
}

// ListAlerts implements WorkerServiceServer.
func (s *service) ListAlerts(_ context.Context, r *leadgatev1.ListAlertsRequest) (*leadgatev1.ListAlertsResponse, error) {
	answer := &leadgatev1.ListAlertsResponse{Notifiers: s.engine.Notifiers()}
	for _, a := range s.engine.Alerts() {
		if want := r.GetState(); want == leadgatev1.AlertState_ALERT_STATE_UNSPECIFIED || want == a.GetState() {
			answer.Alerts = append(answer.Alerts, a)
		}
	}
	return answer, nil
}

// TestAlerts implements WorkerServiceServer.
func (s *service) TestAlerts(ctx context.Context, r *leadgatev1.TestAlertsRequest) (*leadgatev1.TestAlertsResponse, error) {
	e := s.engine
	e.mu.Lock()
	senders := maps.Clone(e.notifiers)
	e.mu.Unlock()
	known := slices.Sorted(maps.Keys(senders))
	names := r.GetNotifiers()
	if len(names) == 0 {
		names = known
	}
	for _, name := range names {
		if senders[name] == nil {
			return nil, worker.Failure(nil, codes.NotFound, &errdetails.ErrorInfo{Reason: "NOTIFIER_NOT_FOUND"},
				fmt.Sprintf("there is no notifier %q; %s", name, orList(known)))
		}
	}
	results := make([]*leadgatev1.NotifierTest, len(names))
	var trying sync.WaitGroup
	for i, name := range names {
		trying.Go(func() { results[i] = e.test(ctx, senders[name]) })
	}
	trying.Wait()
	return &leadgatev1.TestAlertsResponse{Results: results}, nil
}

// test sends a test notification.
func (e *Engine) test(ctx context.Context, s *sender) *leadgatev1.NotifierTest {
	began := e.now()
	e.mu.Lock()
	a := e.describe(&finding{
		rule: "test", name: s.name, summary: "this is a test of leadgate's alerts; nothing is wrong",
		cause:  "A person asked for it.",
		action: "Nothing: it shows that alerts arrive.", command: "leadgate alerts list", page: "alerts",
	})
	e.mu.Unlock()
	a.FireTime = timestamppb.New(began)
	ctx, cancel := context.WithTimeout(ctx, tryTimeout)
	defer cancel()
	kind := leadgatev1.NotificationType_NOTIFICATION_TYPE_TEST
	err := s.notifier.Notify(ctx, e.message(a, notificationID(a, kind, s.name, began), kind))
	result := &leadgatev1.NotifierTest{Name: s.name, Kind: s.notifier.Kind(), Duration: durationpb.New(e.now().Sub(began).Round(time.Millisecond))}
	if err != nil {
		result.Error = err.Error()
	}
	return result
}
