package alert

import (
	"context"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/journal"
)

// An alert is resolved after this many rounds without a finding, so that flickering or a restart does not make several alerts.
const calmRounds = 6

// judge evaluates all rules, and updates and sends alerts accordingly.
func (e *Engine) judge(ctx context.Context) {
	m := e.look(ctx)
	if ctx.Err() != nil {
		return
	}
	e.mu.Lock()
	m.hours = e.hours
	var findings []*finding
	if !m.blind {
		findings = e.counters.judge(m)
	}
	if !e.general.GetDisk().GetOff() {
		findings = append(findings, m.store(e.options.DataDir), m.disk(uint64(e.general.GetDisk().GetBelowMib()), e.options.DataDir))
	}
	if rule := e.general.GetConfiguration(); !rule.GetOff() {
		findings = append(findings, refusedConfiguration(e.refused, rule.GetAfter().AsDuration()))
	}
	e.counters.lost.count(m.lost, m.now)
	if rule := e.general.GetLogLines(); !rule.GetOff() {
		findings = append(findings, e.counters.lost.judge(rule, m.lostWhy, m.now))
	}
	findings = append(findings, e.failingNotifiers(m.now)...)
	events := e.heed(findings, m)
	e.mu.Unlock()
	e.options.Journal.Publish(events...)
	e.saveAlerts(ctx)
	e.wakeSenders()
}

// look reads the state of the store and the worker.
func (e *Engine) look(ctx context.Context) *moment {
	asking, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	m := &moment{now: e.now(), started: e.started, destinations: map[string]*leadgatev1.Destination{}, drifts: map[place][]*leadgatev1.Drift{}}
	counts, err := e.options.Store.Counts(asking)
	if err == nil {
		var destinations []*leadgatev1.Destination
		destinations, err = e.options.Destinations(asking)
		for _, d := range destinations {
			m.destinations[d.GetName()] = d
		}
	}
	if err == nil && e.options.Drift != nil {
		var drifts []*leadgatev1.Drift
		drifts, err = e.options.Drift(asking)
		for _, d := range drifts {
			at := place{d.GetForm(), d.GetDestination()}
			m.drifts[at] = append(m.drifts[at], d)
		}
	}
	if err != nil {
		m.blind = true
		if ctx.Err() == nil {
			e.log.Warn("alerts cannot see the destinations; they stay as they are", "error", err)
		}
	}
	m.counts = counts
	m.free, m.needed, m.diskErr = e.options.Store.Free()
	m.size = e.options.Store.Size()
	m.refusing = e.options.Store.Writable()
	m.lost, m.lostWhy = e.options.Lost()
	return m
}

// heed updates the alerts by the findings and returns the events to publish. An alert fires when something has been wrong for long
// enough and no firing alert explains it. It goes on while its rule finds it wrong or cannot judge, and is resolved after
// calmRounds in which the rule found nothing or was gone. While the engine is blind, nothing changes. The caller holds mu.
func (e *Engine) heed(findings []*finding, m *moment) (events []*leadgatev1.Event) {
	judged, now := map[string]bool{}, m.now
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
		if a.GetState() == leadgatev1.AlertState_ALERT_STATE_FIRING && !judged[id] && !m.blind {
			if e.calm[id]++; e.calm[id] >= calmRounds { // its rule, form or destination is gone
				events = append(events, e.resolve(a, now))
			}
		}
	}
	return events
}

// explained reports whether an alert that is firing, or was until recently, explains a finding.
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
	if before := e.alerts[f.id()]; acknowledged(before, now) { // whoever is working on it knows that it comes and goes
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

// goOn updates the text of a firing alert, and sends a reminder if it is due.
func (e *Engine) goOn(f *finding, now time.Time) {
	old := e.alerts[f.id()]
	a := e.describe(f)
	a.FireTime, a.UpdateTime, a.RemindTime, a.Notifications = old.GetFireTime(), old.GetUpdateTime(), old.GetRemindTime(), old.GetNotifications()
	a.AcknowledgeTime, a.AcknowledgedUntil, a.AcknowledgeNote = old.GetAcknowledgeTime(), old.GetAcknowledgedUntil(), old.GetAcknowledgeNote()
	if !proto.Equal(old, a) {
		a.UpdateTime = timestamppb.New(now)
		e.alerts[a.GetAlertId()] = a // saved with its next change: a new number in a text is not worth a write
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

// describe returns a firing alert for a finding. Its texts are single lines: they may contain text from strangers, which must not
// be able to forge other lines, such as the command.
func (e *Engine) describe(f *finding) *leadgatev1.Alert {
	console := e.config.Gateway + "/console/"
	a := &leadgatev1.Alert{
		AlertId: f.id(), Rule: f.rule, State: leadgatev1.AlertState_ALERT_STATE_FIRING, Severity: leadgatev1.AlertSeverity_ALERT_SEVERITY_WARNING,
		Destination: f.destination, Form: f.form, Summary: journal.OneLine(capital(f.summary)), Cause: journal.OneLine(f.cause), Action: journal.OneLine(f.action),
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

// capital capitalizes a sentence, unless it starts with a name.
func capital(text string) string {
	for _, word := range []string{"form ", "properties ", "leads ", "a lead ", "the ", "this ", "no lead ", "notifier ", "log lines "} {
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
