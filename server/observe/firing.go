package observe

import (
	"github.com/prometheus/client_golang/prometheus"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/enums"
)

// firing exposes the firing alerts, read at each scrape.
type firing struct {
	alerts func() []*leadgatev1.Alert
	desc   *prometheus.Desc
}

func newFiring(alerts func() []*leadgatev1.Alert) *firing {
	return &firing{alerts, prometheus.NewDesc("leadgate_alert_firing",
		"1 for each alert that is firing, as the built-in rules judge.", []string{"rule", "severity", "form", "destination"}, nil)}
}

// Describe implements prometheus.Collector.
func (f *firing) Describe(descriptions chan<- *prometheus.Desc) { descriptions <- f.desc }

// Collect implements prometheus.Collector.
func (f *firing) Collect(out chan<- prometheus.Metric) {
	type series struct{ rule, severity, form, destination string }
	seen := map[series]bool{}
	for _, a := range f.alerts() {
		s := series{a.GetRule(), enums.Name(a.GetSeverity()), a.GetForm(), a.GetDestination()}
		if a.GetState() != leadgatev1.AlertState_ALERT_STATE_FIRING || seen[s] {
			continue
		}
		seen[s] = true
		out <- prometheus.MustNewConstMetric(f.desc, prometheus.GaugeValue, 1, s.rule, s.severity, s.form, s.destination)
	}
}
