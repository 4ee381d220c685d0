package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/gen/openapi"
	"github.com/leadgate/leadgate/server"
	"github.com/leadgate/leadgate/server/config"
	"github.com/leadgate/leadgate/server/observe"
	"github.com/leadgate/leadgate/server/observe/alert"
	"github.com/leadgate/leadgate/server/observe/telemetry"
	"github.com/leadgate/leadgate/worker"
	"github.com/leadgate/leadgate/worker/journal"
	"github.com/leadgate/leadgate/worker/prepare"
	"github.com/leadgate/leadgate/worker/retention"
	"github.com/leadgate/leadgate/worker/store/badger"
)

// Time limits after SIGTERM for requests, and for everything including calls to CRMs. Requests get less, so that slow clients leave
// time for the calls. Kubernetes kills after 30 s.
const (
	stopServing = 12 * time.Second
	stopTimeout = 20 * time.Second
)

// gateway is all rooms put together.
type gateway struct {
	snapshot config.Snapshot // in force; only reload changes it
	level    *slog.LevelVar  // the level of log
	log      *slog.Logger
	output   *observe.Output // where log writes
	journal  *journal.Journal
	store    *badger.Store
	worker   *worker.Worker
	preparer *prepare.Preparer
	alerts   *alert.Engine
	observer *observe.Observer
	sending  *telemetry.Telemetry // nil if not configured
	logs     *telemetry.Logs      // nil if not configured
	keeper   *retention.Keeper
	server   *server.Server
	listener net.Listener
	source   *source // nil if the configuration never changes
}

// gatewayOptions are what the configuration does not contain.
type gatewayOptions struct {
	snapshot config.Snapshot
	out      io.Writer               // for log lines
	routes   map[string]http.Handler // additional pages, by path prefix
	source   *source                 // where to read the configuration again; nil if it never changes
	ballast  bool                    // reserve space that can be freed when the disk is full
}

// openGateway opens the rooms from the back of the house to the front. On error everything is closed again.
func openGateway(ctx context.Context, o gatewayOptions) (*gateway, error) {
	g := &gateway{snapshot: o.snapshot, source: o.source, level: &slog.LevelVar{}}
	if err := g.open(ctx, o); err != nil {
		return nil, errors.Join(err, g.close())
	}
	return g, nil
}

func (g *gateway) open(ctx context.Context, o gatewayOptions) (err error) {
	now := steadyClock()
	if g.listener, err = listen(ctx, o.snapshot.Config.GetListen()); err != nil {
		return err
	}
	if err = g.openLog(ctx, o); err != nil {
		return err
	}
	commits := observe.NewCommits()
	if err = g.openStore(ctx, o, commits, now); err != nil {
		return err
	}
	if err = g.openBack(now); err != nil {
		return err
	}
	service := worker.NewService(g.worker, version)
	if err = g.openObservers(ctx, service, commits, now); err != nil {
		return err
	}
	g.server, err = server.New(server.Options{
		Snapshot: g.snapshot,
		Store:    g.store,
		Journal:  g.journal,
		Worker:   g.alerts.Service(g.observer.Service(service)),
		Back:     g.worker,
		Preparer: g.preparer,
		Metrics:  g.observer.Metrics(),
		Answered: g.observer.Answered,
		OpenAPI:  openapi.JSON,
		Routes:   o.routes,
		Tracing:  g.sending.Traces(),
		Now:      now,
		Logger:   g.log,
	})
	return err
}

// openLog opens the log and its export.
func (g *gateway) openLog(ctx context.Context, o gatewayOptions) (err error) {
	cfg := g.snapshot.Config.GetLog()
	g.level.Set(observe.ParseLevel(cfg.GetLevel()))
	g.output = observe.NewOutput(o.out)
	g.log = observe.NewAdjustableLogger(g.output, cfg.GetFormat(), g.level)
	if g.logs, err = telemetry.StartLogs(ctx, telemetry.Options{Version: version, LookupEnv: os.LookupEnv, Logger: g.log}); err != nil {
		return err
	}
	g.log = g.logs.Beside(g.log, g.level)
	return nil
}

// openStore opens the store, and the journal of its events.
func (g *gateway) openStore(ctx context.Context, o gatewayOptions, commits *observe.Commits, now func() time.Time) error {
	g.journal = journal.New(journal.Options{Now: now})
	options, err := storeOptions(g.snapshot)
	if err != nil {
		return err
	}
	options.Ballast = o.ballast
	options.Now, options.Publish, options.Committed, options.Logger = now, g.journal.Committed, commits.Observe, g.log
	if g.store, err = badger.Open(options); err != nil {
		return err
	}
	recent, err := g.store.Recent(ctx, journal.DefaultHistory)
	if err != nil {
		return fmt.Errorf("read recent events: %w", err)
	}
	g.journal.Load(g.store.ID(), recent)
	return nil
}

// openBack opens the back of the house: what prepares leads, delivers them, and deletes them in time.
func (g *gateway) openBack(now func() time.Time) (err error) {
	g.worker, err = worker.New(worker.Options{
		Store: g.store, Journal: g.journal, Now: now, Logger: g.log,
		Resubmit: func(record *leadgatev1.LeadRecord) (*worker.Resubmission, error) { return g.server.Resubmit(record) },
	})
	if err != nil {
		return err
	}
	if err := g.worker.Apply(workerConfig(g.snapshot)); err != nil {
		return err
	}
	g.preparer = prepare.New(prepare.Options{Store: g.store, Journal: g.journal, Now: now, Logger: g.log})
	usePreparer, err := g.preparer.Prepare(prepareConfig(g.snapshot))
	if err != nil {
		return err
	}
	usePreparer()
	g.keeper = retention.New(retention.Options{Store: g.store, Journal: g.journal, Now: now, Logger: g.log})
	g.keeper.Apply(retentionPolicy(g.snapshot))
	return nil
}

// openObservers opens what observes leads and destinations: alerts, log lines, metrics and traces.
func (g *gateway) openObservers(ctx context.Context, service leadgatev1.WorkerServiceServer, commits *observe.Commits, now func() time.Time) error {
	destinations := func(ctx context.Context) ([]*leadgatev1.Destination, error) {
		answer, err := service.ListDestinations(ctx, &leadgatev1.ListDestinationsRequest{})
		return answer.GetDestinations(), err
	}
	drift := func(ctx context.Context) ([]*leadgatev1.Drift, error) {
		answer, err := service.ListDrift(ctx, &leadgatev1.ListDriftRequest{})
		return answer.GetDrifts(), err
	}
	dataDir, err := filepath.Abs(g.snapshot.Config.GetDataDir())
	if err != nil {
		return err
	}
	g.alerts, err = alert.New(ctx, alert.Options{
		Journal: g.journal, Store: g.store, DataDir: dataDir, Destinations: destinations, Drift: drift, Lost: g.output.Lost,
		Config: g.alertConfig(g.snapshot), Now: now, Logger: g.log,
	})
	if err != nil {
		return err
	}
	g.observer, err = observe.New(observe.Options{
		Journal: g.journal, Store: g.store, Commits: commits, Destinations: destinations, Drift: drift, Alerts: g.alerts.Alerts, Judged: g.alerts.Collector(),
		Lead: g.store.Lead, Delivery: g.store.Delivery,
		Logger: g.log, Output: g.output, Version: version, Now: now,
	})
	if err != nil {
		return err
	}
	g.observer.ShowPersonalData(g.snapshot.Config.GetLog().GetPersonalData() == "full")
	g.sending, err = telemetry.Start(ctx, telemetry.Options{
		Journal: g.journal, Gatherer: g.observer.Gatherer(), Version: version, Now: now, LookupEnv: os.LookupEnv, Logger: g.log,
	})
	return err
}

// prepareConfig returns the part of the configuration that concerns preparing leads.
func prepareConfig(s config.Snapshot) prepare.Config {
	return prepare.Config{Enrich: s.Config.GetEnrich(), Forms: s.Config.GetForms(), Secret: s.Secret}
}

// workerConfig returns the part of the configuration that concerns the worker.
func workerConfig(s config.Snapshot) worker.Config {
	return worker.Config{Revision: s.Revision, Destinations: s.Config.GetDestinations(), Forms: s.Config.GetForms(), Secret: s.Secret}
}

// retentionPolicy returns how long leads are kept.
func retentionPolicy(s config.Snapshot) retention.Policy {
	r := s.Config.GetRetention()
	return retention.Policy{Delivered: r.GetDelivered().AsDuration(), Undelivered: r.GetUndelivered().AsDuration()}
}

// alertConfig returns the part of the configuration that concerns alerts.
func (g *gateway) alertConfig(s config.Snapshot) alert.Config {
	address := strings.TrimSuffix(s.Config.GetPublicUrl(), "/")
	if address == "" {
		scheme := "http"
		if s.Config.GetTls() != nil {
			scheme = "https"
		}
		address = scheme + "://" + g.listener.Addr().String()
	}
	return alert.Config{
		Alerts: s.Config.GetAlerts(), Forms: s.Config.GetForms(), Destinations: slices.Sorted(maps.Keys(s.Config.GetDestinations())),
		Gateway: address, Secret: s.Secret,
	}
}

// listen listens on the configured address.
func listen(ctx context.Context, address string) (net.Listener, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("something else listens on %s already: stop it, or choose another address with --listen, or listen: in the configuration", address)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("not allowed to listen on %s: ports below 1024 need a privilege; choose another with --listen", address)
	case err != nil:
		return nil, fmt.Errorf("listen on %s: %w", address, err)
	}
	return listener, nil
}

// openTo says who is served if the configuration has no API keys.
func (g *gateway) openTo() string {
	if len(g.snapshot.Config.GetApiKeys()) > 0 {
		return ""
	}
	return "; without api_keys it serves forms to everybody, and all else to callers on this machine only"
}

// run serves until ctx ends. Then it stops accepting, finishes what is in progress, and closes the store.
func (g *gateway) run(ctx context.Context) error {
	g.worker.Start()
	g.preparer.Start()
	g.keeper.Start()
	g.alerts.Start()
	g.journal.Publish(systemEvent(leadgatev1.SystemEventType_SYSTEM_EVENT_TYPE_STARTED,
		fmt.Sprintf("leadgate %s listens on %s, configuration %s%s", version, g.listener.Addr(), g.snapshot.Revision, g.openTo())))
	served := make(chan error, 1)
	go func() { served <- g.server.Serve(g.listener) }()
	stopReloading := g.keepReloading()
	var err error
	select {
	case err = <-served:
	case <-ctx.Done():
	}
	stopReloading()
	g.worker.Operations().Stop() // requests that wait for one would delay the shutdown
	g.journal.Publish(systemEvent(leadgatev1.SystemEventType_SYSTEM_EVENT_TYPE_STOPPING, ""))
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	serving, cancelServing := context.WithTimeout(stopping, stopServing)
	defer cancelServing()
	return errors.Join(err, g.server.Shutdown(serving), g.worker.Stop(stopping), g.close())
}

// close closes whatever is open, from the front of the house to the back.
func (g *gateway) close() error {
	var problems []error
	if g.listener != nil {
		_ = g.listener.Close() // already closed by the server if it ever ran
	}
	if g.keeper != nil {
		g.keeper.Stop()
	}
	if g.alerts != nil {
		problems = append(problems, g.alerts.Close())
	}
	if g.preparer != nil {
		g.preparer.Stop()
	}
	if g.observer != nil {
		g.observer.KeepFigures()
	}
	if g.store != nil {
		problems = append(problems, g.store.Close())
	}
	if err := g.sending.Close(); err != nil {
		g.log.Warn("the last telemetry could not be sent", "error", err) // no reason to fail
	}
	if g.journal != nil {
		g.journal.Close()
	}
	if g.observer != nil {
		problems = append(problems, g.observer.Close())
	}
	if err := g.logs.Close(); err != nil {
		g.log.Warn("the last log lines could not be sent", "error", err) // they were written locally
	}
	return errors.Join(problems...)
}

// steadyClock returns a clock that starts at the wall clock's time and advances monotonically. Setting the wall clock while
// leadgate runs therefore expires no keys and makes nothing due.
func steadyClock() func() time.Time {
	start := time.Now()
	wall := start.Round(0) // strip the monotonic reading, so that times compare as they are stored
	return func() time.Time { return wall.Add(time.Since(start)) }
}

func systemEvent(kind leadgatev1.SystemEventType, detail string) *leadgatev1.Event {
	return &leadgatev1.Event{Kind: &leadgatev1.Event_System{System: &leadgatev1.SystemEvent{Type: kind, Detail: detail}}}
}

// environment is where the configuration's references are resolved.
func environment() config.Environment {
	return config.Environment{LookupEnv: os.LookupEnv, ReadFile: os.ReadFile}
}
