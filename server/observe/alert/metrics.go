package alert

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// collector exposes what the rules judge and no other metric shows, so that Prometheus can alert on it too.
type collector struct {
	engine                  *Engine
	errors, silent, missing *prometheus.Desc
}

// Collector returns the metrics of what the rules judge.
func (e *Engine) Collector() prometheus.Collector {
	return &collector{
		engine: e,
		errors: prometheus.NewDesc("leadgate_crm_errors_total",
			"Answers of CRMs that matched the pattern of that name under alerts: rules: crm_errors.", []string{"destination", "name"}, nil),
		silent: prometheus.NewDesc("leadgate_form_silent_seconds",
			"How long ago the form's last submission came while leadgate ran; missing until the form's rhythm is known.", []string{"form"}, nil),
		missing: prometheus.NewDesc("leadgate_form_missing_submissions",
			"How many submissions usually come in that time, by the form's rhythm.", []string{"form"}, nil),
	}
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(descriptions chan<- *prometheus.Desc) {
	descriptions <- c.errors
	descriptions <- c.silent
	descriptions <- c.missing
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	e := c.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.now()
	for name, d := range e.counters.destinations {
		for _, named := range d.errors {
			out <- prometheus.MustNewConstMetric(c.errors, prometheus.CounterValue, float64(named.total), name, named.rule.GetName())
		}
	}
	for name, f := range e.counters.forms {
		if q := f.quiet(e.started, now); q.learned {
			out <- prometheus.MustNewConstMetric(c.silent, prometheus.GaugeValue, q.silent.Seconds(), name)
			out <- prometheus.MustNewConstMetric(c.missing, prometheus.GaugeValue, q.missing, name)
		}
	}
}

// quiet compares a form's silence with its rhythm.
type quiet struct {
	last    time.Time     // time of the last submission; zero if there was none
	silent  time.Duration // time since then while leadgate ran
	missing float64       // how many submissions usually arrive in that time
	learned bool          // the rhythm is known
	resumed bool          // leadgate was restarted since the last submission: a silence from before may go on
}

func (f *form) quiet(started, now time.Time) quiet {
	r := f.rhythm
	r.advance(now)
	if r.Last == 0 {
		return quiet{}
	}
	q := quiet{last: time.Unix(0, r.Last).UTC()}
	since := q.last
	if started.After(since) { // nobody could submit while leadgate was down
		since, q.resumed = started, true
	}
	q.missing, q.silent = r.expected(since, now), now.Sub(since)
	q.learned = now.Sub(time.Unix(0, r.Since)) >= f.rules.GetSilence().GetLearnFor().AsDuration()
	return q
}
