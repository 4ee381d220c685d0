package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"go.opentelemetry.io/contrib/bridges/otelslog"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploggrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/trace"
)

// Logs sends log lines over OTLP until it is closed. A nil *Logs sends nothing.
type Logs struct{ provider *sdklog.LoggerProvider }

// LogsWanted reports whether the environment asks for log lines, by OTEL_LOGS_EXPORTER=otlp or OTEL_EXPORTER_OTLP_LOGS_ENDPOINT.
// The endpoint for all signals is not enough: lines also go to standard output, where they are usually collected already.
func LogsWanted(lookup func(string) (string, bool)) bool {
	get := func(name string) string { value, _ := lookup(name); return value }
	if strings.EqualFold(get("OTEL_SDK_DISABLED"), "true") {
		return false
	}
	if exporter := get("OTEL_LOGS_EXPORTER"); exporter != "" {
		return exporter == "otlp"
	}
	return get("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT") != ""
}

// StartLogs starts to send log lines if the environment asks for them; otherwise it returns nil. Options.Journal and Gatherer are
// not needed; Logger is.
func StartLogs(ctx context.Context, o Options) (*Logs, error) {
	if !LogsWanted(o.LookupEnv) {
		return nil, nil
	}
	described, err := describe(ctx, o)
	if err != nil {
		return nil, err
	}
	var exporter sdklog.Exporter
	switch p := protocol(o, "LOGS"); p {
	case "grpc":
		exporter, err = otlploggrpc.New(ctx)
	case "http/protobuf":
		exporter, err = otlploghttp.New(ctx)
	default:
		err = unknownProtocol(p)
	}
	if err != nil {
		return nil, fmt.Errorf("telemetry: logs: %w", err)
	}
	// A full queue drops the oldest lines: a slow collector blocks nobody. OTEL_BLRP_… set its size.
	return &Logs{sdklog.NewLoggerProvider(sdklog.WithProcessor(sdklog.NewBatchProcessor(exporter)), sdklog.WithResource(described))}, nil
}

// Beside returns a logger that writes to log and also sends its records of level and above.
func (l *Logs) Beside(log *slog.Logger, level slog.Leveler) *slog.Logger {
	if l == nil {
		return log
	}
	bridge := otelslog.NewHandler("github.com/leadgate/leadgate", otelslog.WithLoggerProvider(l.provider))
	return slog.New(slog.NewMultiHandler(log.Handler(), &sent{bridge, level}))
}

// Close sends what is left and shuts down.
func (l *Logs) Close() error {
	if l == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), flushTimeout)
	defer cancel()
	return errors.Join(l.provider.ForceFlush(ctx), l.provider.Shutdown(ctx))
}

// sent fills OTLP fields from attributes: the trace, and the stage as body of a record without message.
type sent struct {
	slog.Handler
	level slog.Leveler
}

// Enabled implements slog.Handler.
func (h *sent) Enabled(_ context.Context, level slog.Level) bool { return level >= h.level.Level() }

// Handle implements slog.Handler.
func (h *sent) Handle(ctx context.Context, r slog.Record) error {
	stage := ""
	r.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "stage":
			stage = a.Value.String()
		case "trace_id":
			if id, err := trace.TraceIDFromHex(a.Value.String()); err == nil {
				ctx = trace.ContextWithSpanContext(ctx, trace.NewSpanContext(trace.SpanContextConfig{TraceID: id}))
			}
		}
		return true
	})
	if r.Message == "" {
		r.Message = stage
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h *sent) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &sent{h.Handler.WithAttrs(attrs), h.level}
}

// WithGroup implements slog.Handler.
func (h *sent) WithGroup(name string) slog.Handler { return &sent{h.Handler.WithGroup(name), h.level} }
