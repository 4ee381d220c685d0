package observe

import (
	"context"
	"log/slog"
	"time"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/journal"
)

// lines writes one log line per event. It is not safe for concurrent use.
type lines struct {
	to     slog.Handler
	stages stageNames
	full   *fullData
	attrs  []slog.Attr // of the current line; the slice is reused
}

func (l *lines) write(event *leadgatev1.Event) {
	level := levelOf(event)
	ctx := context.Background() // there is no caller to cancel it
	if !l.to.Enabled(ctx, level) {
		return
	}
	l.attrs = l.attrs[:0]
	var message string
	switch kind := event.GetKind().(type) {
	case *leadgatev1.Event_Lead:
		l.lead(kind.Lead)
	case *leadgatev1.Event_Destination:
		message = l.full.mask(kind.Destination.GetDetail())
		l.text("event", typeName(kind.Destination.GetType().String(), "DESTINATION_EVENT_TYPE_"))
		l.text("destination", kind.Destination.GetDestination())
		l.number("crm_status", int64(kind.Destination.GetCrmStatus()))
	case *leadgatev1.Event_Form:
		message = l.full.mask(kind.Form.GetDetail())
		l.text("event", typeName(kind.Form.GetType().String(), "FORM_EVENT_TYPE_"))
		l.text("form", kind.Form.GetForm())
		l.text("field", kind.Form.GetField())
		l.text("lead_field", kind.Form.GetLeadField())
		l.text("suggestion", kind.Form.GetSuggestion())
		l.text("lead_id", kind.Form.GetLeadId())
	case *leadgatev1.Event_System:
		message = l.full.mask(kind.System.GetDetail())
		if kind.System.GetType() == leadgatev1.SystemEventType_SYSTEM_EVENT_TYPE_ALERT_RESOLVED {
			message = "over: " + message
		}
		l.text("event", typeName(kind.System.GetType().String(), "SYSTEM_EVENT_TYPE_"))
		l.text("notifier", kind.System.GetNotifier())
		l.alert(kind.System.GetAlert())
	}
	record := slog.NewRecord(event.GetTime().AsTime(), level, journal.OneLine(message), 0) // text logs show it unescaped
	record.AddAttrs(l.attrs...)
	_ = l.to.Handle(ctx, record) // there is nowhere to report a failure to log
}

// alert adds what an operator needs who sees nothing but the log.
func (l *lines) alert(a *leadgatev1.Alert) {
	if a == nil {
		return
	}
	l.text("alert", a.GetAlertId())
	l.text("severity", typeName(a.GetSeverity().String(), "ALERT_SEVERITY_"))
	l.text("form", a.GetForm())
	l.text("destination", a.GetDestination())
	l.text("lead_id", a.GetLeadId())
	l.text("cause", a.GetCause())
	l.text("action", a.GetAction())
	l.text("command", a.GetCommand())
	l.text("url", a.GetUrl())
}

func (l *lines) lead(e *leadgatev1.LeadEvent) {
	l.text("stage", l.stages.of(e.GetStage()))
	l.text("idempotency_key", e.GetIdempotencyKey())
	l.text("lead_id", e.GetLeadId())
	l.text("form", e.GetForm())
	l.text("destination", e.GetDestination())
	l.number("attempt", int64(e.GetAttempt()))
	if d := e.GetDuration(); d != nil {
		l.attrs = append(l.attrs, slog.Int64("duration_ms", d.AsDuration().Milliseconds()))
	}
	l.text("reason", e.GetReason())
	l.text("error", e.GetError())
	l.number("crm_status", int64(e.GetCrmStatus()))
	l.text("crm_body", l.full.crmBody(e))
	if next := e.GetNextAttemptTime(); next != nil {
		l.attrs = append(l.attrs, slog.Time("next_attempt", next.AsTime().Truncate(time.Millisecond)))
	}
	l.text("record_id", e.GetRecordId())
	l.text("detail", e.GetDetail())
	l.text("person", l.full.person(e))
	l.text("request_id", e.GetRequestId())
	l.text("trace_id", e.GetTraceId())
}

// text adds an attribute unless it is empty.
func (l *lines) text(key, value string) {
	if value != "" {
		l.attrs = append(l.attrs, slog.String(key, l.full.mask(value)))
	}
}

// number adds an attribute unless it is 0.
func (l *lines) number(key string, value int64) {
	if value != 0 {
		l.attrs = append(l.attrs, slog.Int64(key, value))
	}
}

// levelOf returns the level of an event: error if somebody has to act, warning if something went wrong that leadgate handles
// itself.
func levelOf(event *leadgatev1.Event) slog.Level {
	switch event.GetLead().GetStage() {
	case leadgatev1.Stage_STAGE_DEAD:
		return slog.LevelError
	case leadgatev1.Stage_STAGE_REJECTED, leadgatev1.Stage_STAGE_HELD, leadgatev1.Stage_STAGE_RETRY, leadgatev1.Stage_STAGE_FAILURE,
		leadgatev1.Stage_STAGE_SUPERSEDED:
		return slog.LevelWarn
	}
	switch event.GetDestination().GetType() {
	case leadgatev1.DestinationEventType_DESTINATION_EVENT_TYPE_CREDENTIALS_REFUSED:
		return slog.LevelError
	case leadgatev1.DestinationEventType_DESTINATION_EVENT_TYPE_PAUSED, leadgatev1.DestinationEventType_DESTINATION_EVENT_TYPE_RATE_LIMITED,
		leadgatev1.DestinationEventType_DESTINATION_EVENT_TYPE_BREAKER_OPENED, leadgatev1.DestinationEventType_DESTINATION_EVENT_TYPE_QUOTA_LOW,
		leadgatev1.DestinationEventType_DESTINATION_EVENT_TYPE_QUOTA_SPENT, leadgatev1.DestinationEventType_DESTINATION_EVENT_TYPE_HELD,
		leadgatev1.DestinationEventType_DESTINATION_EVENT_TYPE_DRIFT, leadgatev1.DestinationEventType_DESTINATION_EVENT_TYPE_RULE_FAILED:
		return slog.LevelWarn
	}
	if event.GetForm() != nil {
		return slog.LevelWarn
	}
	switch event.GetSystem().GetType() {
	case leadgatev1.SystemEventType_SYSTEM_EVENT_TYPE_ERROR, leadgatev1.SystemEventType_SYSTEM_EVENT_TYPE_CONFIG_REFUSED:
		return slog.LevelError
	case leadgatev1.SystemEventType_SYSTEM_EVENT_TYPE_ALERT_FIRING:
		if event.GetSystem().GetAlert().GetSeverity() == leadgatev1.AlertSeverity_ALERT_SEVERITY_CRITICAL {
			return slog.LevelError
		}
		return slog.LevelWarn
	case leadgatev1.SystemEventType_SYSTEM_EVENT_TYPE_PREPARE_FAILED, leadgatev1.SystemEventType_SYSTEM_EVENT_TYPE_RESTART_NEEDED, leadgatev1.SystemEventType_SYSTEM_EVENT_TYPE_RETENTION_WARNING,
		leadgatev1.SystemEventType_SYSTEM_EVENT_TYPE_NOTIFICATION_FAILED:
		return slog.LevelWarn
	}
	return slog.LevelInfo
}
