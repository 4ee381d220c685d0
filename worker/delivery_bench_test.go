package worker_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/crm/simulator"
	api "github.com/leadgate/leadgate/worker/crm/simulator/http"
	"github.com/leadgate/leadgate/worker/crm/simulator/hubspot"
)

// crmLatency is how long the simulated CRMs take to answer.
const crmLatency = 5 * time.Millisecond

// acceptRate is how many leads per second are accepted meanwhile, each by its own call.
const acceptRate = 2000

// BenchmarkDeliveryToHubSpot delivers waiting leads to a simulated HubSpot, a hundred per call, over HTTP and from disk.
func BenchmarkDeliveryToHubSpot(b *testing.B) { deliverToHubSpot(b, 0) }

// BenchmarkDeliveryToHubSpotWhileAccepting does the same while more leads come in.
func BenchmarkDeliveryToHubSpotWhileAccepting(b *testing.B) { deliverToHubSpot(b, acceptRate) }

func deliverToHubSpot(b *testing.B, accepting int) {
	sim := hubspot.New(hubspot.Options{TenSecondly: -1, Daily: -1})
	sim.SetFaults(simulator.Faults{Latency: simulator.Duration(crmLatency)})
	benchmarkDelivery(b, sim, func(address string) *configv1.Destination {
		return &configv1.Destination{
			Kind:   &configv1.Destination_Hubspot{Hubspot: &configv1.HubSpot{Token: "t", BaseUrl: address}},
			Limits: &configv1.Limits{Concurrency: 8, RequestsPerSecond: 10_000},
		}
	}, accepting)
}

// BenchmarkDeliveryToHTTP delivers waiting leads to an API that accepts one per request.
func BenchmarkDeliveryToHTTP(b *testing.B) { deliverToHTTP(b, 0) }

// BenchmarkDeliveryToHTTPWhileAccepting does the same while more leads come in.
func BenchmarkDeliveryToHTTPWhileAccepting(b *testing.B) { deliverToHTTP(b, acceptRate) }

func deliverToHTTP(b *testing.B, accepting int) {
	sim := api.New(api.Options{})
	sim.SetFaults(simulator.Faults{Latency: simulator.Duration(crmLatency)})
	benchmarkDelivery(b, sim, func(address string) *configv1.Destination {
		return &configv1.Destination{
			Kind:   &configv1.Destination_Http{Http: &configv1.HTTP{Url: address + "/leads"}},
			Limits: &configv1.Limits{Concurrency: 32},
		}
	}, accepting)
}

func benchmarkDelivery(b *testing.B, handler http.Handler, destination func(address string) *configv1.Destination, accepting int) {
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
	begun := make(chan time.Time, 1) // the first window after a start is not counted
	ended := make(chan time.Time, 1)
	delivered := 0
	defer w.journal.Tap(func(events []*leadgatev1.Event) {
		for _, e := range events {
			switch e.GetLead().GetStage() {
			case stageCall:
				select {
				case begun <- time.Now():
				default:
				}
			case stageSuccess:
				if delivered++; delivered == b.N {
					ended <- time.Now()
				}
			}
		}
	})()
	b.ResetTimer()
	w.start()
	began := <-begun
	stop := w.acceptMore(accepting)
	took := (<-ended).Sub(began).Seconds()
	b.StopTimer()
	if came := stop(); accepting > 0 {
		b.ReportMetric(float64(came)/took, "accepted/s")
	}
	b.ReportMetric(float64(b.N)/took, "leads/s")
	w.stop() // leads accepted meanwhile need not be delivered
}

// acceptMore accepts leads at a rate per second, each by its own call, until stop is called, which returns their number.
func (w *walk) acceptMore(rate int) (stop func() int) {
	if rate == 0 {
		return func() int { return 0 }
	}
	const turns = 100 // per second
	ticker, stopped, gone := time.NewTicker(time.Second/turns), make(chan struct{}), make(chan int)
	go func() {
		var calls sync.WaitGroup
		came := 0
		for {
			select {
			case <-ticker.C:
				for range rate / turns {
					came++
					l := lead{email: fmt.Sprintf("more%d@example.com", came), name: "Grace"}
					calls.Go(func() { w.accept(l) })
				}
			case <-stopped:
				calls.Wait()
				gone <- came
				return
			}
		}
	}()
	return func() int {
		ticker.Stop()
		close(stopped)
		return <-gone
	}
}
