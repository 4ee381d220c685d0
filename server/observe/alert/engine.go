// Package alert notifies people when they are needed. It evaluates rules, remembers which alerts fire, and sends notifications
// through the configured notifiers: when an alert fires, as a reminder while it lasts, and when it is resolved.
//
// The rules (judge.go) look at counts of the journal's events (count.go) and at the state of the store and the worker. Their
// findings make alerts fire, go on and resolve (heed.go). Firing alerts are kept in the store (memory.go), so that a restart
// neither forgets nor repeats them.
package alert

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/server/observe/notify"
	"github.com/leadgate/leadgate/worker/journal"
	"github.com/leadgate/leadgate/worker/store"
)

const (
	// Rules are evaluated at this interval; a shorter one if a rule's window is very short.
	defaultInterval  = 5 * time.Second
	shortestInterval = 200 * time.Millisecond
	// The store and the worker must answer within this time.
	askTimeout = 5 * time.Second
)

// Store is what the engine needs of the store.
type Store interface {
	Counts(ctx context.Context) (map[string]store.Counts, error)
	Free() (free, needed uint64, err error)
	Writable() error
	// Size returns roughly how many bytes the store takes on disk.
	Size() int64
	State(namespace string) store.State
}

// Options configure an engine. Journal, Store and Destinations must be set.
type Options struct {
	Journal *journal.Journal
	Store   Store
	// DataDir is the store's directory, for messages.
	DataDir string
	// Destinations returns the state of the destinations, as ListDestinations does.
	Destinations func(context.Context) ([]*leadgatev1.Destination, error)
	// Lost returns how many log lines were lost since the start, and why the newest were; nil if none can be.
	Lost func() (lines int64, why string)
	// Drift returns what no longer fits the mapping, as ListDrift does; nil turns this off.
	Drift func(context.Context) ([]*leadgatev1.Drift, error)
	// Config is the initial configuration; see Prepare.
	Config Config
	// Now returns the current time; time.Now if nil.
	Now func() time.Time
	// Logger gets what no event reports; nil discards it.
	Logger *slog.Logger
	// Client makes the notifiers' requests; if nil, the engine makes one.
	Client *http.Client
	// Interval is the longest time between two evaluations of the rules; 5 s if 0.
	Interval time.Duration
	// Open opens notifiers; notify.Open if nil.
	Open func(*configv1.Notifier, notify.Environment) (notify.Notifier, error)
}

// Config is the part of the configuration that concerns alerts.
type Config struct {
	Alerts *configv1.Alerts
	// Forms are the configured forms.
	Forms map[string]*configv1.Form
	// Destinations are the names of the configured destinations.
	Destinations []string
	// Gateway is the gateway's public URL, without a trailing slash.
	Gateway string
	// Secret resolves references to secrets.
	Secret func(value string) (string, error)
}

// Engine evaluates rules and sends notifications. It is safe for concurrent use.
type Engine struct {
	options Options
	now     func() time.Time
	log     *slog.Logger
	started time.Time

	mu        sync.Mutex // never held for long: the journal's publishers wait for it
	config    Config
	hours     hours
	interval  time.Duration
	counters  *counters
	general   *configv1.AlertRules
	refused   string                       // why the configuration file was refused; empty if it was not
	alerts    map[string]*leadgatev1.Alert // by identifier; a message is never changed, but replaced
	unsaved   map[string]bool              // alerts whose present state is not stored yet
	wrong     map[string]time.Time         // since when, by identifier, for what is wrong but does not fire yet
	calm      map[string]int               // for how many rounds, by identifier, for what still fires
	notifiers map[string]*sender
	running   context.Context // nil before Start

	saving  sync.Mutex // held while alerts are saved, so that an older state never overwrites a newer one
	stopTap func()
	stop    context.CancelFunc
	working sync.WaitGroup
}

// New returns an engine that counts events from now on and knows the alerts of the previous process. Start starts evaluation.
func New(ctx context.Context, o Options) (*Engine, error) {
	e := &Engine{
		options: o, now: o.Now, log: o.Logger, alerts: map[string]*leadgatev1.Alert{}, unsaved: map[string]bool{},
		wrong: map[string]time.Time{}, calm: map[string]int{}, notifiers: map[string]*sender{}, stop: func() {},
	}
	if e.now == nil {
		e.now = time.Now
	}
	if e.log == nil {
		e.log = slog.New(slog.DiscardHandler)
	}
	if e.options.Interval == 0 {
		e.options.Interval = defaultInterval
	}
	if e.options.Lost == nil {
		e.options.Lost = func() (int64, string) { return 0, "" }
	}
	if e.options.Client == nil {
		e.options.Client = &http.Client{Transport: notify.NewTransport()}
	}
	if e.options.Open == nil {
		e.options.Open = notify.Open
	}
	e.started = e.now()
	if err := e.load(ctx); err != nil {
		return nil, fmt.Errorf("read alerts: %w", err)
	}
	use, err := e.Prepare(o.Config)
	if err != nil {
		return nil, err
	}
	use()
	e.stopTap = o.Journal.Tap(func(events []*leadgatev1.Event) {
		e.mu.Lock()
		defer e.mu.Unlock()
		for _, event := range events {
			e.counters.count(event)
			switch system := event.GetSystem(); system.GetType() {
			case leadgatev1.SystemEventType_SYSTEM_EVENT_TYPE_CONFIG_APPLIED:
				e.refused = ""
			case leadgatev1.SystemEventType_SYSTEM_EVENT_TYPE_CONFIG_REFUSED:
				e.refused = system.GetDetail()
			}
		}
	})
	return e, nil
}

// Prepare checks a configuration and returns a function that puts it into force. Firing alerts go on, unless their rule is gone.
func (e *Engine) Prepare(c Config) (use func(), err error) {
	h, err := newHours(c.Alerts.GetBusinessHours())
	if err != nil {
		return nil, fmt.Errorf("alerts: %w", err)
	}
	opened := map[string]notify.Notifier{}
	env := notify.Environment{Secret: c.Secret, Client: e.options.Client, Now: e.now}
	for name, cfg := range c.Alerts.GetNotifiers() {
		if opened[name], err = e.options.Open(cfg, env); err != nil {
			return nil, fmt.Errorf("alerts: notifier %s: %w", name, err)
		}
	}
	fresh, err := e.remember(c)
	if err != nil {
		return nil, err
	}
	return func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		if e.counters != nil {
			fresh.keep(e.counters)
		}
		e.config, e.hours, e.counters = c, h, fresh
		e.general = rulesFor(c.Alerts.GetRules(), nil)
		e.interval = e.shortestWindow()
		e.useNotifiers(opened)
	}, nil
}

// remember returns counters for a configuration, restored from the store and the journal's history.
func (e *Engine) remember(c Config) (*counters, error) {
	now := e.now()
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	general := rulesFor(c.Alerts.GetRules(), nil)
	fresh := &counters{
		destinations: map[string]*destination{}, forms: map[string]*form{},
		lost: lostLines{windowed: newWindowed[int64](general.GetLogLines().GetWindow().AsDuration(), now)},
	}
	for _, name := range c.Destinations {
		d := newDestination(rulesFor(c.Alerts.GetRules(), c.Alerts.GetDestinations()[name]), now)
		if err := e.recallDestination(ctx, name, d); err != nil {
			return nil, err
		}
		fresh.destinations[name] = d
	}
	for name := range c.Forms {
		r, err := e.recallRhythm(ctx, name, now)
		if err != nil {
			return nil, err
		}
		fresh.forms[name] = newForm(rulesFor(c.Alerts.GetRules(), c.Alerts.GetForms()[name]), r, now)
	}
	fresh.recount(e.options.Journal.Recent(), now)
	return fresh, nil
}

// keep takes over the observations of the previous counters, where form or destination still exist.
func (c *counters) keep(before *counters) {
	for name, d := range c.destinations {
		if old := before.destinations[name]; old != nil {
			d.lastSuccess, d.firstQueued, d.firstLead, d.changed = old.lastSuccess, old.firstQueued, old.firstLead, true
			d.cases = old.cases
			d.calls.keep(old.calls)
			d.limited.keep(old.limited)
			d.dead.keep(old.dead)
			for _, named := range d.errors {
				named.keep(old.errors)
			}
		}
	}
	for name, f := range c.forms {
		if old := before.forms[name]; old != nil {
			f.rhythm, f.held, f.rejected, f.late, f.lateAt = old.rhythm, old.held, old.rejected, old.late, old.lateAt
			f.submissions.keep(old.submissions)
			f.holds.keep(old.holds)
			f.speed.keep(old.speed)
		}
	}
	c.lost.keep(before.lost.windowed)
	c.lost.all = before.lost.all
}

// keep takes over the counts of the rule of the same name.
func (e *crmError) keep(before []*crmError) {
	for _, old := range before {
		if old.rule.GetName() == e.rule.GetName() {
			e.total = old.total
			if old.rule.GetPattern() == e.rule.GetPattern() {
				e.newest = old.newest
				e.seen.keep(old.seen)
			}
		}
	}
}

// shortestWindow returns the evaluation interval: a fifth of the shortest window of any rule, within bounds.
func (e *Engine) shortestWindow() time.Duration {
	shortest := e.options.Interval * 5
	consider := func(all ...interface{ AsDuration() time.Duration }) {
		for _, d := range all {
			if d := d.AsDuration(); d > 0 {
				shortest = min(shortest, d)
			}
		}
	}
	rules := []*configv1.AlertRules{e.general}
	for _, d := range e.counters.destinations {
		rules = append(rules, d.rules)
	}
	for _, f := range e.counters.forms {
		rules = append(rules, f.rules)
	}
	for _, r := range rules {
		consider(r.GetErrorRate().GetWindow(), r.GetNoSuccess().GetWindow(), r.GetRateLimited().GetWindow(), r.GetOldestWaiting().GetAbove(),
			r.GetDead().GetWindow(), r.GetHolds().GetWindow(), r.GetRejections().GetWindow(), r.GetSilence().GetAtLeast(),
			r.GetPaused().GetAfter(), r.GetBreaker().GetAfter(), r.GetNotifier().GetAfter(), r.GetConfiguration().GetAfter(), r.GetLogLines().GetWindow())
		for _, named := range r.GetCrmErrors() {
			consider(named.GetWindow())
		}
	}
	return max(shortestInterval, shortest/5)
}

// Start evaluates the rules and sends notifications until Close.
func (e *Engine) Start() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.running, e.stop = context.WithCancel(context.Background())
	for _, s := range e.notifiers {
		e.startSender(s)
	}
	e.working.Go(func() { e.run(e.running) })
}

func (e *Engine) run(ctx context.Context) {
	saved := e.now()
	for {
		e.mu.Lock()
		interval := e.interval
		e.mu.Unlock()
		timer := time.NewTimer(interval)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		e.judge(ctx)
		if now := e.now(); now.Sub(saved) >= rememberEvery {
			e.saveMemory(ctx)
			saved = now
		}
	}
}

// Close stops the engine and stores its state. It may be called again.
func (e *Engine) Close() error {
	e.mu.Lock()
	stop, tapped := e.stop, e.stopTap
	e.stopTap = nil
	e.mu.Unlock()
	stop()
	e.working.Wait()
	e.options.Client.CloseIdleConnections()
	if tapped == nil {
		return nil
	}
	tapped()
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	e.saveMemory(ctx)
	e.saveAlerts(ctx)
	return nil
}

// Alerts returns all known alerts: firing ones first, and in each state the newest first.
func (e *Engine) Alerts() []*leadgatev1.Alert {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.SortedFunc(maps.Values(e.alerts), func(a, b *leadgatev1.Alert) int {
		if a.GetState() != b.GetState() {
			return int(a.GetState()) - int(b.GetState())
		}
		return b.GetFireTime().AsTime().Compare(a.GetFireTime().AsTime())
	})
}

// Check reports errors in business hours that the schema cannot find.
func Check(c *configv1.BusinessHours) error {
	_, err := newHours(c)
	return err
}
