package observe

import (
	"log/slog"
	"net/http"
	"runtime"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

// metrics counts events. count must not be called concurrently; the rest is safe for concurrent use.
type metrics struct {
	registry          *prometheus.Registry
	logger            *slog.Logger
	stages            stageNames
	leads             *prometheus.CounterVec
	destinationEvents *prometheus.CounterVec
	formEvents        *prometheus.CounterVec
	systemEvents      *prometheus.CounterVec
	attempts          *prometheus.HistogramVec
	speed             *prometheus.HistogramVec
	requests          *prometheus.HistogramVec
	watchers          prometheus.Gauge
	configGood        prometheus.Gauge
	forms             labels
	destinations      labels
	reasons           labels
}

func newMetrics(o Options, stages stageNames) (*metrics, error) {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		logger:   o.Logger,
		stages:   stages,
		leads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "leadgate_events_total",
			Help: "Stages that leads reached, as in the log lines. reason says why one was rejected or held, or what a CRM's answer was like.",
		}, []string{"stage", "form", "destination", "reason"}),
		destinationEvents: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "leadgate_destination_events_total",
			Help: "What happened to destinations, such as paused, credentials_refused, breaker_opened, quota_spent or drift.",
		}, []string{"destination", "type"}),
		formEvents: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "leadgate_form_events_total",
			Help: "What happened to forms: drift, when a page renamed a field.",
		}, []string{"form", "type"}),
		systemEvents: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "leadgate_system_events_total",
			Help: "What happened to the gateway, such as started, config_applied, config_refused, restart_needed, error.",
		}, []string{"type"}),
		attempts: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "leadgate_delivery_attempt_duration_seconds",
			Help: "How long calls to the CRM took, by outcome: success, retry or dead.",
			// From a CRM next door to the default time limit of a call, 30 s.
			Buckets: []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"destination", "outcome"}),
		speed: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "leadgate_speed_to_lead_seconds",
			Help: "The time from the submission to the CRM's record, for each delivery.",
			// From immediate, through the five minutes after which a lead has gone cold, to an outage of a day.
			Buckets: []float64{.1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 14400, 86400},
		}, []string{"form"}),
		requests: newRequests(),
		watchers: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "leadgate_watchers", Help: "Who is watching deliveries at present: consoles, terminals, programs.",
		}),
	}
	m.configGood = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "leadgate_config_good",
		Help: "1 while the configuration in force is what the file says, 0 while the file is refused.",
	})
	m.configGood.Set(1)
	for number, name := range leadgatev1.SystemEventType_name { // increase() does not see the first value of a new series
		if number != int32(leadgatev1.SystemEventType_SYSTEM_EVENT_TYPE_UNSPECIFIED) {
			m.systemEvents.WithLabelValues(typeName(name, "SYSTEM_EVENT_TYPE_"))
		}
	}
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "leadgate_build_info", Help: "1, with the versions as labels.",
		ConstLabels: prometheus.Labels{"version": o.Version, "goversion": runtime.Version()},
	})
	info.Set(1)
	lost := prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "leadgate_log_lines_lost_total",
		Help: "Log lines that could not be written, or that nobody read.",
	}, func() float64 {
		lines, _ := o.Output.Lost()
		return float64(lines)
	})
	all := []prometheus.Collector{
		m.leads, m.destinationEvents, m.formEvents, m.systemEvents, m.attempts, m.speed, m.requests, m.watchers, m.configGood, info, lost, newFigures(o.Store, o.Destinations, o.Now),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	}
	if o.Commits != nil {
		all = append(all, o.Commits.calls, o.Commits.took)
	}
	if o.Destinations != nil {
		all = append(all, newLanes(o.Destinations))
	}
	if o.Drift != nil {
		all = append(all, newDrifts(o.Drift))
	}
	if o.Alerts != nil {
		all = append(all, newFiring(o.Alerts))
	}
	if o.Judged != nil {
		all = append(all, o.Judged)
	}
	for _, c := range all {
		if err := m.registry.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// handler serves the metrics that could be collected and logs errors: while the store fails, half of the metrics are better than
// none.
func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorHandling: promhttp.ContinueOnError,
		ErrorLog:      slog.NewLogLogger(m.logger.Handler(), slog.LevelWarn),
	})
}

func (m *metrics) count(event *leadgatev1.Event) {
	switch kind := event.GetKind().(type) {
	case *leadgatev1.Event_Lead:
		e := kind.Lead
		destination := m.destinations.of(e.GetDestination())
		m.leads.WithLabelValues(m.stages.of(e.GetStage()), m.forms.of(e.GetForm()), destination, m.reasons.of(reasonOf(e))).Inc()
		if outcome := m.outcomeOf(e); outcome != "" {
			m.attempts.WithLabelValues(destination, outcome).Observe(e.GetDuration().AsDuration().Seconds())
		}
		if d := e.GetSpeedToLead(); d != nil {
			m.speed.WithLabelValues(m.forms.of(e.GetForm())).Observe(d.AsDuration().Seconds())
		}
	case *leadgatev1.Event_Destination:
		kinds := typeName(kind.Destination.GetType().String(), "DESTINATION_EVENT_TYPE_")
		m.destinationEvents.WithLabelValues(m.destinations.of(kind.Destination.GetDestination()), kinds).Inc()
	case *leadgatev1.Event_Form:
		m.formEvents.WithLabelValues(m.forms.of(kind.Form.GetForm()), typeName(kind.Form.GetType().String(), "FORM_EVENT_TYPE_")).Inc()
	case *leadgatev1.Event_System:
		m.systemEvents.WithLabelValues(typeName(kind.System.GetType().String(), "SYSTEM_EVENT_TYPE_")).Inc()
		switch kind.System.GetType() {
		case leadgatev1.SystemEventType_SYSTEM_EVENT_TYPE_CONFIG_APPLIED:
			m.configGood.Set(1)
		case leadgatev1.SystemEventType_SYSTEM_EVENT_TYPE_CONFIG_REFUSED:
			m.configGood.Set(0)
		}
	}
}

// outcomeOf returns the outcome of the attempt that an event ends; empty if it ends none. FAILURE ends none: SUCCESS or DEAD
// follows.
func (m *metrics) outcomeOf(e *leadgatev1.LeadEvent) string {
	if e.GetDuration() == nil {
		return ""
	}
	switch e.GetStage() {
	case leadgatev1.Stage_STAGE_SUCCESS, leadgatev1.Stage_STAGE_RETRY, leadgatev1.Stage_STAGE_DEAD:
		return m.stages.of(e.GetStage())
	}
	return ""
}

// reasonOf returns the label for why a lead was rejected or held, or a call failed. An event's error text is no label, because its
// values are unbounded.
func reasonOf(e *leadgatev1.LeadEvent) string {
	switch e.GetStage() {
	case leadgatev1.Stage_STAGE_REJECTED, leadgatev1.Stage_STAGE_HELD:
		return strings.ToLower(e.GetReason())
	case leadgatev1.Stage_STAGE_RETRY, leadgatev1.Stage_STAGE_FAILURE, leadgatev1.Stage_STAGE_DEAD:
	default:
		return ""
	}
	switch status := e.GetCrmStatus(); {
	case e.GetDuration() == nil:
		return "not_sent"
	case status == 0:
		return "no_answer"
	case status < http.StatusMultipleChoices:
		return "in_part"
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return "credentials"
	case status == http.StatusTooManyRequests:
		return "rate_limited"
	case status < http.StatusInternalServerError:
		return "refused"
	}
	return "unavailable"
}
