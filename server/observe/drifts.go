package observe

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

// drifts exposes how many fields and properties no longer fit, read at each scrape.
type drifts struct {
	list func(context.Context) ([]*leadgatev1.Drift, error)
	desc *prometheus.Desc
}

func newDrifts(list func(context.Context) ([]*leadgatev1.Drift, error)) *drifts {
	return &drifts{list, prometheus.NewDesc("leadgate_drifts",
		"How many fields of the form's page, or properties of the destination, no longer fit.", []string{"form", "destination"}, nil)}
}

// Describe implements prometheus.Collector.
func (d *drifts) Describe(descriptions chan<- *prometheus.Desc) { descriptions <- d.desc }

// Collect implements prometheus.Collector.
func (d *drifts) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), figuresTimeout)
	defer cancel()
	list, err := d.list(ctx)
	if err != nil {
		out <- prometheus.NewInvalidMetric(d.desc, err)
		return
	}
	type place struct{ form, destination string }
	counts := map[place]int{}
	for _, drift := range list {
		counts[place{drift.GetForm(), drift.GetDestination()}]++
	}
	for p, n := range counts {
		out <- prometheus.MustNewConstMetric(d.desc, prometheus.GaugeValue, float64(n), p.form, p.destination)
	}
}
