package worker_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/crm/simulator"
	api "github.com/leadgate/leadgate/worker/crm/simulator/http"
	"github.com/leadgate/leadgate/worker/crm/simulator/hubspot"
)

// crmLatency is how long the simulated CRMs take for an answer.
const crmLatency = 5 * time.Millisecond

// BenchmarkDeliveryToHubSpot brings leads that wait to a simulated HubSpot, a hundred in a call, over HTTP and from disk.
func BenchmarkDeliveryToHubSpot(b *testing.B) {
	sim := hubspot.New(hubspot.Options{TenSecondly: -1, Daily: -1})
	sim.SetFaults(simulator.Faults{Latency: simulator.Duration(crmLatency)})
	benchmarkDelivery(b, sim, func(address string) *configv1.Destination {
		return &configv1.Destination{
			Kind:   &configv1.Destination_Hubspot{Hubspot: &configv1.HubSpot{Token: "t", BaseUrl: address}},
			Limits: &configv1.Limits{Concurrency: 8, RequestsPerSecond: 10_000},
		}
	})
}

// BenchmarkDeliveryToHTTP brings leads that wait to an API that takes one in a request.
func BenchmarkDeliveryToHTTP(b *testing.B) {
	sim := api.New(api.Options{})
	sim.SetFaults(simulator.Faults{Latency: simulator.Duration(crmLatency)})
	benchmarkDelivery(b, sim, func(address string) *configv1.Destination {
		return &configv1.Destination{
			Kind:   &configv1.Destination_Http{Http: &configv1.HTTP{Url: address + "/leads"}},
			Limits: &configv1.Limits{Concurrency: 32},
		}
	})
}

func benchmarkDelivery(b *testing.B, handler http.Handler, destination func(address string) *configv1.Destination) {
	server := httptest.NewServer(handler)
	defer server.Close()
	w := newWalk(b, destination(server.URL))
	const portion = 500
	for i := 0; i < b.N; i += portion {
		var leads []lead
		for j := i; j < min(i+portion, b.N); j++ {
			leads = append(leads, lead{email: fmt.Sprintf("p%d@example.com", j), name: "Ada"})
		}
		w.accept(leads...)
	}
	begun := make(chan time.Time, 1) // the first window after a start is waited out, and not counted
	defer w.journal.Tap(func(events []*leadgatev1.Event) {
		for _, e := range events {
			if e.GetLead().GetStage() == stageCall {
				select {
				case begun <- time.Now():
				default:
				}
			}
		}
	})()
	b.ResetTimer()
	w.start()
	w.awaitDelivered(int64(b.N))
	b.StopTimer()
	b.ReportMetric(float64(b.N)/time.Since(<-begun).Seconds(), "leads/s")
}
