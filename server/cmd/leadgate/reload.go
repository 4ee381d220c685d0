package main

import (
	"os"
	"os/signal"
	"strings"
	"syscall"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/server/config"
	"github.com/leadgate/leadgate/server/observe"
)

// source is a configuration file that is read again when it changes, or a file it refers to does.
type source struct {
	path string
	over overrides
	// files are those that the last load read, successfully or not.
	files *config.Files
}

// load reads the current file.
func (s *source) load() (config.Snapshot, error) {
	s.files = config.NewFiles(environment())
	snapshot, err := config.Load(s.path, s.files.Environment())
	if err != nil {
		return config.Snapshot{}, err
	}
	s.over.apply(snapshot.Config)
	return snapshot, nil
}

// keepReloading puts every valid change of the configuration into force, until stop is called.
func (g *gateway) keepReloading() (stop func()) {
	if g.source == nil {
		return func() {}
	}
	watcher, err := config.NewWatcher()
	if err != nil {
		g.log.Warn("changes of the configuration are noticed late: files cannot be watched", "error", err)
	}
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGHUP)
	end, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			if err := watcher.Watch(g.source.files); err != nil {
				g.log.Warn("changes of some files are noticed late: their directories cannot be watched", "error", err)
			}
			select {
			case <-end:
				return
			case <-asked:
				g.reload()
			case <-watcher.Look():
				if g.source.files.Changed() {
					g.reload()
				}
			}
		}
	}()
	return func() {
		signal.Stop(asked)
		close(end)
		<-done
		_ = watcher.Close() // nothing depends on it any more
	}
}

// reload puts the current configuration file into force in all rooms or in none: every room checks it first, and if one refuses it,
// the others stay as they are. What cannot change while leadgate runs stays, and is reported.
func (g *gateway) reload() {
	before := g.snapshot
	snapshot, err := g.source.load()
	if err != nil {
		g.refuse(err)
		return
	}
	fixed := config.Fixed(before.Config, snapshot.Config)
	changed := config.Difference(before.Config, snapshot.Config)
	use, err := g.server.Prepare(snapshot)
	if err != nil {
		g.refuse(err)
		return
	}
	useAlerts, err := g.alerts.Prepare(g.alertConfig(snapshot))
	if err != nil {
		g.refuse(err)
		return
	}
	usePreparer, err := g.preparer.Prepare(prepareConfig(snapshot))
	if err != nil {
		g.refuse(err)
		return
	}
	// The back of the house comes first, so that no lead is queued for a destination that does not exist yet.
	if err := g.worker.Apply(workerConfig(snapshot)); err != nil {
		g.refuse(err)
		return
	}
	usePreparer()
	use()
	g.keeper.Apply(retentionPolicy(snapshot))
	useAlerts()
	g.observer.ShowPersonalData(snapshot.Config.GetLog().GetPersonalData() == "full")
	g.level.Set(observe.ParseLevel(snapshot.Config.GetLog().GetLevel()))
	g.snapshot = snapshot
	detail := "configuration " + snapshot.Revision + " is in force"
	switch {
	case len(changed) > 0:
		detail += "; changed: " + strings.Join(changed, ", ")
	case snapshot.Revision == before.Revision:
		detail += "; credentials and certificates were read again"
	}
	events := []*leadgatev1.Event{systemEvent(leadgatev1.SystemEventType_SYSTEM_EVENT_TYPE_CONFIG_APPLIED, detail)}
	if len(fixed) > 0 {
		events = append(events, systemEvent(leadgatev1.SystemEventType_SYSTEM_EVENT_TYPE_RESTART_NEEDED,
			"restart needed: "+strings.Join(fixed, ", ")+" changed, which takes effect when leadgate is started again; the rest is in force"))
	}
	g.journal.Publish(events...)
}

// refuse reports why a configuration was not put into force.
func (g *gateway) refuse(err error) {
	g.journal.Publish(systemEvent(leadgatev1.SystemEventType_SYSTEM_EVENT_TYPE_CONFIG_REFUSED,
		"configuration "+g.snapshot.Revision+" stays in force; "+strings.ReplaceAll(err.Error(), "\n", "; ")))
}
