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
	properties  map[string]string // as mapped
	transport   *pace.Transport   // its Limiter is set by the lane
	backoff     pace.Backoff
	secrets     *secrets
	cfg         *configv1.Destination
	rate        float64 // requests per second; 0 for no limit
	leadRate    float64 // leads per second; 0 for no limit
	dayLimit    int     // requests a day; 0 for no limit
	batch       int     // leads in one call, at most
	concurrency int     // calls under way at one time, at most
	revision    string  // of the configuration
}

// connect makes the connection of a destination. Its kind reports quotas to report.
func (w *Worker) connect(c Config, name string, cfg *configv1.Destination, report func(crm.Quota)) (*connection, error) {
	var (
		kept crm.Vault // none without a store
		err  error
	)
	if w.store != nil {
		if kept, err = newVault(w.store, name); err != nil {
			return nil, err
		}
	}
	limits, retry := cfg.GetLimits(), cfg.GetRetry()
	conn := &connection{
		transport: &pace.Transport{Base: w.transport, Timeout: defaultTimeout},
		backoff: pace.Backoff{
			Initial: pace.DefaultInitialDelay, Max: pace.DefaultMaxDelay, GiveUpAfter: pace.DefaultGiveUpAfter,
		},
		concurrency: defaultConcurrency,
		revision:    c.Revision,
		secrets:     newSecrets(c.Secret),
		cfg:         cfg,
		leadRate:    limits.GetLeadsPerSecond(),
		dayLimit:    int(limits.GetRequestsPerDay()),
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
	conn.destination, err = w.open(cfg, crm.Environment{
		Client: &http.Client{
			Transport:     conn.transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		Secret: conn.secrets.get,
		Now:    w.now,
		Report: report,
		Vault:  kept,
	})
	if err != nil {
		return nil, err
	}
	conn.traits = conn.destination.Traits()
	if conn.batch = max(1, conn.traits.MaxBatch); limits.GetBatchSize() > 0 {
		conn.batch = min(conn.batch, int(limits.GetBatchSize()))
	}
	if conn.leadRate > 0 {
		conn.batch = max(1, min(conn.batch, int(conn.leadRate))) // more could never go in one second
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
	conn.properties = properties
	if conn.mapping, err = mapping.Compile(properties); err != nil {
		return nil, fmt.Errorf("properties: %w", err)
	}
	return conn, nil
}
