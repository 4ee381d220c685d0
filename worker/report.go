package worker

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	storev1 "github.com/leadgate/leadgate/gen/go/leadgate/store/v1"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/pace"
)

// How long a test waits for the destination's pace to allow a call. It may be one call an hour while a budget is spent.
const testPatience = 10 * time.Second

// TestDestination implements WorkerServiceServer. The calls keep the destination's pace; deliveries are not touched. If the CRM
// answers, its properties are read again, so that drift which was fixed ends at once.
func (s *service) TestDestination(ctx context.Context, r *leadgatev1.TestDestinationRequest) (*leadgatev1.TestDestinationResponse, error) {
	l, err := s.worker.lane(r.GetName())
	if err != nil {
		return nil, destinationStatus(err)
	}
	seen, err := l.seen(ctx)
	if err != nil {
		return nil, StatusOf(err, "destination")
	}
	conn := l.conn.Load()
	report := conn.inspect(pace.WithPatience(ctx, testPatience), l.name, s.worker.now, seen)
	report.Quotas = l.quotas.list()
	if gate, _ := l.gate.State(); !report.GetReachable() && gate.Until.After(s.worker.now()) {
		report.Problem += fmt.Sprintf("; deliveries wait until %s, or go on at once with: leadgate destinations resume %s",
			gate.Until.UTC().Format(time.RFC3339), l.name)
	}
	if report.GetReachable() {
		l.tryAgain()
		l.remapped.Store(true)
		l.signal()
	}
	return &leadgatev1.TestDestinationResponse{Report: report}, nil
}

// TestAll calls the CRM of every configured destination, without a store and without changing anything there, and returns the
// reports sorted by name. Without a store a used-up refresh token would be lost, so destinations that use theirs up are returned
// untested. An error means that a destination cannot even be set up.
func TestAll(ctx context.Context, c Config) (reports []*leadgatev1.DestinationReport, untested []string, err error) {
	w := &Worker{log: slog.New(slog.DiscardHandler), now: time.Now, transport: newTransport(), open: openKind}
	defer w.closeConnections()
	for _, name := range slices.Sorted(maps.Keys(c.Destinations)) {
		quotas := &quotas{}
		conn, err := w.connect(c, name, c.Destinations[name], nil, quotas.note)
		if err != nil {
			return nil, nil, fmt.Errorf("destination %s: %w", name, err)
		}
		if conn.traits.UsesUpRefreshToken {
			untested = append(untested, name)
			continue
		}
		conn.transport.Limiter = pace.NewLimiter(0, w.now)
		report := conn.inspect(ctx, name, w.now, &storev1.SeenProperties{})
		report.Quotas = quotas.list()
		reports = append(reports, report)
	}
	return reports, untested, nil
}

// inspect calls the CRM and returns what it found. seen holds the properties as they were, and is updated.
func (conn *connection) inspect(ctx context.Context, name string, now func() time.Time, seen *storev1.SeenProperties) *leadgatev1.DestinationReport {
	report := &leadgatev1.DestinationReport{Destination: name, Kind: conn.traits.Kind}
	start := now()
	pong := conn.destination.Ping(ctx)
	report.Latency = durationpb.New(now().Sub(start))
	report.CrmStatus, report.Account = int32(pong.Status), pong.Account
	if report.Reachable = pong.Kind == crm.Delivered; !report.GetReachable() {
		report.Problem = reasonOf(pong)
		return report
	}
	schema, outcome := conn.destination.Schema(ctx)
	switch {
	case outcome.Kind != crm.Delivered:
		report.PropertiesProblem = reasonOf(outcome)
	case schema != nil:
		report.Properties = int32(len(schema.Properties))
		report.Drifts = driftsOf(schema, conn.properties, conn.named, seen)
		for _, drift := range report.GetDrifts() {
			drift.Destination = name
		}
	}
	return report
}

// quotas holds what a CRM last said is left of its budgets of calls, by window. It is safe for concurrent use.
type quotas struct {
	mu   sync.Mutex
	told map[time.Duration]crm.Quota
}

func (q *quotas) note(told crm.Quota) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.told == nil {
		q.told = map[time.Duration]crm.Quota{}
	}
	q.told[told.Window] = told
}

func (q *quotas) list() []*leadgatev1.QuotaReport {
	q.mu.Lock()
	defer q.mu.Unlock()
	var reports []*leadgatev1.QuotaReport
	for _, window := range slices.Sorted(maps.Keys(q.told)) {
		told := q.told[window]
		reports = append(reports, &leadgatev1.QuotaReport{
			Window: durationpb.New(window), Limit: int32(min(told.Limit, math.MaxInt32)), Remaining: int32(min(told.Remaining, math.MaxInt32)), //nolint:gosec // bounded
		})
	}
	return reports
}
