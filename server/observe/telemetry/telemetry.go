// Package telemetry sends traces, metrics and log lines over OTLP, where OpenTelemetry's standard environment variables ask for it.
//
// Spans are made of the journal's events, as log lines and metrics are: one for the submission, one for each call to a CRM, in
// the trace that came with the request, however long the lead waited in between. Nothing is on the way of a lead, and with
// telemetry off there is nothing at all. The metrics are those that Prometheus scrapes.
package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	promclient "github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/contrib/bridges/prometheus"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/leadgate/leadgate/worker/journal"
)

// How long what is left may take to be sent at the end.
const flushTimeout = 5 * time.Second

// Options are what is sent. Journal, Gatherer and LookupEnv must be set.
type Options struct {
	// Journal is where events come from.
	Journal *journal.Journal
	// Gatherer has the metrics.
	Gatherer promclient.Gatherer
	// Version of the gateway.
	Version string
	// Now is the time; time.Now if nil.
	Now func() time.Time
	// LookupEnv returns an environment variable, and whether it is set.
	LookupEnv func(name string) (string, bool)
	// Logger gets what could not be sent; nil drops it.
	Logger *slog.Logger
}

// Telemetry sends until it is closed. The zero value and nil send nothing.
type Telemetry struct {
	traces  bool
	stopTap func()
	close   []func(context.Context) error
}

// Wanted says whether the environment asks for traces and for metrics: OTEL_EXPORTER_OTLP_ENDPOINT, or that of one signal, or
// OTEL_TRACES_EXPORTER and OTEL_METRICS_EXPORTER with "otlp". OTEL_SDK_DISABLED=true switches everything off.
func Wanted(lookup func(string) (string, bool)) (traces, metrics bool) {
	get := func(name string) string { value, _ := lookup(name); return value }
	if strings.EqualFold(get("OTEL_SDK_DISABLED"), "true") {
		return false, false
	}
	wanted := func(signal string) bool {
		switch exporter := get("OTEL_" + signal + "_EXPORTER"); exporter {
		case "":
			return get("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || get("OTEL_EXPORTER_OTLP_"+signal+"_ENDPOINT") != ""
		default:
			return exporter == "otlp"
		}
	}
	return wanted("TRACES"), wanted("METRICS")
}

// Start begins to send what the environment asks for; it returns nil if that is nothing.
func Start(ctx context.Context, o Options) (*Telemetry, error) {
	traces, metrics := Wanted(o.LookupEnv)
	if !traces && !metrics {
		return nil, nil
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	described, err := describe(ctx, o)
	if err != nil {
		return nil, err
	}
	t := &Telemetry{traces: traces, stopTap: func() {}}
	if traces {
		if err := t.startTraces(ctx, o, described); err != nil {
			return nil, errors.Join(fmt.Errorf("telemetry: traces: %w", err), t.Close())
		}
	}
	if metrics {
		if err := t.startMetrics(ctx, o, described); err != nil {
			return nil, errors.Join(fmt.Errorf("telemetry: metrics: %w", err), t.Close())
		}
	}
	return t, nil
}

// describe says who sends, and has what cannot be sent logged.
func describe(ctx context.Context, o Options) (*resource.Resource, error) {
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { o.Logger.Warn("telemetry could not be sent", "error", err) }))
	described, err := resource.New(ctx,
		resource.WithAttributes(attribute.String("service.name", "leadgate"), attribute.String("service.version", o.Version)),
		resource.WithTelemetrySDK(), resource.WithHost(), resource.WithFromEnv()) // the environment has the last word
	if err != nil && !errors.Is(err, resource.ErrPartialResource) {
		return nil, fmt.Errorf("telemetry: %w", err)
	}
	return described, nil
}

// protocol is how a signal is sent: grpc or http/protobuf, the default.
func protocol(o Options, signal string) string {
	for _, name := range []string{"OTEL_EXPORTER_OTLP_" + signal + "_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"} {
		if value, ok := o.LookupEnv(name); ok && value != "" {
			return value
		}
	}
	return "http/protobuf"
}

func unknownProtocol(name string) error {
	return fmt.Errorf("OTEL_EXPORTER_OTLP_PROTOCOL is %q; leadgate knows grpc and http/protobuf", name)
}

func (t *Telemetry) startTraces(ctx context.Context, o Options, described *resource.Resource) (err error) {
	var exporter sdktrace.SpanExporter
	switch p := protocol(o, "TRACES"); p {
	case "grpc":
		exporter, err = otlptracegrpc.New(ctx)
	case "http/protobuf":
		exporter, err = otlptracehttp.New(ctx)
	default:
		err = unknownProtocol(p)
	}
	if err != nil {
		return err
	}
	// The sampler is the environment's, OTEL_TRACES_SAMPLER.
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(described), sdktrace.WithIDGenerator(chosenIDs{}))
	t.close = append(t.close, provider.Shutdown)
	spans := &spans{tracer: provider.Tracer("github.com/leadgate/leadgate"), now: o.Now}
	t.stopTap = o.Journal.Tap(spans.make)
	return nil
}

func (t *Telemetry) startMetrics(ctx context.Context, o Options, described *resource.Resource) (err error) {
	var exporter sdkmetric.Exporter
	switch p := protocol(o, "METRICS"); p {
	case "grpc":
		exporter, err = otlpmetricgrpc.New(ctx)
	case "http/protobuf":
		exporter, err = otlpmetrichttp.New(ctx)
	default:
		err = unknownProtocol(p)
	}
	if err != nil {
		return err
	}
	// How often is the environment's, OTEL_METRIC_EXPORT_INTERVAL.
	reader := sdkmetric.NewPeriodicReader(exporter, sdkmetric.WithProducer(prometheus.NewMetricProducer(prometheus.WithGatherer(o.Gatherer))))
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader), sdkmetric.WithResource(described))
	t.close = append(t.close, provider.Shutdown)
	return nil
}

// Traces says whether traces are sent.
func (t *Telemetry) Traces() bool { return t != nil && t.traces }

// Close sends what is left.
func (t *Telemetry) Close() error {
	if t == nil {
		return nil
	}
	t.stopTap()
	ctx, cancel := context.WithTimeout(context.Background(), flushTimeout)
	defer cancel()
	var problems []error
	for _, shut := range t.close {
		problems = append(problems, shut(ctx))
	}
	t.close = nil
	return errors.Join(problems...)
}
