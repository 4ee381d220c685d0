package telemetry_test

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/leadgate/leadgate/server/observe/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTheStandardVariablesSayWhatIsSent(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		env             map[string]string
		traces, metrics bool
	}{
		"nothing":          {nil, false, false},
		"an endpoint":      {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, true, true},
		"traces only":      {map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318/v1/traces"}, true, false},
		"no metrics":       {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_METRICS_EXPORTER": "none"}, true, false},
		"the default host": {map[string]string{"OTEL_TRACES_EXPORTER": "otlp"}, true, false},
		"disabled":         {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_SDK_DISABLED": "true"}, false, false},
	} {
		traces, metrics := telemetry.Wanted(func(name string) (string, bool) { value, ok := test.env[name]; return value, ok })
		if traces != test.traces || metrics != test.metrics {
			t.Errorf("%s: traces %t, metrics %t", name, traces, metrics)
		}
	}
}

func TestNothingRunsWhereNothingIsAskedFor(t *testing.T) {
	t.Parallel()
	sent, err := telemetry.Start(t.Context(), telemetry.Options{
		Gatherer: prometheus.NewRegistry(), LookupEnv: func(string) (string, bool) { return "", false },
	})
	if err != nil || sent != nil || sent.Traces() || sent.Close() != nil {
		t.Errorf("%v %v", sent, err)
	}
}

func TestAProtocolThatNobodyKnowsIsSaid(t *testing.T) {
	t.Parallel()
	_, err := telemetry.Start(t.Context(), telemetry.Options{Gatherer: prometheus.NewRegistry(), LookupEnv: func(name string) (string, bool) {
		value, ok := map[string]string{"OTEL_METRICS_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"}[name]
		return value, ok
	}})
	if want := `telemetry: metrics: OTEL_EXPORTER_OTLP_PROTOCOL is "http/json"; leadgate knows grpc and http/protobuf`; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}
