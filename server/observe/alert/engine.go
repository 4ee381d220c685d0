// Package alert tells people when they are needed: it judges what happens by rules, remembers what fires, and has it told by
// the configured notifiers: once, again while it lasts, and when it is over.
//
// The rules (judge.go) look at what is counted from the journal's events (count.go) and at what the store and the worker say of
// themselves. What fires is kept in the store (memory.go), so that a restart neither forgets nor repeats it.
package alert

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

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
	// An alert is over when nothing is wrong for so many rounds: what flickers is one alert, and so is what a restart interrupts.
	calmRounds = 6
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
	// Drift tells what does not fit any more, as ListDrift does; nil if nothing tells.
	Drift func(context.Context) ([]*leadgatev1.Drift, error)
	// Config is what is configured; see Prepare.
	Config Config
	// Now is the time; time.Now if nil.
	Now func() time.Time
	// Logger gets what no event tells; nil drops it.
	Logger *slog.Logger
	// Client makes the notifiers' requests; http.DefaultClient if nil.
	Client *http.Client
	// Interval is how often rules are asked at least; 5 s if 0.
	Interval time.Duration
	// Open makes notifiers; notify.Open if nil.
	Open func(*configv1.Notifier, notify.Environment) (notify.Notifier, error)
}

// Config is what of the configuration concerns alerts.
type Config struct {
	Alerts *configv1.Alerts
	// Forms are the configured forms; a field that drifted and is mapped now is no drift any more.
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
	fresh := &counters{destinations: map[string]*destination{}, forms: map[string]*form{}}
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
		fresh.forms[name] = newForm(rulesFor(c.Alerts.GetRules(), c.Alerts.GetForms()[name]), r)
	}
	fresh.recount(e.options.Journal.Recent(), now)
	for name, f := range fresh.forms {
		f.rhythm.forget(c.Forms[name])
	}
	return fresh, nil
}

// keep takes over what was observed until now of what stays.
func (c *counters) keep(before *counters) {
	for name, d := range c.destinations {
		if old := before.destinations[name]; old != nil {
			d.lastSuccess, d.firstQueued, d.firstLead, d.changed = old.lastSuccess, old.firstQueued, old.firstLead, true
			d.cases = old.cases
			for _, named := range d.errors {
				named.keep(old.errors)
			}
		}
	}
	for name, f := range c.forms {
		if old := before.forms[name]; old != nil {
			drifts := f.rhythm.Drifts // without those that are mapped now
			f.rhythm = old.rhythm
			f.rhythm.Drifts, f.rhythm.changed = drifts, true
		}
	}
}

// keep goes on counting what a rule of the same name counted.
func (e *crmError) keep(before []*crmError) {
	for _, old := range before {
		if old.rule.GetName() == e.rule.GetName() {
			e.total = old.total
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
			r.GetPaused().GetAfter(), r.GetBreaker().GetAfter(), r.GetNotifier().GetAfter())
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

// judge asks every rule and lets alerts fire, be told again and be over.
func (e *Engine) judge(ctx context.Context) {
	m := e.look(ctx)
	if ctx.Err() != nil {
		return
	}
	e.mu.Lock()
	m.hours = e.hours
	findings := e.counters.judge(m)
	if !e.general.GetDisk().GetOff() {
		findings = append(findings, m.disk(uint64(e.general.GetDisk().GetBelowMib()), e.options.DataDir))
	}
	findings = append(findings, e.failingNotifiers(m.now)...)
	events := e.heed(findings, m.now)
	e.mu.Unlock()
	e.options.Journal.Publish(events...)
	e.saveAlerts(ctx)
	e.wakeSenders()
}

// look asks the store and the worker how they are.
func (e *Engine) look(ctx context.Context) *moment {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	m := &moment{now: e.now(), started: e.started, destinations: map[string]*leadgatev1.Destination{}, drifts: map[string][]*leadgatev1.Drift{}}
	counts, err := e.options.Store.Counts(ctx)
	if err == nil {
		var destinations []*leadgatev1.Destination
		destinations, err = e.options.Destinations(ctx)
		for _, d := range destinations {
			m.destinations[d.GetName()] = d
		}
	}
	if err == nil && e.options.Drift != nil {
		var drifts []*leadgatev1.Drift
		drifts, err = e.options.Drift(ctx)
		for _, d := range drifts {
			m.drifts[d.GetDestination()] = append(m.drifts[d.GetDestination()], d)
		}
	}
	if err != nil && ctx.Err() == nil {
		e.log.Warn("alerts cannot see the destinations", "error", err)
	}
	m.counts = counts
	m.free, _, m.diskErr = e.options.Store.Free()
	m.size = e.options.Store.Size()
	m.refusing = e.options.Store.Writable()
	return m
}

// heed makes alerts of findings, and returns what is to be published. It is called with mu held.
func (e *Engine) heed(findings []*finding, now time.Time) (events []*leadgatev1.Event) {
	judged := map[string]bool{}
	for _, f := range findings {
		id := f.id()
		judged[id] = true
		firing := e.alerts[id].GetState() == leadgatev1.AlertState_ALERT_STATE_FIRING
		if f.verdict != wrong {
			delete(e.wrong, id)
		}
		switch {
		case f.verdict == wrong && firing:
			delete(e.calm, id)
			e.goOn(f, now)
		case f.verdict == wrong:
			since, ok := e.wrong[id]
			if !ok {
				since = now
				e.wrong[id] = now
			}
			if now.Sub(since) >= f.after && !e.explained(f, now) {
				delete(e.wrong, id)
				events = append(events, e.fire(f, now)...)
			}
		case f.verdict == unsure && firing:
			delete(e.calm, id)
			e.remindIfDue(e.alerts[id], now)
		case firing:
			if e.calm[id]++; e.calm[id] >= calmRounds {
				events = append(events, e.resolve(e.alerts[id], now))
			}
		}
	}
	for id, a := range e.alerts {
		if a.GetState() == leadgatev1.AlertState_ALERT_STATE_FIRING && !judged[id] {
			if e.calm[id]++; e.calm[id] >= calmRounds { // its rule, form or destination is gone
				events = append(events, e.resolve(a, now))
			}
		}
	}
	return events
}

// explained says whether an alert that fires, or did until lately, explains a finding.
func (e *Engine) explained(f *finding, now time.Time) bool {
	for _, rule := range explains(f.rule) {
		cause := e.alerts[(&finding{rule: rule, form: f.form, destination: f.destination}).id()]
		switch cause.GetState() {
		case leadgatev1.AlertState_ALERT_STATE_FIRING:
			return true
		case leadgatev1.AlertState_ALERT_STATE_RESOLVED:
			if now.Sub(cause.GetResolveTime().AsTime()) < f.grace {
				return true
			}
		}
	}
	return false
}

func (e *Engine) fire(f *finding, now time.Time) []*leadgatev1.Event {
	a := e.describe(f)
	a.FireTime, a.UpdateTime = timestamppb.New(now), timestamppb.New(now)
	a.RemindTime = timestamppb.New(now.Add(e.remindEvery()))
	if before := e.alerts[f.id()]; acknowledged(before, now) { // whoever is on it knows that it comes and goes
		keepAcknowledgement(a, before)
		e.put(a)
	} else {
		e.put(e.tell(a, leadgatev1.NotificationType_NOTIFICATION_TYPE_FIRING, now))
	}
	delete(e.calm, a.GetAlertId())
	events := []*leadgatev1.Event{alertEvent(leadgatev1.SystemEventType_SYSTEM_EVENT_TYPE_ALERT_FIRING, a, now)}
	if f.rule == "silence" {
		events = append(events, &leadgatev1.Event{Time: timestamppb.New(now), Kind: &leadgatev1.Event_Form{Form: &leadgatev1.FormEvent{
			Type: leadgatev1.FormEventType_FORM_EVENT_TYPE_SILENT, Form: f.form, Detail: a.GetSummary() + ". " + a.GetCause(),
		}}})
	}
	return events
}

// goOn keeps the text of a firing alert true, and has it told again when it is time.
func (e *Engine) goOn(f *finding, now time.Time) {
	old := e.alerts[f.id()]
	a := e.describe(f)
	a.FireTime, a.UpdateTime, a.RemindTime, a.Notifications = old.GetFireTime(), old.GetUpdateTime(), old.GetRemindTime(), old.GetNotifications()
	a.AcknowledgeTime, a.AcknowledgedUntil, a.AcknowledgeNote = old.GetAcknowledgeTime(), old.GetAcknowledgedUntil(), old.GetAcknowledgeNote()
	if !proto.Equal(old, a) {
		a.UpdateTime = timestamppb.New(now)
		e.alerts[a.GetAlertId()] = a // saved with the next thing that happens to it: a number in a text is not worth a write
	}
	e.remindIfDue(a, now)
}

func (e *Engine) remindIfDue(a *leadgatev1.Alert, now time.Time) {
	if now.Before(a.GetRemindTime().AsTime()) {
		return
	}
	a = proto.CloneOf(a)
	a.RemindTime = timestamppb.New(now.Add(e.remindEvery()))
	e.put(e.tell(a, leadgatev1.NotificationType_NOTIFICATION_TYPE_REMINDER, now))
}

func (e *Engine) resolve(a *leadgatev1.Alert, now time.Time) *leadgatev1.Event {
	a = proto.CloneOf(a)
	a.State, a.ResolveTime, a.UpdateTime, a.RemindTime = leadgatev1.AlertState_ALERT_STATE_RESOLVED, timestamppb.New(now), timestamppb.New(now), nil
	if wasTold(a) {
		a = e.tell(a, leadgatev1.NotificationType_NOTIFICATION_TYPE_RESOLVED, now)
	}
	e.put(a)
	delete(e.calm, a.GetAlertId())
	return alertEvent(leadgatev1.SystemEventType_SYSTEM_EVENT_TYPE_ALERT_RESOLVED, a, now)
}

func (e *Engine) put(a *leadgatev1.Alert) {
	e.alerts[a.GetAlertId()] = a
	e.unsaved[a.GetAlertId()] = true
}

func (e *Engine) remindEvery() time.Duration {
	if d := e.config.Alerts.GetRemindEvery(); d != nil {
		return d.AsDuration()
	}
	return defaultRemindEvery
}

// describe is a finding as an alert that fires.
func (e *Engine) describe(f *finding) *leadgatev1.Alert {
	console := e.config.Gateway + "/console/"
	a := &leadgatev1.Alert{
		AlertId: f.id(), Rule: f.rule, State: leadgatev1.AlertState_ALERT_STATE_FIRING, Severity: leadgatev1.AlertSeverity_ALERT_SEVERITY_WARNING,
		Destination: f.destination, Form: f.form, Summary: capital(f.summary), Cause: f.cause, Action: f.action,
		Command: strings.ReplaceAll(f.command, "{gateway}", e.config.Gateway), Url: console + f.page, LeadId: f.lead,
	}
	if f.critical {
		a.Severity = leadgatev1.AlertSeverity_ALERT_SEVERITY_CRITICAL
	}
	if f.lead != "" {
		a.LeadUrl = console + "leads/" + f.lead
	}
	return a
}

// capital begins a sentence, unless it begins with a name.
func capital(text string) string {
	for _, word := range []string{"form ", "properties ", "leads ", "a lead ", "the ", "this ", "no lead ", "notifier "} {
		if strings.HasPrefix(text, word) {
			return strings.ToUpper(text[:1]) + text[1:]
		}
	}
	return text
}

func alertEvent(kind leadgatev1.SystemEventType, a *leadgatev1.Alert, now time.Time) *leadgatev1.Event {
	return &leadgatev1.Event{Time: timestamppb.New(now), Kind: &leadgatev1.Event_System{System: &leadgatev1.SystemEvent{
		Type: kind, Detail: a.GetSummary(), Alert: a,
	}}}
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
