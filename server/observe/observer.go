// Package observe turns the journal's events into log lines, metrics, and statistics of the last hour. All have the same source, so
// that what is counted is what is logged.
package observe

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/journal"
	"github.com/leadgate/leadgate/worker/store"
)

// Options configure an observer. Journal, Store, Logger and Output must be set.
type Options struct {
	// Journal is the source of events.
	Journal *journal.Journal
	// Store is read at each scrape.
	Store Store
	// Commits measures the store's commits; nil exposes none.
	Commits *Commits
	// Destinations returns the state of the destinations, as ListDestinations does; nil exposes nothing about it.
	Destinations func(context.Context) ([]*leadgatev1.Destination, error)
	// Drift returns what no longer fits the mapping, as ListDrift does; nil exposes nothing about it.
	Drift func(context.Context) ([]*leadgatev1.Drift, error)
	// Alerts returns all known alerts, firing or resolved; nil exposes none.
	Alerts func() []*leadgatev1.Alert
	// Judged collects the metrics of what alerts judge; nil exposes none.
	Judged prometheus.Collector
	// Lead and Delivery read from the store, for log lines with full personal data. If either is nil, log lines are always masked.
	Lead     func(ctx context.Context, leadID string) (*leadgatev1.LeadRecord, error)
	Delivery func(ctx context.Context, deliveryID string) (*leadgatev1.Delivery, error)
	// Logger gets a record for each event, with the event's time.
	Logger *slog.Logger
	// Output is what Logger writes to, so that lines of events that arrive together are written together.
	Output *Output
	// Version is the gateway's version, for the metrics.
	Version string
	// Now returns the current time; time.Now if nil.
	Now func() time.Time
}

// Store is what an observer needs of the store.
type Store interface {
	// Counts returns the delivery counts of every destination.
	Counts(ctx context.Context) (map[string]store.Counts, error)
	// Writable returns nil while leads can be accepted.
	Writable() error
	// Recent returns the newest stored events, oldest first, at most limit.
	Recent(ctx context.Context, limit int) ([]*leadgatev1.Event, error)
	// State returns a namespace of small durable values.
	State(namespace string) store.State
	// Free returns how many bytes are free on the disk, and how many must be for the store to be writable.
	Free() (free, needed uint64, err error)
}

// The time limit for reading the statistics of the last hour at the start.
const recallTimeout = 10 * time.Second

// Observer logs and counts every event of the journal until it is closed. It misses none: if its output is slow, it slows down
// publishers. Lines are lost only if the output accepts none at all; see [Output].
type Observer struct {
	store   Store
	metrics *metrics
	stats   *stats
	full    *fullData
	keep    func()
	close   func()
}

// New starts an observer.
func New(o Options) (*Observer, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	stages := newStageNames()
	m, err := newMetrics(o, stages)
	if err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	recent := o.Journal.Recent()
	figures := newStats(o.Now, recent)
	ctx, cancel := context.WithTimeout(context.Background(), recallTimeout)
	defer cancel()
	if err := recall(ctx, figures, o.Store, recent); err != nil {
		o.Logger.Warn("the figures of the last hour could not be read; they begin anew", "error", err)
	}
	full := &fullData{lead: o.Lead, delivery: o.Delivery}
	lines := &lines{to: o.Logger.Handler(), stages: stages, full: full}
	stop := o.Journal.Tap(func(events []*leadgatev1.Event) {
		o.Output.together(func() {
			for _, event := range events {
				lines.write(event)
			}
		})
		if n, why := o.Output.regained(); n > 0 {
			o.Logger.Error("log lines are lost", "lines", n, "error", why)
		}
		for _, event := range events {
			m.count(event)
		}
		figures.count(events)
	})
	k := keep(figures, o)
	return &Observer{store: o.Store, metrics: m, stats: figures, full: full, keep: sync.OnceFunc(k.end), close: sync.OnceFunc(stop)}, nil
}

// KeepFigures stores the statistics of the last hour for the next process, and stops storing them. It is called before the store is
// closed, and may be called again.
func (o *Observer) KeepFigures() { o.keep() }

// Metrics returns a handler that serves the metrics in Prometheus' formats. It is safe for concurrent use.
func (o *Observer) Metrics() http.Handler { return o.metrics.handler() }

// Gatherer returns the metrics.
func (o *Observer) Gatherer() prometheus.Gatherer { return o.metrics.registry }

// ShowPersonalData turns full personal data in log lines on or off; initially it is off.
func (o *Observer) ShowPersonalData(show bool) {
	o.full.shown.Store(show && o.full.lead != nil && o.full.delivery != nil)
}

// Close logs and counts everything that was published before, then returns. It may be called again, and after the journal is
// closed.
func (o *Observer) Close() error {
	o.close()
	o.keep()
	return nil
}
