// Package telemetry sends traces, metrics and log lines over OTLP, if OpenTelemetry's standard environment variables ask for it.
//
// Spans are made from the journal's events, like log lines and metrics: one for the submission and one for each call to a CRM, in
// the trace of the request, however long the lead waited in between. Nothing here delays a lead, and with telemetry off nothing
// runs. The metrics are those that Prometheus scrapes.
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

// How long Close may take to send what is left.
const flushTimeout = 5 * time.Second

// Options configure telemetry. Journal, Gatherer and LookupEnv must be set.
type Options struct {
	// Journal is the source of events.
	Journal *journal.Journal
	// Gatherer gathers the metrics.
	Gatherer promclient.Gatherer
	// Version is the gateway's version.
	Version string
	// Now returns the current time; time.Now if nil.
	Now func() time.Time
	// LookupEnv looks up an environment variable, like os.LookupEnv.
	LookupEnv func(name string) (string, bool)
	// Logger gets errors of sending; nil discards them.
	Logger *slog.Logger
}

// Telemetry sends traces and metrics until it is closed. A nil *Telemetry sends nothing.
type Telemetry struct {
	traces  bool
	stopTap func()
	close   []func(context.Context) error
}

// Wanted reports whether the environment asks for traces and for metrics: by OTEL_EXPORTER_OTLP_ENDPOINT, by the endpoint of a
// signal, or by OTEL_TRACES_EXPORTER or OTEL_METRICS_EXPORTER with "otlp". OTEL_SDK_DISABLED=true turns both off.
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

// Start starts to send what the environment asks for; it returns nil if that is nothing.
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

// describe returns the resource that identifies the sender, and sets OpenTelemetry's global error handler.
func describe(ctx context.Context, o Options) (*resource.Resource, error) {
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { o.Logger.Warn("telemetry could not be sent", "error", err) }))
	described, err := resource.New(ctx,
		resource.WithAttributes(attribute.String("service.name", "leadgate"), attribute.String("service.version", o.Version)),
		resource.WithTelemetrySDK(), resource.WithHost(), resource.WithFromEnv()) // the environment takes precedence
	if err != nil && !errors.Is(err, resource.ErrPartialResource) {
		return nil, fmt.Errorf("telemetry: %w", err)
	}
	return described, nil
}

// protocol returns the protocol of a signal: grpc or http/protobuf, the default.
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
	// The environment chooses the sampler, by OTEL_TRACES_SAMPLER.
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
	// The environment sets the interval, by OTEL_METRIC_EXPORT_INTERVAL.
	reader := sdkmetric.NewPeriodicReader(exporter, sdkmetric.WithProducer(prometheus.NewMetricProducer(prometheus.WithGatherer(o.Gatherer))))
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader), sdkmetric.WithResource(described))
	t.close = append(t.close, provider.Shutdown)
	return nil
}

// Traces reports whether traces are sent.
func (t *Telemetry) Traces() bool { return t != nil && t.traces }

// Close sends what is left and shuts down.
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
