package telemetry

import (
	"context"
	crand "crypto/rand"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/enums"
	"github.com/leadgate/leadgate/worker/journal"
)

// spans makes spans from events. It is not safe for concurrent use.
type spans struct {
	tracer trace.Tracer
	now    func() time.Time
}

func (s *spans) make(events []*leadgatev1.Event) {
	for _, event := range events {
		e := event.GetLead()
		if e.GetTraceId() == "" {
			continue
		}
		at := event.GetTime().AsTime()
		switch e.GetStage() {
		case leadgatev1.Stage_STAGE_RECEIVED: // published once the lead is on disk, which is when it is answered
			s.submission(e, at, s.now(), "")
		case leadgatev1.Stage_STAGE_DUPLICATE:
			s.submission(e, at, s.now(), "")
		case leadgatev1.Stage_STAGE_REJECTED:
			s.submission(e, at, at, e.GetError())
		case leadgatev1.Stage_STAGE_SUCCESS:
			s.call(e, at, "")
		case leadgatev1.Stage_STAGE_RETRY, leadgatev1.Stage_STAGE_DEAD:
			s.call(e, at, e.GetError())
		}
	}
}

// submission makes the span of a request that submitted a lead. Its identifier is the one recorded with the lead.
func (s *spans) submission(e *leadgatev1.LeadEvent, from, to time.Time, problem string) {
	traceID, err := trace.TraceIDFromHex(e.GetTraceId())
	if err != nil {
		return
	}
	spanID, err := trace.SpanIDFromHex(e.GetSpanId())
	if err != nil {
		return
	}
	ctx := context.WithValue(context.Background(), chosenKey{}, chosen{traceID, spanID})
	if parent, err := trace.SpanIDFromHex(e.GetParentSpanId()); err == nil {
		ctx = trace.ContextWithRemoteSpanContext(ctx, remote(traceID, parent))
	}
	name := "submit lead"
	if e.GetForm() != "" {
		name = "submit form " + e.GetForm()
	}
	_, span := s.tracer.Start(ctx, name, trace.WithTimestamp(from), trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(attributes(e)...))
	finish(span, to, problem)
}

// call makes the span of one call to a CRM for one lead. Its identifier is the one that was sent to the CRM.
func (s *spans) call(e *leadgatev1.LeadEvent, to time.Time, problem string) {
	traceID, err := trace.TraceIDFromHex(e.GetTraceId())
	if err != nil || e.GetDuration() == nil { // nothing was sent
		return
	}
	parent, err := trace.SpanIDFromHex(e.GetSpanId())
	if err != nil {
		return
	}
	spanID, err := trace.SpanIDFromHex(journal.CallSpan(e.GetDeliveryId(), e.GetAttempt()))
	if err != nil {
		return
	}
	ctx := context.WithValue(context.Background(), chosenKey{}, chosen{traceID, spanID})
	ctx = trace.ContextWithRemoteSpanContext(ctx, remote(traceID, parent))
	_, span := s.tracer.Start(ctx, "deliver to "+e.GetDestination(), trace.WithTimestamp(to.Add(-e.GetDuration().AsDuration())),
		trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attributes(e)...))
	finish(span, to, problem)
}

func finish(span trace.Span, at time.Time, problem string) {
	if problem != "" {
		span.SetStatus(codes.Error, problem)
	}
	span.End(trace.WithTimestamp(at))
}

func remote(traceID trace.TraceID, spanID trace.SpanID) trace.SpanContext {
	return trace.NewSpanContext(trace.SpanContextConfig{TraceID: traceID, SpanID: spanID, TraceFlags: trace.FlagsSampled, Remote: true})
}

// attributes returns the attributes of an event, without anything that could be personal data.
func attributes(e *leadgatev1.LeadEvent) []attribute.KeyValue {
	all := []attribute.KeyValue{
		attribute.String("leadgate.lead_id", e.GetLeadId()),
		attribute.String("leadgate.stage", enums.Name(e.GetStage())),
	}
	text := func(name, value string) {
		if value != "" {
			all = append(all, attribute.String(name, value))
		}
	}
	text("leadgate.form", e.GetForm())
	text("leadgate.destination", e.GetDestination())
	text("leadgate.request_id", e.GetRequestId())
	if !strings.Contains(e.GetRecordId(), "@") { // some CRMs identify people by their e-mail address
		text("leadgate.record_id", e.GetRecordId())
	}
	text("leadgate.reason", e.GetReason())
	if e.GetAttempt() > 0 {
		all = append(all, attribute.Int("leadgate.attempt", int(e.GetAttempt())))
	}
	if e.GetCrmStatus() > 0 {
		all = append(all, attribute.Int("http.response.status_code", int(e.GetCrmStatus())))
	}
	if d := e.GetSpeedToLead(); d != nil {
		all = append(all, attribute.Float64("leadgate.speed_to_lead_seconds", d.AsDuration().Seconds()))
	}
	return all
}

// chosenIDs takes a span's identifiers from its context; without any there, it makes random ones. It implements
// sdktrace.IDGenerator.
type chosenIDs struct{}

type chosenKey struct{}

type chosen struct {
	trace trace.TraceID
	span  trace.SpanID
}

// NewIDs implements sdktrace.IDGenerator.
func (c chosenIDs) NewIDs(ctx context.Context) (id trace.TraceID, span trace.SpanID) {
	if named, ok := ctx.Value(chosenKey{}).(chosen); ok {
		return named.trace, named.span
	}
	_, _ = crand.Read(id[:]) // it never fails
	return id, c.NewSpanID(ctx, id)
}

// NewSpanID implements sdktrace.IDGenerator.
func (chosenIDs) NewSpanID(ctx context.Context, _ trace.TraceID) (span trace.SpanID) {
	if named, ok := ctx.Value(chosenKey{}).(chosen); ok {
		return named.span
	}
	_, _ = crand.Read(span[:]) // it never fails
	return span
}
