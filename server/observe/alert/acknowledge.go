package alert

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker"
)

// The default duration of an acknowledgement: a working day.
const acknowledgeFor = 8 * time.Hour

// AcknowledgeAlert implements WorkerServiceServer.
func (s *service) AcknowledgeAlert(ctx context.Context, r *leadgatev1.AcknowledgeAlertRequest) (*leadgatev1.AcknowledgeAlertResponse, error) {
	hold := acknowledgeFor
	if r.GetDuration() != nil {
		hold = r.GetDuration().AsDuration()
	}
	a, err := s.engine.acknowledge(ctx, r.GetAlertId(), hold, r.GetNote())
	if err != nil {
		return nil, err
	}
	return &leadgatev1.AcknowledgeAlertResponse{Alert: a}, nil
}

// acknowledge records that somebody is working on a firing alert. There are no reminders until hold is over, and then one at once
// if it still fires. With hold 0, the acknowledgement is withdrawn. It is stored before acknowledge returns.
func (e *Engine) acknowledge(ctx context.Context, id string, hold time.Duration, note string) (*leadgatev1.Alert, error) {
	e.mu.Lock()
	now, old := e.now(), e.alerts[id]
	if old.GetState() != leadgatev1.AlertState_ALERT_STATE_FIRING {
		firing := e.firingNames()
		e.mu.Unlock()
		return nil, worker.Failure(nil, codes.NotFound, &errdetails.ErrorInfo{Reason: "ALERT_NOT_FIRING"},
			fmt.Sprintf("no alert %q is firing; %s", id, firing))
	}
	a := proto.CloneOf(old)
	detail := "the acknowledgement was withdrawn: " + a.GetSummary()
	if hold > 0 {
		a.AcknowledgeTime, a.AcknowledgedUntil, a.AcknowledgeNote = timestamppb.New(now), timestamppb.New(now.Add(hold)), note
		a.RemindTime = a.GetAcknowledgedUntil()
		detail = fmt.Sprintf("acknowledged for %s: %s", short(hold), a.GetSummary())
		e.tellIncidents(a, now)
	} else {
		a.AcknowledgeTime, a.AcknowledgedUntil, a.AcknowledgeNote = nil, nil, ""
		a.RemindTime = timestamppb.New(now.Add(e.remindEvery()))
	}
	if note != "" {
		detail += " (" + note + ")"
	}
	e.put(a)
	e.mu.Unlock()
	event := alertEvent(leadgatev1.SystemEventType_SYSTEM_EVENT_TYPE_ALERT_ACKNOWLEDGED, a, now)
	event.GetSystem().Detail = detail
	e.options.Journal.Publish(event)
	e.saveAlerts(ctx)
	e.wakeSenders()
	return a, nil
}

// tellIncidents sends the acknowledgement to notifiers that keep incidents and were told of the alert, so that they stop
// escalating. The caller holds mu.
func (e *Engine) tellIncidents(a *leadgatev1.Alert, now time.Time) {
	for i, n := range a.GetNotifications() {
		s := e.notifiers[n.GetNotifier()]
		if s == nil || !s.notifier.KeepsIncidents() || n.GetNextAttemptTime() != nil { // the firing has to be sent first
			continue
		}
		a.Notifications[i] = newNotification(a, leadgatev1.NotificationType_NOTIFICATION_TYPE_ACKNOWLEDGED, s.name, now)
	}
}

// firingNames returns the firing alerts in words. The caller holds mu.
func (e *Engine) firingNames() string {
	var names []string
	for _, id := range slices.Sorted(maps.Keys(e.alerts)) {
		if e.alerts[id].GetState() == leadgatev1.AlertState_ALERT_STATE_FIRING {
			names = append(names, id)
		}
	}
	if len(names) == 0 {
		return "none is"
	}
	return "these are: " + strings.Join(names, ", ")
}

// acknowledged reports whether somebody is working on an alert.
func acknowledged(a *leadgatev1.Alert, now time.Time) bool {
	return a.GetAcknowledgedUntil() != nil && now.Before(a.GetAcknowledgedUntil().AsTime())
}

// keepAcknowledgement carries an acknowledgement over to an alert that fires again, so that it is not sent.
func keepAcknowledgement(a, before *leadgatev1.Alert) {
	a.AcknowledgeTime, a.AcknowledgedUntil, a.AcknowledgeNote = before.GetAcknowledgeTime(), before.GetAcknowledgedUntil(), before.GetAcknowledgeNote()
	a.RemindTime = before.GetAcknowledgedUntil()
}

// wasTold reports whether notifications of an alert were sent or are due.
func wasTold(a *leadgatev1.Alert) bool { return len(a.GetNotifications()) > 0 }
