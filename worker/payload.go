package worker

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"google.golang.org/protobuf/types/known/timestamppb"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/journal"
	"github.com/leadgate/leadgate/worker/mapping"
	"github.com/leadgate/leadgate/worker/store"
)

// prepare decides what to send for a claim and returns its parcel or, if nothing can be sent, the step that settles it.
//
// While the CRM may have accepted the last payload without our knowing, exactly the same bytes are sent again under the same
// idempotency value; what a person has asked to send since follows once they are answered. Otherwise the lead is mapped again, so
// that a fixed mapping reaches waiting leads. The revision rises when the bytes differ from the last ones, and after a full or
// partial refusal, so that the CRM does not answer with a cached refusal.
func (c *call) prepare(claim *store.Claim) (*parcel, *store.Step) {
	d := clone(claim.Delivery)
	d.Mode = leadgatev1.DeliveryMode_DELIVERY_MODE_UPSERT
	if claim.Late && !d.GetForced() {
		if !c.conn.traits.FillBlanks {
			return nil, c.superseded(claim, d)
		}
		d.Mode = leadgatev1.DeliveryMode_DELIVERY_MODE_FILL_BLANKS
	}
	payload, err := c.payload(claim, d)
	if err != nil {
		return nil, c.unsendable(claim, d, err)
	}
	last := claim.Last
	switch {
	case last == nil:
		d.Revision++ // from 0, or from its previous value if the last attempt is lost
	case last.GetPayload() != payload, last.GetOutcome() == leadgatev1.AttemptOutcome_ATTEMPT_OUTCOME_REFUSED, len(last.GetDroppedProperties()) > 0:
		d.Revision = last.GetRevision() + 1
	default:
		d.Revision = last.GetRevision()
	}
	d.AttemptCount++
	d.Reason = ""
	attempt := &leadgatev1.Attempt{
		Number: d.GetAttemptCount(), Revision: d.GetRevision(), Payload: payload, Outcome: leadgatev1.AttemptOutcome_ATTEMPT_OUTCOME_UNDER_WAY,
		ConfigRevision: c.conn.revision, IdempotencyValue: fmt.Sprintf("%s-%d", d.GetDeliveryId(), d.GetRevision()),
	}
	item := crm.Item{
		IdempotencyValue: attempt.GetIdempotencyValue(), Email: claim.Record.GetLead().GetEmail(), Payload: []byte(payload),
		TraceParent: journal.CallTraceParent(claim.Record.GetTraceParent(), d.GetDeliveryId(), attempt.GetNumber()),
	}
	if last.GetIdempotencyValue() == item.IdempotencyValue { // what is known of the last attempt applies only to the same bytes
		item.Progress = last.GetProgress()
		if attempt.UnansweredTime = unanswered(last); attempt.UnansweredTime != nil {
			item.Unanswered = attempt.GetUnansweredTime().AsTime()
		}
	}
	return &parcel{claim: claim, delivery: d, attempt: attempt, item: item}, nil
}

// payload returns the bytes to send. An error means that this lead cannot be sent. A delivery that is to be sent again stays marked
// while the bytes differ from the lead as it is now.
func (c *call) payload(claim *store.Claim, d *leadgatev1.Delivery) (string, error) {
	last, again := claim.Last, d.GetResend()
	d.Resend = false
	repeats := last.GetOutcome() == leadgatev1.AttemptOutcome_ATTEMPT_OUTCOME_UNKNOWN || unanswered(last) != nil
	if repeats && !again {
		return last.GetPayload(), nil
	}
	payload, err := c.encode(claim)
	if repeats {
		d.Resend = err == nil && payload != last.GetPayload()
		return last.GetPayload(), nil
	}
	return payload, err
}

// unanswered returns when the bytes of an attempt were last sent without an answer that settled them. It returns nil if they never
// were, or if it no longer matters: the CRM has accepted or refused them since, or a person has looked, because only a person sends
// an undecided delivery again.
func unanswered(last *leadgatev1.Attempt) *timestamppb.Timestamp {
	switch last.GetOutcome() {
	case leadgatev1.AttemptOutcome_ATTEMPT_OUTCOME_UNKNOWN:
		return last.GetStartTime()
	case leadgatev1.AttemptOutcome_ATTEMPT_OUTCOME_RETRY, leadgatev1.AttemptOutcome_ATTEMPT_OUTCOME_RATE_LIMITED,
		leadgatev1.AttemptOutcome_ATTEMPT_OUTCOME_CREDENTIALS_REFUSED:
		return last.GetUnansweredTime()
	}
	return nil
}

// encode maps the lead with the current mapping.
func (c *call) encode(claim *store.Claim) (string, error) {
	payload, omitted, err := c.conn.encode(claim.Record)
	if fault := (*panicked)(nil); errors.As(err, &fault) {
		return "", errors.New(c.lane.worker.logPanic(c.lane.name, fault.value, claim.Delivery.GetDeliveryId()))
	}
	c.lane.omitted(omitted)
	return payload, err
}

// panicked is a panic in a destination's package, as an error.
type panicked struct{ value any }

func (p *panicked) Error() string { return fmt.Sprint(p.value) }

// encode returns what is sent of a lead, with values matched to the CRM's schema if that is known, and the properties that are left
// out because their expressions failed.
func (conn *connection) encode(record *leadgatev1.LeadRecord) (payload string, omitted []mapping.Failure, err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = &panicked{fault}
		}
	}()
	properties, omitted := conn.mapping.Map(record)
	encoded, err := conn.destination.Encode(matched(properties, conn.schema.Load()))
	if err != nil {
		return "", omitted, err
	}
	if !utf8.Valid(encoded) {
		return "", omitted, errors.New("the payload is not UTF-8")
	}
	return string(encoded), omitted, nil
}

// Payload is what would be sent to a destination for a lead.
type Payload struct {
	// Text is the payload itself.
	Text string
	// Omitted are the properties whose expressions failed.
	Omitted []mapping.Failure
}

// Payload returns what would currently be sent to a destination for a lead. The error says why nothing could be sent, or that there
// is no such destination.
func (w *Worker) Payload(destination string, record *leadgatev1.LeadRecord) (Payload, error) {
	l, err := w.lane(destination)
	if err != nil {
		return Payload{}, err
	}
	text, omitted, err := l.conn.Load().encode(record)
	if fault := (*panicked)(nil); errors.As(err, &fault) {
		err = errors.New(w.logPanic(destination, fault.value))
	}
	return Payload{Text: text, Omitted: omitted}, err
}
