package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"time"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/gen/openapi"
	front "github.com/leadgate/leadgate/server"
	"github.com/leadgate/leadgate/server/config"
	"github.com/leadgate/leadgate/server/observe"
	"github.com/leadgate/leadgate/server/observe/alert"
	"github.com/leadgate/leadgate/worker"
	"github.com/leadgate/leadgate/worker/journal"
	"github.com/leadgate/leadgate/worker/store/badger"
)

// The gateway always logs, counts and evaluates alerts. Their cost shows only in comparison with the same parts without them, so
// both are assembled here as in cmd/leadgate, but without what accepting does not need.

const partsConfig = `
destinations:
  sink:
    http: { url: "http://127.0.0.1:9/" }
`

// serveParts serves the gateway's parts, with a worker that is not started, and with or without observers.
func serveParts(ctx context.Context, observed bool) (err error) {
	l, err := listen(ctx)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(".", "parts-") // below the measurement's directory, which is removed
	if err != nil {
		return err
	}
	snapshot, err := config.Parse("bench.yaml", []byte(partsConfig), config.Environment{LookupEnv: os.LookupEnv, ReadFile: os.ReadFile})
	if err != nil {
		return err
	}
	events := journal.New(journal.Options{Now: time.Now})
	defer events.Close()
	commits := observe.NewCommits()
	options := badger.Options{Dir: dir, Now: time.Now, Publish: events.Committed}
	if observed {
		options.Committed = commits.Observe
	}
	store, err := badger.Open(options)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	events.Load(store.ID(), nil)
	back, err := worker.New(worker.Options{Store: store, Journal: events})
	if err != nil {
		return err
	}
	if err := back.Apply(worker.Config{Revision: snapshot.Revision, Destinations: snapshot.Config.GetDestinations(), Secret: snapshot.Secret}); err != nil {
		return err
	}
	p := &parts{dir: dir, snapshot: snapshot, journal: events, store: store, commits: commits, service: worker.NewService(back, "bench")}
	o := front.Options{Snapshot: snapshot, Store: store, Journal: events, Worker: p.service, OpenAPI: openapi.JSON, Metrics: http.NotFoundHandler()}
	if observed {
		stop, err := p.observe(ctx, &o)
		if err != nil {
			return err
		}
		defer stop()
	}
	house, err := front.New(o)
	if err != nil {
		return err
	}
	return p.serve(ctx, house, back, l)
}

type parts struct {
	dir      string
	snapshot config.Snapshot
	journal  *journal.Journal
	store    *badger.Store
	commits  *observe.Commits
	service  leadgatev1.WorkerServiceServer
}

// observe logs all events to a file, counts them and evaluates alerts, until stop is called.
func (p *parts) observe(ctx context.Context, o *front.Options) (stop func(), err error) {
	file, err := os.Create(p.dir + ".log")
	if err != nil {
		return nil, err
	}
	destinations := func(ctx context.Context) ([]*leadgatev1.Destination, error) {
		answer, err := p.service.ListDestinations(ctx, &leadgatev1.ListDestinationsRequest{})
		return answer.GetDestinations(), err
	}
	alerts, err := alert.New(ctx, alert.Options{
		Journal: p.journal, Store: p.store, DataDir: p.dir, Destinations: destinations,
		Config: alert.Config{Destinations: []string{"sink"}, Secret: p.snapshot.Secret},
	})
	if err != nil {
		return nil, err
	}
	output := observe.NewOutput(file)
	observer, err := observe.New(observe.Options{
		Journal: p.journal, Store: p.store, Commits: p.commits, Destinations: destinations, Alerts: alerts.Alerts, Judged: alerts.Collector(),
		Logger: observe.NewLogger(output, "json", "info"), Output: output, Version: "bench",
	})
	if err != nil {
		return nil, err
	}
	alerts.Start()
	o.Worker, o.Metrics = alerts.Service(observer.Service(p.service)), observer.Metrics()
	return func() {
		for _, err := range []error{alerts.Close(), observer.Close(), file.Close()} {
			if err != nil {
				fmt.Fprintln(os.Stderr, "bench:", err)
			}
		}
	}, nil
}

func (*parts) serve(ctx context.Context, house *front.Server, back *worker.Worker, l net.Listener) error {
	served := make(chan error, 1)
	go func() { served <- house.Serve(l) }()
	<-ctx.Done()
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	problems := []error{house.Shutdown(stopping), <-served, back.Stop(stopping)}
	return errors.Join(slices.DeleteFunc(problems, func(err error) bool { return errors.Is(err, context.DeadlineExceeded) })...)
}
