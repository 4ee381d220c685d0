// Package alert tells people when they are needed: it judges what happens by rules, remembers what fires, and has it told by
// the configured notifiers: once, again while it lasts, and when it is over.
//
// The rules (judge.go) look at what is counted from the journal's events (count.go) and at what the store and the worker say of
// themselves. What they find becomes an alert, goes on, and is over (heed.go). What fires is kept in the store (memory.go), so that a
// restart neither forgets nor repeats it.
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
	// Rules are asked this often; more often where a window is so short that it would matter.
	defaultInterval  = 5 * time.Second
	shortestInterval = 200 * time.Millisecond
	// What the store and the worker say of themselves must be there in this time.
	askTimeout = 5 * time.Second
)

// Store is what alerts need of the store.
type Store interface {
	Counts(ctx context.Context) (map[string]store.Counts, error)
	Free() (free, needed uint64, err error)
	Writable() error
	// Size is about how many bytes the store takes on the disk.
	Size() int64
	State(namespace string) store.State
}

// Options are what an engine works with. Journal, Store and Destinations must be set.
type Options struct {
	Journal *journal.Journal
	Store   Store
	// DataDir is where the store keeps what it stores, for people.
	DataDir string
	// Destinations tells how sending goes, as ListDestinations does.
	Destinations func(context.Context) ([]*leadgatev1.Destination, error)
	// Lost is how many log lines are lost since the start, and why the newest are; nil if none ever is.
	Lost func() (lines int64, why string)
	// Drift tells what does not fit any more, as ListDrift does; nil if nothing tells.
	Drift func(context.Context) ([]*leadgatev1.Drift, error)
	// Config is what is configured; see Prepare.
	Config Config
	// Now is the time; time.Now if nil.
	Now func() time.Time
	// Logger gets what no event tells; nil drops it.
	Logger *slog.Logger
	// Client makes the notifiers' requests; one with a transport of the engine's own if nil.
	Client *http.Client
	// Interval is how often rules are asked at least; 5 s if 0.
	Interval time.Duration
	// Open makes notifiers; notify.Open if nil.
	Open func(*configv1.Notifier, notify.Environment) (notify.Notifier, error)
}

// Config is what of the configuration concerns alerts.
type Config struct {
	Alerts *configv1.Alerts
	// Forms are the configured forms.
	Forms map[string]*configv1.Form
	// Destinations are the names of the configured destinations.
	Destinations []string
	// Gateway is the address at which people reach the gateway, without a slash at its end.
	Gateway string
	// Secret resolves references.
	Secret func(value string) (string, error)
}

// Engine judges. It is safe for concurrent use.
type Engine struct {
	options Options
	now     func() time.Time
	log     *slog.Logger
	started time.Time

	mu        sync.Mutex // held shortly: the journal's publishers wait for it
	config    Config
	hours     hours
	interval  time.Duration
	counters  *counters
	general   *configv1.AlertRules
	refused   string                       // why the configuration file is; empty while it is in force
	alerts    map[string]*leadgatev1.Alert // by identifier; a message is never changed, but replaced
	unsaved   map[string]bool              // alerts that the store does not have as they are
	wrong     map[string]time.Time         // since when, by identifier, for what does not fire yet
	calm      map[string]int               // for how many rounds, by identifier, for what fires still
	notifiers map[string]*sender
	running   context.Context // nil before Start

	saving  sync.Mutex // held while alerts are saved, so that an older state never replaces a newer
	stopTap func()
	stop    context.CancelFunc
	working sync.WaitGroup
}

// New makes an engine that counts from now on, and remembers what fired before. Start makes it judge.
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

// Prepare checks a configuration and returns what makes it the present one; the error names what is wrong with it. What fires
// goes on, unless its rule is gone.
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

// remember makes counters for a configuration and fills them with what is remembered.
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

// keep takes over what was observed until now of what stays.
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

// keep goes on counting what a rule of the same name counted.
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

// shortestWindow is how often rules are asked: five times within the shortest time that any of them knows.
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

// Start makes the engine judge and tell, until Close.
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

// Close stops judging, and keeps what must be known after a restart. It may be called again.
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

// Alerts returns all alerts that are known, firing ones first, the newest first.
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

// Check says what is wrong with business hours that their schema lets pass.
func Check(c *configv1.BusinessHours) error {
	_, err := newHours(c)
	return err
}
