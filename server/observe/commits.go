package observe

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Commits measures the store's commits. It is made before the store, which reports to it, and before the observer, which exposes
// it. It is safe for concurrent use.
type Commits struct {
	calls prometheus.Histogram
	took  prometheus.Histogram
}

// NewCommits returns empty measures.
func NewCommits() *Commits {
	return &Commits{
		calls: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "leadgate_store_commit_calls",
			Help: "How many calls shared one commit, and with it one sync of the disk.",
			// The store merges at most 1024 calls.
			Buckets: prometheus.ExponentialBuckets(1, 2, 11),
		}),
		took: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "leadgate_store_commit_duration_seconds",
			Help: "How long commits took; nearly all of it is the disk's sync.",
			// From 0.2 ms, a good disk, to 3 s, an unusable one.
			Buckets: []float64{.0002, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, 1, 3},
		}),
	}
}

// Observe records one commit.
func (c *Commits) Observe(calls int, took time.Duration) {
	c.calls.Observe(float64(calls))
	c.took.Observe(took.Seconds())
}
