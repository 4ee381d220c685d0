package worker

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/mapping"
	"github.com/leadgate/leadgate/worker/pace"
)

// What stands where the configuration says nothing.
const (
	defaultConcurrency = 4
	defaultTimeout     = 30 * time.Second
)

// connection is a destination under one configuration. It never changes; a new configuration makes a new one.
type connection struct {
	destination crm.Destination
	traits      crm.Traits
	mapping     *mapping.Mapping
	transport   *pace.Transport // its Limiter is set by the lane
	backoff     pace.Backoff
	rate        float64 // requests per second; 0 for no limit
	batch       int     // leads in one call, at most
	concurrency int     // calls under way at one time, at most
	revision    string  // of the configuration
}

func (w *Worker) connect(c Config, cfg *configv1.Destination) (*connection, error) {
	limits, retry := cfg.GetLimits(), cfg.GetRetry()
	conn := &connection{
		transport: &pace.Transport{Base: w.transport, Timeout: defaultTimeout},
		backoff: pace.Backoff{
			Initial: pace.DefaultInitialDelay, Max: pace.DefaultMaxDelay, GiveUpAfter: pace.DefaultGiveUpAfter,
		},
		concurrency: defaultConcurrency,
		revision:    c.Revision,
	}
	if limits.GetTimeout() != nil {
		conn.transport.Timeout = limits.GetTimeout().AsDuration()
	}
	if retry.GetInitialDelay() != nil {
		conn.backoff.Initial = retry.GetInitialDelay().AsDuration()
	}
	if retry.GetMaxDelay() != nil {
		conn.backoff.Max = retry.GetMaxDelay().AsDuration()
	}
	if retry.GetGiveUpAfter() != nil {
		conn.backoff.GiveUpAfter = retry.GetGiveUpAfter().AsDuration()
	}
	if n := int(limits.GetConcurrency()); n > 0 {
		conn.concurrency = n
	}
	var err error
	conn.destination, err = w.open(cfg, crm.Environment{
		Client: &http.Client{
			Transport:     conn.transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		Secret: c.Secret,
		Now:    w.now,
	})
	if err != nil {
		return nil, err
	}
	conn.traits = conn.destination.Traits()
	if conn.batch = max(1, conn.traits.MaxBatch); limits.GetBatchSize() > 0 {
		conn.batch = min(conn.batch, int(limits.GetBatchSize()))
	}
	if conn.rate = limits.GetRequestsPerSecond(); conn.rate == 0 {
		conn.rate = conn.traits.RequestsPerSecond
	}
	properties := cfg.GetProperties()
	if len(properties) == 0 {
		properties = conn.traits.Defaults
	}
	if len(properties) == 0 {
		return nil, errors.New("properties: name at least one, as in \"email: email\"")
	}
	if conn.mapping, err = mapping.Compile(properties); err != nil {
		return nil, fmt.Errorf("properties: %w", err)
	}
	return conn, nil
}
