package server

import (
	"context"
	"fmt"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker"
	"github.com/leadgate/leadgate/worker/journal"
	"github.com/leadgate/leadgate/worker/store"
)

// arrival is a lead that satisfies every rule and is ready to be made durable, whichever way it came.
type arrival struct {
	call       *call
	house      *house
	form       string // empty if a backend sent it
	lead       *leadgatev1.Lead
	submission *leadgatev1.Submission // nil if a backend sent it
	// key is the idempotency key, unique within scope; empty if there is none. payload is compared, field by field, with what came before
	// under the same key.
	scope, key string
	payload    []store.Field
	// content replaces the key if there is none: a hash of the submission, which makes the same content within contentWindow a repeat. If
	// empty, content is not compared.
	content       string
	contentWindow time.Duration
	// destinations are where the lead goes; if there are none, it is held.
	destinations []string
	// holds are the reasons why a person has to decide before the lead is sent anywhere.
	holds []*leadgatev1.Hold
	// changes are what leadgate changed in the submission.
	changes []*leadgatev1.Change
	// detail is a note for people on how the lead was read.
	detail string
	// holdReuse keeps a different payload under a known key as a held lead, instead of refusing it.
	holdReuse bool
}

// outcome is the answer to the sender of a lead: its identifier, or the first lead's if it is a repeat, or an error.
type outcome struct {
	leadID   string
	replayed bool
	err      error
}

// accept makes a lead durable and returns the identifier to answer with: the new lead's or, if it is a repeat, the first one's.
func (s *Server) accept(ctx context.Context, a *arrival) (leadID string, replayed bool, err error) {
	o := s.acceptAll(ctx, []*arrival{a})[0]
	return o.leadID, o.replayed, o.err
}

// acceptAll makes leads durable together and returns an outcome for each. It finishes even if the sender disconnects or the server stops:
// a visitor who closes the page has sent the form, and a lead is refused only for faults of its own.
func (s *Server) acceptAll(ctx context.Context, arrivals []*arrival) []outcome {
	now := s.now()
	acceptances := make([]*store.Acceptance, len(arrivals))
	for i, a := range arrivals {
		acceptances[i] = s.acceptance(a, now)
	}
	outcomes := make([]outcome, len(arrivals))
	results, err := s.store.Accept(context.WithoutCancel(ctx), acceptances...)
	for i, a := range arrivals {
		if err != nil {
			outcomes[i].err = worker.StatusOf(err, "lead")
			continue
		}
		outcomes[i] = s.outcome(a, acceptances[i], results[i], now)
	}
	return outcomes
}

// acceptance returns what the store should write for an arrival, including what to write if its key turns out to be reused.
func (s *Server) acceptance(a *arrival, now time.Time) *store.Acceptance {
	holds := a.holds
	if len(a.destinations) == 0 {
		holds = append(holds, noRoute(a.form))
	}
	acceptance := a.acceptance(now, a.call.leadID, holds)
	if s.preparer != nil && len(acceptance.Destinations) > 0 {
		if wait := s.preparer.Wants(a.form, a.lead); wait > 0 {
			acceptance.NotBefore = now.Add(wait)
		}
	}
	switch {
	case a.content != "":
		acceptance.Key = &store.Key{Scope: a.scope + contentScope, Value: a.content, Expires: now.Add(a.contentWindow)}
	case a.key != "":
		acceptance.Key = &store.Key{
			Scope: a.scope, Value: a.key, Expires: now.Add(a.house.snapshot.Config.GetIdempotency().GetTtl().AsDuration()),
			Fields: s.hasher.Fingerprint(a.payload),
		}
		if a.holdReuse {
			acceptance.OnReuse = a.acceptance(now, newLeadID(now), append(a.holds[:len(a.holds):len(a.holds)], keyReused()))
		}
	}
	return acceptance
}

// outcome converts the store's result. It publishes the event of a duplicate.
func (s *Server) outcome(a *arrival, asked *store.Acceptance, result store.Accepted, now time.Time) outcome {
	switch {
	case result.Err != nil:
		return outcome{err: worker.StatusOf(result.Err, "lead")}
	case !result.Replayed:
		if !asked.NotBefore.IsZero() {
			s.preparer.Take(result.LeadID)
		}
		return outcome{leadID: result.LeadID}
	case len(result.Differing) > 0 && result.HeldLeadID == "":
		return outcome{err: s.reused(a, result)}
	case asked.OnReuse != nil && result.HeldLeadID == asked.OnReuse.Record.GetLeadId():
		return outcome{leadID: result.LeadID, replayed: true} // held now, as its own events say
	}
	s.duplicate(a, now, result)
	return outcome{leadID: result.LeadID, replayed: true}
}

// lookUp returns the lead of an earlier submission with the same key and payload; ok is false if there is none.
func (s *Server) lookUp(ctx context.Context, a *arrival) (leadID string, ok bool) {
	if a.key == "" {
		return "", false
	}
	result, err := s.store.LookUp(ctx, &store.Key{Scope: a.scope, Value: a.key, Fields: s.hasher.Fingerprint(a.payload)})
	if err != nil || !result.Replayed || len(result.Differing) > 0 {
		return "", false
	}
	s.duplicate(a, s.now(), result)
	return result.LeadID, true
}

// acceptance returns what the store should write: an open lead, or a held one if there are reasons to hold it.
func (a *arrival) acceptance(now time.Time, leadID string, holds []*leadgatev1.Hold) *store.Acceptance {
	created := timestamppb.New(now)
	record := &leadgatev1.LeadRecord{
		LeadId: leadID, State: leadgatev1.LeadState_LEAD_STATE_OPEN, CreateTime: created, Lead: a.lead, Submission: a.submission,
		IdempotencyKey: a.key, IdempotencyScope: a.scope, ConfigRevision: a.house.snapshot.Revision, RequestId: a.call.id,
		TraceParent: a.call.trace.String(),
		Changes:     a.changes,
	}
	validated := a.event(created, leadID, leadgatev1.Stage_STAGE_VALIDATED)
	validated.GetLead().Detail = a.detail
	events := []*leadgatev1.Event{a.event(timestamppb.New(a.call.received), leadID, leadgatev1.Stage_STAGE_RECEIVED), validated}
	if len(holds) > 0 {
		record.State, record.Holds = leadgatev1.LeadState_LEAD_STATE_HELD, holds
		held := a.event(created, leadID, leadgatev1.Stage_STAGE_HELD)
		held.GetLead().Detail = inWords(holds)
		held.GetLead().Reason = strings.TrimPrefix(holds[0].GetReason().String(), "HOLD_REASON_")
		return &store.Acceptance{Record: record, Events: append(events, held)}
	}
	for _, destination := range a.destinations {
		queued := a.event(created, leadID, leadgatev1.Stage_STAGE_QUEUED)
		queued.GetLead().Destination, queued.GetLead().DeliveryId = destination, leadID+"."+destination
		events = append(events, queued)
	}
	return &store.Acceptance{Record: record, Destinations: a.destinations, Events: events}
}

// contentScope is the suffix of the scope of keys made from a submission's content. No form's name contains a slash.
const contentScope = "/content"

// noRoute returns the hold of a lead that has no destination.
func noRoute(form string) *leadgatev1.Hold {
	detail := "no destination takes leads without a form; name one under leads.destinations in the configuration"
	if form != "" {
		detail = "no route of form " + form + " fits; name a destination for all leads under destinations of the form, or add a route"
	}
	return &leadgatev1.Hold{Reason: leadgatev1.HoldReason_HOLD_REASON_NO_ROUTE, Detail: detail}
}

// keyReused returns the hold of a different payload under a known key.
func keyReused() *leadgatev1.Hold {
	return &leadgatev1.Hold{
		Reason: leadgatev1.HoldReason_HOLD_REASON_KEY_REUSED,
		Detail: "its idempotency key was already used for different content: a page cached with its key, or a visitor who corrected the form",
	}
}

// inWords joins the details of holds.
func inWords(holds []*leadgatev1.Hold) string {
	details := make([]string, len(holds))
	for i, hold := range holds {
		details[i] = hold.GetDetail()
	}
	return strings.Join(details, "; ")
}

func (a *arrival) event(at *timestamppb.Timestamp, leadID string, stage leadgatev1.Stage) *leadgatev1.Event {
	return &leadgatev1.Event{Time: at, Kind: &leadgatev1.Event_Lead{Lead: &leadgatev1.LeadEvent{
		Stage: stage, LeadId: leadID, Form: a.form, IdempotencyKey: a.key, Person: journal.MaskEmail(a.lead.GetEmail()), RequestId: a.call.id,
		TraceId: a.call.trace.id, SpanId: a.call.trace.span, ParentSpanId: a.call.trace.parent,
	}}}
}

// duplicate publishes the event of a repeated submission.
func (s *Server) duplicate(a *arrival, now time.Time, result store.Accepted) {
	event := a.event(timestamppb.New(now), result.LeadID, leadgatev1.Stage_STAGE_DUPLICATE)
	event.GetLead().Detail = "answered like the first one"
	if a.content != "" {
		event.GetLead().Detail = fmt.Sprintf("the same content arrived again within %s, as after a double click; answered like the first one", a.contentWindow)
	}
	if result.HeldLeadID != "" {
		event.GetLead().Detail = "the same other content as in held lead " + result.HeldLeadID
	}
	s.journal.Publish(event)
}

// reused returns the error of a known key with a different payload. Forms require no API key, and whoever guesses an idempotency key must
// not find out, by trial, what somebody else submitted. So only callers with an API key, and the event, are told which fields differ.
func (s *Server) reused(a *arrival, result store.Accepted) error {
	info := &errdetails.ErrorInfo{
		Reason:   "IDEMPOTENCY_KEY_REUSED",
		Metadata: map[string]string{"leadId": result.LeadID, "fields": strings.Join(result.Differing, ",")},
	}
	err := worker.Failure(nil, codes.InvalidArgument, info, fmt.Sprintf("the idempotency key was already used for different content: lead %s differs in %s; send a new key for a new lead",
		result.LeadID, strings.Join(result.Differing, ", ")))
	if a.submission == nil || a.call.onBehalf {
		return err
	}
	s.refused(a.call, err)
	return worker.Failure(nil, codes.InvalidArgument, &errdetails.ErrorInfo{Reason: info.GetReason()},
		"the idempotency key was already used for different content; send a new key for a new lead")
}

// refused publishes the event of a refused lead, once for each request, no matter where it was refused.
func (s *Server) refused(c *call, err error) {
	if !c.intake || !c.refused.CompareAndSwap(false, true) {
		return
	}
	st := status.Convert(err)
	reasons, word := []string{st.Message()}, ""
	for _, detail := range st.Details() {
		switch d := detail.(type) {
		case *errdetails.ErrorInfo:
			word = d.GetReason()
		case *errdetails.BadRequest:
			for _, v := range d.GetFieldViolations() {
				reasons = append(reasons, v.GetField()+": "+v.GetDescription())
			}
		}
	}
	s.journal.Publish(&leadgatev1.Event{Kind: &leadgatev1.Event_Lead{Lead: &leadgatev1.LeadEvent{
		Stage: leadgatev1.Stage_STAGE_REJECTED, LeadId: c.leadID, Form: c.form, IdempotencyKey: c.key.value, RequestId: c.id,
		TraceId: c.trace.id, SpanId: c.trace.span, ParentSpanId: c.trace.parent,
		Error: said(strings.Join(reasons, "; ")), Reason: word,
	}}})
}

// maxSaid is the longest error in an event, in bytes: the journal keeps thousands of events.
const maxSaid = 2 << 10

// said makes an error fit for an event. The error may quote what strangers sent, such as an origin or a path of arbitrary bytes, and an
// event that is not UTF-8 cannot be sent. The other fields of the event were checked before.
func said(text string) string {
	if len(text) > maxSaid {
		text = strings.ToValidUTF8(text[:maxSaid], "") + "…"
	}
	return strings.ToValidUTF8(text, "?")
}
