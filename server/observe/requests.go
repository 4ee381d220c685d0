package observe

import (
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc/codes"
)

// newRequests returns a histogram of answer times.
func newRequests() *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "leadgate_request_duration_seconds",
		Help: "How long callers waited for the answer, over REST and gRPC, streams aside: by rpc and gRPC status, OK for 200 and 201.",
		// From a good disk's sync, which an accepted lead waits for, to when browsers give up.
		Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10},
	}, []string{"method", "code"})
}

// Answered records an answer. method is the full name of an rpc. It is safe for concurrent use.
func (o *Observer) Answered(method string, code codes.Code, took time.Duration) {
	o.metrics.requests.WithLabelValues(method[strings.LastIndexByte(method, '/')+1:], code.String()).Observe(took.Seconds())
}
