package alert

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/server/observe/notify"
)

const (
	// The longest one attempt may take. A notifier that hangs delays only itself.
	tryTimeout = 10 * time.Second
	// The wait between attempts doubles from the shortest to the longest.
	shortestWait = time.Second
	longestWait  = 5 * time.Minute
	// A notification is given up when it fails this long after the alert last changed; the alert shows that.
	giveUpAfter = 24 * time.Hour
)

// sender sends to one notifier, one notification at a time.
type sender struct {
	name     string
	critical bool // send critical alerts only
	notifier notify.Notifier
	wake     chan struct{} // holds a signal if there may be something to send
	cancel   context.CancelFunc

	// guarded by the engine's mu
	lastSent, lastErrorAt, failingSince time.Time
	lastError                           string
}

// useNotifiers replaces the notifiers. The caller holds mu.
func (e *Engine) useNotifiers(opened map[string]notify.Notifier) {
	for _, s := range e.notifiers {
		if s.cancel != nil {
			s.cancel()
		}
	}
	before := e.notifiers
	e.notifiers = map[string]*sender{}
	for name, notifier := range opened {
		s := &sender{
			name: name, notifier: notifier, wake: make(chan struct{}, 1),
			critical: e.config.Alerts.GetNotifiers()[name].GetSeverity() == "critical",
		}
		if old := before[name]; old != nil {
			s.lastSent, s.lastErrorAt, s.lastError, s.failingSince = old.lastSent, old.lastErrorAt, old.lastError, old.failingSince
		}
		e.notifiers[name] = s
		if e.running != nil {
			e.startSender(s)
		}
	}
}

func (e *Engine) startSender(s *sender) {
	ctx, cancel := context.WithCancel(e.running)
	s.cancel = cancel
	e.working.Go(func() { e.send(ctx, s) })
}

func (e *Engine) wakeSenders() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, s := range e.notifiers {
		select {
		case s.wake <- struct{}{}:
		default: // a signal is pending already
		}
	}
}

// tell makes notifications about an alert due for every notifier it concerns. It changes a and returns it. The caller holds mu.
func (e *Engine) tell(a *leadgatev1.Alert, kind leadgatev1.NotificationType, now time.Time) *leadgatev1.Alert {
	var notifications []*leadgatev1.AlertNotification
	for _, name := range slices.Sorted(maps.Keys(e.notifiers)) {
		s := e.notifiers[name]
		if s.critical && a.GetSeverity() != leadgatev1.AlertSeverity_ALERT_SEVERITY_CRITICAL || a.GetAlertId() == "notifier/"+name {
			continue
		}
		before := notificationFor(a, name)
		if kind == leadgatev1.NotificationType_NOTIFICATION_TYPE_REMINDER && before.GetNextAttemptTime() != nil {
			notifications = append(notifications, before) // the previous one is still due
			continue
		}
		notifications = append(notifications, newNotification(a, kind, name, now))
	}
	a.Notifications = notifications
	return a
}

// newNotification returns a notification that is due now.
func newNotification(a *leadgatev1.Alert, kind leadgatev1.NotificationType, notifier string, now time.Time) *leadgatev1.AlertNotification {
	return &leadgatev1.AlertNotification{
		NotificationId: notificationID(a, kind, notifier, now), Notifier: notifier, Type: kind, NextAttemptTime: timestamppb.New(now),
	}
}

func notificationFor(a *leadgatev1.Alert, notifier string) *leadgatev1.AlertNotification {
	i := slices.IndexFunc(a.GetNotifications(), func(n *leadgatev1.AlertNotification) bool { return n.GetNotifier() == notifier })
	if i < 0 {
		return nil
	}
	return a.GetNotifications()[i]
}

func notificationID(a *leadgatev1.Alert, kind leadgatev1.NotificationType, notifier string, now time.Time) string {
	hash := sha256.Sum256(fmt.Appendf(nil, "%s %d %s %d", a.GetAlertId(), kind, notifier, now.UnixNano()))
	return "msg_" + hex.EncodeToString(hash[:12])
}

// send sends one notifier's notifications as they become due, until ctx ends.
func (e *Engine) send(ctx context.Context, s *sender) {
	for {
		a, wait := e.nextFor(s)
		if a != nil {
			e.try(ctx, s, a)
			if ctx.Err() != nil {
				return
			}
			continue
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-s.wake:
		case <-timer.C:
		}
		timer.Stop()
		if ctx.Err() != nil {
			return
		}
	}
}

// nextFor returns the alert to send now: the one due longest, critical ones first if equal. If there is none, it returns how long
// to wait.
func (e *Engine) nextFor(s *sender) (next *leadgatev1.Alert, wait time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	now, earliest := e.now(), time.Time{}
	for _, a := range e.alerts {
		due := notificationFor(a, s.name).GetNextAttemptTime()
		if due == nil {
			continue
		}
		if at := due.AsTime(); earliest.IsZero() || at.Before(earliest) || at.Equal(earliest) && before(a, next) {
			next, earliest = a, at
		}
	}
	switch {
	case next == nil:
		return nil, longestWait
	case earliest.After(now):
		return nil, earliest.Sub(now)
	}
	return next, 0
}

// before reports whether an alert is sent before another that is due at the same time.
func before(a, other *leadgatev1.Alert) bool {
	if a.GetSeverity() != other.GetSeverity() {
		return a.GetSeverity() == leadgatev1.AlertSeverity_ALERT_SEVERITY_CRITICAL
	}
	return a.GetAlertId() < other.GetAlertId()
}

// try sends one alert once and records the result.
func (e *Engine) try(ctx context.Context, s *sender, a *leadgatev1.Alert) {
	n := notificationFor(a, s.name)
	trying, cancel := context.WithTimeout(ctx, tryTimeout)
	defer cancel()
	err := s.notifier.Notify(trying, e.message(a, n.GetNotificationId(), n.GetType()))
	if ctx.Err() != nil {
		return // stopping or reconfigured: it is sent again later, with the same identifier
	}
	e.options.Journal.Publish(e.note(s, a, n, err))
	e.saveAlerts(ctx)
}

// message returns what a notifier is given.
func (e *Engine) message(a *leadgatev1.Alert, id string, kind leadgatev1.NotificationType) *notify.Message {
	e.mu.Lock()
	defer e.mu.Unlock()
	return &notify.Message{ID: id, Type: kind, Alert: a, Time: e.now(), Gateway: e.config.Gateway}
}

// note records the result of an attempt and returns the event to publish.
func (e *Engine) note(s *sender, told *leadgatev1.Alert, n *leadgatev1.AlertNotification, err error) *leadgatev1.Event {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.now()
	done := proto.CloneOf(n)
	done.AttemptCount++
	event := &leadgatev1.SystemEvent{Alert: told, Notifier: s.name}
	if err == nil {
		done.SentTime, done.NextAttemptTime, done.LastError = timestamppb.New(now), nil, ""
		s.lastSent, s.lastError, s.failingSince = now, "", time.Time{}
		event.Type = leadgatev1.SystemEventType_SYSTEM_EVENT_TYPE_NOTIFICATION_SENT
		event.Detail = fmt.Sprintf("%s accepted the notification: %s", s.name, told.GetSummary())
	} else {
		wait := max(notify.After(err), min(longestWait, shortestWait<<min(done.GetAttemptCount()-1, 20)))
		done.LastError, done.NextAttemptTime = err.Error(), timestamppb.New(now.Add(wait))
		s.lastError, s.lastErrorAt = err.Error(), now
		if s.failingSince.IsZero() {
			s.failingSince = now
		}
		event.Type = leadgatev1.SystemEventType_SYSTEM_EVENT_TYPE_NOTIFICATION_FAILED
		event.Detail = fmt.Sprintf("%s did not accept a notification (%s): %v; it is sent again in %s", s.name, told.GetSummary(), err, short(wait))
		if now.Sub(told.GetUpdateTime().AsTime()) > giveUpAfter {
			done.NextAttemptTime = nil
			event.Detail = fmt.Sprintf("%s did not accept a notification (%s) for %s: %v; it is given up", s.name, told.GetSummary(), short(giveUpAfter), err)
		}
	}
	// The alert may have changed meanwhile. A newer notification stays due.
	if now := e.alerts[told.GetAlertId()]; notificationFor(now, s.name).GetNotificationId() == n.GetNotificationId() {
		changed := proto.CloneOf(now)
		changed.Notifications[slices.IndexFunc(changed.Notifications, func(other *leadgatev1.AlertNotification) bool { return other.GetNotifier() == s.name })] = done
		e.put(changed)
	}
	return &leadgatev1.Event{Time: timestamppb.New(now), Kind: &leadgatev1.Event_System{System: event}}
}

// failingNotifiers returns findings about notifiers that accept nothing. The caller holds mu.
func (e *Engine) failingNotifiers(now time.Time) []*finding {
	rule := e.general.GetNotifier()
	if rule.GetOff() {
		return nil
	}
	var findings []*finding
	for name, s := range e.notifiers {
		failing := !s.failingSince.IsZero() && now.Sub(s.failingSince) >= rule.GetAfter().AsDuration()
		findings = append(findings, &finding{
			rule: "notifier", name: name, verdict: wrongIf(failing), page: "alerts",
			summary: fmt.Sprintf("notifier %s has accepted no notification since %s", name, short(now.Sub(s.failingSince))), cause: s.lastError,
			action:  "Correct its settings under alerts: notifiers: of the configuration. What it did not accept is retried for a day.",
			command: "leadgate alerts test " + name,
		})
	}
	return findings
}

// Notifiers returns the state of the notifiers, sorted by name.
func (e *Engine) Notifiers() []*leadgatev1.Notifier {
	e.mu.Lock()
	defer e.mu.Unlock()
	var all []*leadgatev1.Notifier
	for _, name := range slices.Sorted(maps.Keys(e.notifiers)) {
		s := e.notifiers[name]
		n := &leadgatev1.Notifier{Name: name, Kind: s.notifier.Kind(), LastSentTime: stamp(s.lastSent), LastError: s.lastError}
		if s.lastError != "" {
			n.LastErrorTime = stamp(s.lastErrorAt)
		}
		for _, a := range e.alerts {
			if notificationFor(a, name).GetNextAttemptTime() != nil {
				n.Waiting++
			}
		}
		all = append(all, n)
	}
	return all
}

func stamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

// orList lists names in words.
func orList(names []string) string {
	if len(names) == 0 {
		return "none is configured"
	}
	return "there are: " + strings.Join(names, ", ")
}
