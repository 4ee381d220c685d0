package main_test

import (
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	collectorlogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	collectormetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	collectortrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	logsv1 "go.opentelemetry.io/proto/otlp/logs/v1"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// collector receives OTLP over HTTP.
type collector struct {
	*httptest.Server
	mu      sync.Mutex
	spans   []*tracev1.Span
	metrics map[string]bool
	lines   []*logsv1.LogRecord
	changed chan struct{}
}

func newCollector(t *testing.T) *collector {
	t.Helper()
	c := &collector{metrics: map[string]bool{}, changed: make(chan struct{}, 1)}
	c.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		c.mu.Lock()
		defer c.mu.Unlock()
		var err error
		switch r.URL.Path {
		case "/v1/traces":
			request := &collectortrace.ExportTraceServiceRequest{}
			err = proto.Unmarshal(body, request)
			for _, resource := range request.GetResourceSpans() {
				for _, scope := range resource.GetScopeSpans() {
					c.spans = append(c.spans, scope.GetSpans()...)
				}
			}
		case "/v1/logs":
			request := &collectorlogs.ExportLogsServiceRequest{}
			err = proto.Unmarshal(body, request)
			for _, resource := range request.GetResourceLogs() {
				for _, scope := range resource.GetScopeLogs() {
					c.lines = append(c.lines, scope.GetLogRecords()...)
				}
			}
		case "/v1/metrics":
			request := &collectormetrics.ExportMetricsServiceRequest{}
			err = proto.Unmarshal(body, request)
			for _, resource := range request.GetResourceMetrics() {
				for _, scope := range resource.GetScopeMetrics() {
					for _, m := range scope.GetMetrics() {
						c.metrics[m.GetName()] = true
					}
				}
			}
		}
		if err != nil {
			t.Errorf("%s: %v", r.URL.Path, err)
		}
		select {
		case c.changed <- struct{}{}:
		default:
		}
	}))
	t.Cleanup(c.Close)
	return c
}

// await waits until the collector has what is wanted.
func (c *collector) await(t *testing.T, what string, there func() bool) {
	t.Helper()
	deadline := time.After(patience)
	for {
		c.mu.Lock()
		ok := there()
		c.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-c.changed:
		case <-deadline:
			t.Fatalf("no %s came; spans %v", what, c.spans)
		}
	}
}

func (c *collector) span(name string) *tracev1.Span {
	i := slices.IndexFunc(c.spans, func(s *tracev1.Span) bool {
		return s.GetName() == name && s.GetStatus().GetCode() != tracev1.Status_STATUS_CODE_ERROR
	})
	if i < 0 {
		return nil
	}
	return c.spans[i]
}

// The receiver of an http destination may trace as well.
func TestTheTraceGoesOnAtAnHTTPDestination(t *testing.T) {
	t.Parallel()
	c := newCollector(t)
	asked := make(chan string, 10)
	erp := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			asked <- r.Header.Get("traceparent")
		}
	}))
	defer erp.Close()
	config := writeFile(t, "leadgate.yaml", fmt.Sprintf(`
forms: { contact: {} }
destinations: { erp: { http: { url: %q } } }
`, erp.URL))
	g := start(t, []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + c.URL, "OTEL_BSP_SCHEDULE_DELAY=100"}, "serve", "--config", config, "--listen", "127.0.0.1:0", "--data-dir", t.TempDir())
	submit := func(header ...string) {
		t.Helper()
		if a := request(t, "POST", "http://"+g.address+"/v1/forms/contact/submissions", "application/json", `{"email":"a@example.com"}`, header...); a.status != 201 && a.status != 200 {
			t.Fatalf("answer %d %s", a.status, a.text)
		}
	}
	const traceID = "4bf92f3577b34da6a3ce929d0e0e4736"
	submit("traceparent", "00-"+traceID+"-00f067aa0ba902b7-01")
	got := <-asked
	c.await(t, "delivery", func() bool { return c.span("deliver to erp") != nil })
	c.mu.Lock()
	defer c.mu.Unlock()
	if want := "00-" + traceID + "-" + hex.EncodeToString(c.span("deliver to erp").GetSpanId()) + "-01"; got != want {
		t.Errorf("traceparent is %q, want %q", got, want)
	}
}

// The trace survives an outage and a power failure, because it is stored with the lead.
func TestOneTraceFromTheBrowserToTheCRMsAnswer(t *testing.T) {
	t.Parallel()
	h, c := newHouse(t), newCollector(t)
	environment := []string{
		"HUBSPOT_TOKEN=" + token, "OTEL_EXPORTER_OTLP_ENDPOINT=" + c.URL, "OTEL_BSP_SCHEDULE_DELAY=100", "OTEL_METRIC_EXPORT_INTERVAL=300",
	}
	again := func() {
		h.gateway.kill()
		h.gateway = start(t, environment, "serve", "--config", h.config, "--listen", "127.0.0.1:0", "--data-dir", h.data)
	}
	again()
	h.faults(`{"status":503,"path":"batch"}`) // the lead's own call, not the ping before it
	const traceID, browserSpan = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	a := request(t, "POST", h.url("/v1/forms/contact/submissions"), "application/json", `{"email":"a@example.com"}`, "traceparent", "00-"+traceID+"-"+browserSpan+"-01")
	if a.status != 201 {
		t.Fatalf("answer %d %s", a.status, a.text)
	}
	c.await(t, "submission", func() bool { return c.span("submit form contact") != nil })
	c.await(t, "call that failed", func() bool {
		return slices.ContainsFunc(c.spans, func(s *tracev1.Span) bool {
			return s.GetName() == "deliver to crm" && s.GetStatus().GetCode() == tracev1.Status_STATUS_CODE_ERROR
		})
	})
	again()
	h.faults(`{}`)
	c.await(t, "delivery", func() bool { return c.span("deliver to crm") != nil })
	c.await(t, "metrics", func() bool { return c.metrics["leadgate_events_total"] && c.metrics["leadgate_deliveries"] })

	c.mu.Lock()
	defer c.mu.Unlock()
	submission, delivery := c.span("submit form contact"), c.span("deliver to crm")
	for name, ids := range map[string][2]string{
		"trace of the submission":  {hex.EncodeToString(submission.GetTraceId()), traceID},
		"parent of the submission": {hex.EncodeToString(submission.GetParentSpanId()), browserSpan},
		"trace of the delivery":    {hex.EncodeToString(delivery.GetTraceId()), traceID},
		"parent of the delivery":   {hex.EncodeToString(delivery.GetParentSpanId()), hex.EncodeToString(submission.GetSpanId())},
	} {
		if ids[0] != ids[1] {
			t.Errorf("%s is %s, want %s", name, ids[0], ids[1])
		}
	}
	if delivery.GetStartTimeUnixNano() < submission.GetEndTimeUnixNano() || delivery.GetEndTimeUnixNano() < delivery.GetStartTimeUnixNano() {
		t.Errorf("times: submission %d to %d, delivery %d to %d", submission.GetStartTimeUnixNano(), submission.GetEndTimeUnixNano(),
			delivery.GetStartTimeUnixNano(), delivery.GetEndTimeUnixNano())
	}
}

// The exported log lines equal the written ones: the same attributes, masked, in the trace of the request.
func TestLogLinesAreSentOverOTLPWhereThatIsAskedFor(t *testing.T) {
	t.Parallel()
	h, c := newHouse(t), newCollector(t)
	h.gateway.kill()
	h.gateway = start(t, []string{"HUBSPOT_TOKEN=" + token, "OTEL_EXPORTER_OTLP_ENDPOINT=" + c.URL, "OTEL_LOGS_EXPORTER=otlp", "OTEL_TRACES_EXPORTER=none", "OTEL_METRICS_EXPORTER=none", "OTEL_BLRP_SCHEDULE_DELAY=50"},
		"serve", "--config", h.config, "--listen", "127.0.0.1:0", "--data-dir", h.data)
	const traceID = "4bf92f3577b34da6a3ce929d0e0e4736"
	request(t, "POST", h.url("/v1/forms/contact/submissions"), "application/json", `{"email":"ada@example.com"}`, "traceparent", "00-"+traceID+"-00f067aa0ba902b7-01")
	line := func(body string) *logsv1.LogRecord {
		i := slices.IndexFunc(c.lines, func(l *logsv1.LogRecord) bool { return l.GetBody().GetStringValue() == body })
		if i < 0 {
			return nil
		}
		return c.lines[i]
	}
	c.await(t, "line about the success", func() bool { return line("success") != nil })
	if err := h.gateway.stop(); err != nil {
		t.Error(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	success := line("success")
	attributes := map[string]string{}
	for _, a := range success.GetAttributes() {
		attributes[a.GetKey()] = a.GetValue().GetStringValue()
	}
	if hex.EncodeToString(success.GetTraceId()) != traceID || success.GetSeverityText() != "INFO" || success.GetTimeUnixNano() == 0 ||
		attributes["destination"] != "crm" || attributes["person"] != "a***@example.com" || attributes["record_id"] == "" {
		t.Errorf("the line is %v", success)
	}
	for _, l := range c.lines {
		if strings.Contains(l.String(), "ada@example.com") {
			t.Errorf("personal data in %v", l)
		}
	}
	// What is exported is also written, and the last lines were exported before the process ended.
	if !strings.Contains(h.gateway.lines.text(), `"stage":"success"`) || !slices.ContainsFunc(c.lines, func(l *logsv1.LogRecord) bool { return strings.Contains(l.String(), "stopping") }) {
		t.Error("lines are missing")
	}
}
