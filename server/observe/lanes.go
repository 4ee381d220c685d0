package observe

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

// lanes exposes the state of the destinations, read at each scrape with ListDestinations.
type lanes struct {
	destinations func(context.Context) ([]*leadgatev1.Destination, error)

	status, rate, limit, headroom, left, budget *prometheus.Desc
}

func newLanes(destinations func(context.Context) ([]*leadgatev1.Destination, error)) *lanes {
	desc := func(name, help string, more ...string) *prometheus.Desc {
		return prometheus.NewDesc("leadgate_destination_"+name, help, append([]string{"destination"}, more...), nil)
	}
	return &lanes{
		destinations: destinations,
		status:       desc("status", "The status of the destination: 1 for the current one, 0 for the others.", "status"),
		rate:         desc("requests_per_second", "Requests sent to the CRM in the last second."),
		limit:        desc("requests_per_second_limit", "The limit on requests per second; missing without a limit."),
		headroom:     desc("rate_headroom_ratio", "The unused share of that limit: 1 for all of it, 0 when deliveries wait for the pace; missing without a limit."),
		left:         desc("requests_left_today", "How many requests may still be made today; missing without requests_per_day."),
		budget:       desc("requests_per_day_limit", "The limit on requests per day; missing without requests_per_day."),
	}
}

// Describe implements prometheus.Collector.
func (l *lanes) Describe(descriptions chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{l.status, l.rate, l.limit, l.headroom, l.left, l.budget} {
		descriptions <- d
	}
}

// Collect implements prometheus.Collector.
func (l *lanes) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), figuresTimeout)
	defer cancel()
	destinations, err := l.destinations(ctx)
	if err != nil {
		out <- prometheus.NewInvalidMetric(l.status, err)
		return
	}
	for _, d := range destinations {
		gauge := func(desc *prometheus.Desc, value float64, more ...string) {
			out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, append([]string{d.GetName()}, more...)...)
		}
		for number, name := range leadgatev1.DestinationStatus_name {
			if status := leadgatev1.DestinationStatus(number); status != leadgatev1.DestinationStatus_DESTINATION_STATUS_UNSPECIFIED {
				gauge(l.status, oneIf(d.GetStatus() == status), typeName(name, "DESTINATION_STATUS_"))
			}
		}
		gauge(l.rate, d.GetRequestsPerSecond())
		if limit := d.GetRequestsPerSecondLimit(); limit > 0 {
			gauge(l.limit, limit)
			gauge(l.headroom, max(0, 1-d.GetRequestsPerSecond()/limit))
		}
		if budget := d.GetRequestsPerDayLimit(); budget > 0 {
			gauge(l.left, float64(d.GetRequestsLeftToday()))
			gauge(l.budget, float64(budget))
		}
	}
}

func oneIf(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
