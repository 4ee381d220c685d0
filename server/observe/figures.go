package observe

import (
	"context"
	"maps"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/store"
)

// The time limit for reading the store's figures. Prometheus' default scrape timeout is 10 s.
const figuresTimeout = 5 * time.Second

// figures reads the store at each scrape, so that the metrics are right after a restart and always match what is on disk.
type figures struct {
	store                              Store
	destinations                       func(context.Context) ([]*leadgatev1.Destination, error)
	now                                func() time.Time
	deliveries, oldest, writable, free *prometheus.Desc
}

func newFigures(s Store, destinations func(context.Context) ([]*leadgatev1.Destination, error), now func() time.Time) *figures {
	return &figures{
		store: s, destinations: destinations, now: now,
		deliveries: prometheus.NewDesc("leadgate_deliveries",
			"Deliveries by state.", []string{"destination", "state"}, nil),
		oldest: prometheus.NewDesc("leadgate_oldest_waiting_seconds",
			"How long ago the oldest lead that waits for the destination was accepted; 0 if none waits.", []string{"destination"}, nil),
		writable: prometheus.NewDesc("leadgate_store_writable",
			"1 while leads can be accepted, 0 while the disk is low or the store fails.", nil, nil),
		free: prometheus.NewDesc("leadgate_store_free_bytes",
			"The free space on the disk with the data directory.", nil, nil),
	}
}

// Describe implements prometheus.Collector.
func (f *figures) Describe(descriptions chan<- *prometheus.Desc) {
	descriptions <- f.deliveries
	descriptions <- f.oldest
	descriptions <- f.writable
	descriptions <- f.free
}

// Collect implements prometheus.Collector.
func (f *figures) Collect(out chan<- prometheus.Metric) {
	out <- prometheus.MustNewConstMetric(f.writable, prometheus.GaugeValue, oneIf(f.store.Writable() == nil))
	if free, _, err := f.store.Free(); err == nil { // otherwise it is not writable, and the log says why
		out <- prometheus.MustNewConstMetric(f.free, prometheus.GaugeValue, float64(free))
	}
	ctx, cancel := context.WithTimeout(context.Background(), figuresTimeout)
	defer cancel()
	counts, err := f.store.Counts(ctx)
	if err != nil {
		out <- prometheus.NewInvalidMetric(f.deliveries, err)
		return
	}
	all := map[string]store.Counts{}
	if f.destinations != nil { // include those to which no lead ever went
		configured, err := f.destinations(ctx)
		if err != nil {
			out <- prometheus.NewInvalidMetric(f.deliveries, err)
		}
		for _, d := range configured {
			all[d.GetName()] = store.Counts{}
		}
	}
	maps.Copy(all, counts)
	for destination, c := range all {
		// Include states with 0: an alert on a missing series never fires.
		for number, name := range leadgatev1.DeliveryState_name {
			if state := leadgatev1.DeliveryState(number); state != leadgatev1.DeliveryState_DELIVERY_STATE_UNSPECIFIED {
				out <- prometheus.MustNewConstMetric(f.deliveries, prometheus.GaugeValue, float64(c.ByState[state]),
					destination, typeName(name, "DELIVERY_STATE_"))
			}
		}
		var age float64
		if !c.OldestWaiting.IsZero() {
			age = max(0, f.now().Sub(c.OldestWaiting).Seconds())
		}
		out <- prometheus.MustNewConstMetric(f.oldest, prometheus.GaugeValue, age, destination)
	}
}
