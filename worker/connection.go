package worker

import (
	"errors"
	"fmt"
	"time"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/mapping"
	"github.com/leadgate/leadgate/worker/pace"
)

// Defaults of the configuration.
const (
	defaultConcurrency = 4
	defaultTimeout     = 30 * time.Second
)

// connection is a destination under one configuration. It is never changed; a new configuration makes a new one.
type connection struct {
	*session
	goingOn     bool // the session is that of the previous connection
	mapping     *mapping.Mapping
	properties  map[string]string   // from CRM property to lead field
	named       map[string][]string // values that the configuration names, by property
	backoff     pace.Backoff
	cfg         *configv1.Destination
	resolve     func(reference string) (string, error)
	rate        float64 // requests per second; 0 for no limit
	leadRate    float64 // leads per second; 0 for no limit
	dayLimit    int     // requests per day; 0 for no limit
	batch       int     // maximum number of leads per call
	concurrency int     // maximum number of calls in progress
	revision    string  // of the configuration
}

// connect makes the connection of a destination. It keeps the session of before, if there is one and nothing that concerns it
// changed. Otherwise it opens a new one, which reports quotas to report.
func (w *Worker) connect(c Config, name string, cfg *configv1.Destination, before *connection, report func(crm.Quota)) (*connection, error) {
	limits, retry := cfg.GetLimits(), cfg.GetRetry()
	conn := &connection{
		backoff: pace.Backoff{
			Initial: pace.DefaultInitialDelay, Max: pace.DefaultMaxDelay, GiveUpAfter: pace.DefaultGiveUpAfter,
		},
		concurrency: defaultConcurrency,
		revision:    c.Revision,
		cfg:         cfg,
		resolve:     c.Secret,
		leadRate:    limits.GetLeadsPerSecond(),
		dayLimit:    int(limits.GetRequestsPerDay()),
	}
	var err error
	if conn.goingOn = before != nil && before.goesOn(cfg, c.Secret); conn.goingOn {
		conn.session = before.session
	} else if conn.session, err = w.openSession(name, cfg, c.Secret, report); err != nil {
		return nil, err
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
	if conn.batch = max(1, conn.traits.MaxBatch); limits.GetBatchSize() > 0 {
		conn.batch = min(conn.batch, int(limits.GetBatchSize()))
	}
	if conn.leadRate > 0 {
		conn.batch = max(1, min(conn.batch, int(conn.leadRate))) // more could never be sent in one second
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
	conn.named = namedValues(name, properties, conn.mapping, c.Forms)
	return conn, nil
}
