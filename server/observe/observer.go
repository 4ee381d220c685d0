// Package observe shows what happens in the gateway: as log lines, as metrics, and as figures of the last hour. All are made
// from the journal's events, so that what is counted is what is logged.
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

// Options say what an observer looks at. Journal, Store, Logger and Output must be set.
type Options struct {
	// Journal is where events come from.
	Journal *journal.Journal
	// Store is asked for its figures whenever the metrics are read.
	Store Store
	// Commits measures the store's commits; nil shows none.
	Commits *Commits
	// Destinations tells how sending goes, as ListDestinations does; nil shows nothing of it.
	Destinations func(context.Context) ([]*leadgatev1.Destination, error)
	// Drift tells what does not fit any more, as ListDrift does; nil shows nothing of it.
	Drift func(context.Context) ([]*leadgatev1.Drift, error)
	// Alerts are those that are known, firing or over; nil shows none.
	Alerts func() []*leadgatev1.Alert
	// Judged has the metrics of what alerts judge; nil shows none.
	Judged prometheus.Collector
	// Lead and Delivery read from the store, for log lines that show personal data as it is; nil shows it masked always.
	Lead     func(ctx context.Context, leadID string) (*leadgatev1.LeadRecord, error)
	Delivery func(ctx context.Context, deliveryID string) (*leadgatev1.Delivery, error)
	// Logger gets a record for each event, with the event's time.
	Logger *slog.Logger
	// Output is what Logger writes to, so that the lines of events that come together are written together.
	Output *Output
	// Version of the gateway, for the metrics.
	Version string
	// Now is the time, by which the metrics tell ages; time.Now if nil.
	Now func() time.Time
}

// Store is what an observer needs of the store.
type Store interface {
	// Counts returns the figures of every destination.
	Counts(ctx context.Context) (map[string]store.Counts, error)
	// Writable is nil while leads can be accepted.
	Writable() error
	// Recent returns the newest events that were written, oldest first, at most limit.
	Recent(ctx context.Context, limit int) ([]*leadgatev1.Event, error)
	// State returns a namespace of small durable values.
	State(namespace string) store.State
	// Free returns how many bytes the disk has left, and how many must stay free for the store to be writable.
	Free() (free, needed uint64, err error)
}

// How long reading the figures of the last hour may take.
const recallTimeout = 10 * time.Second

// Observer logs and counts every event of the journal until it is closed. It misses none: while its output is slow, the
// journal makes those wait who publish. Only lines that nobody takes at all are lost; see Output.
type Observer struct {
	store   Store
	metrics *metrics
	stats   *stats
	full    *fullData
	keep    func()
	close   func()
}

// New begins to observe.
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

// KeepFigures stores the figures of the last hour for the next process, and no more after that. It is called before the store is
// closed. It may be called again.
func (o *Observer) KeepFigures() { o.keep() }

// Metrics serves the metrics in Prometheus's formats. It is safe for concurrent use.
func (o *Observer) Metrics() http.Handler { return o.metrics.handler() }

// Gatherer has the metrics.
func (o *Observer) Gatherer() prometheus.Gatherer { return o.metrics.registry }

// ShowPersonalData makes log lines from now on show personal data as it is, or masked as at the beginning.
func (o *Observer) ShowPersonalData(show bool) {
	o.full.shown.Store(show && o.full.lead != nil && o.full.delivery != nil)
}

// Close returns after everything that was published before is logged and counted. It may be called again, and after the
// journal was closed.
func (o *Observer) Close() error {
	o.close()
	o.keep()
	return nil
}
