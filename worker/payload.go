package worker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/mapping"
	"github.com/leadgate/leadgate/worker/store"
)

// prepare decides what is sent for a claim, and makes its parcel; or, where nothing can be sent, the step that says so.
//
// As long as the CRM may have taken the last payload without our knowing, the very same bytes go again under the same
// idempotency value. Otherwise the lead is mapped anew, so that a mended mapping reaches what still waits. The revision
// rises when the bytes differ from the last ones, and after a refusal, so that no cached refusal answers.
func (c *call) prepare(claim *store.Claim) (*parcel, *store.Step) {
	d := clone(claim.Delivery)
	d.Mode = leadgatev1.DeliveryMode_DELIVERY_MODE_UPSERT
	if claim.Late && !d.GetForced() {
		if !c.conn.traits.FillBlanks {
			return nil, c.superseded(claim, d)
		}
		d.Mode = leadgatev1.DeliveryMode_DELIVERY_MODE_FILL_BLANKS
	}
	payload, err := c.payload(claim)
	if err != nil {
		return nil, c.unsendable(claim, d, err)
	}
	last := claim.Last
	switch {
	case last == nil:
		d.Revision = 1
	case last.GetPayload() != payload, last.GetOutcome() == leadgatev1.AttemptOutcome_ATTEMPT_OUTCOME_REFUSED:
		d.Revision = last.GetRevision() + 1
	default:
		d.Revision = last.GetRevision()
	}
	d.AttemptCount++
	d.Reason = ""
	value := fmt.Sprintf("%s-%d", d.GetDeliveryId(), d.GetRevision())
	return &parcel{
		claim:    claim,
		delivery: d,
		attempt: &leadgatev1.Attempt{
			Number: d.GetAttemptCount(), Revision: d.GetRevision(), Payload: payload,
			ConfigRevision: c.conn.revision, IdempotencyValue: value,
		},
		item: c.item(claim, value, payload),
	}, nil
}

// item is what the destination is given. What is known of the last attempt counts only for the same bytes.
func (c *call) item(claim *store.Claim, value, payload string) crm.Item {
	item := crm.Item{IdempotencyValue: value, Email: claim.Record.GetLead().GetEmail(), Payload: []byte(payload)}
	last := claim.Last
	if last == nil || last.GetIdempotencyValue() != value {
		return item
	}
	item.Progress = last.GetProgress()
	switch last.GetOutcome() {
	case leadgatev1.AttemptOutcome_ATTEMPT_OUTCOME_UNKNOWN:
		item.Unanswered = last.GetStartTime().AsTime()
	case leadgatev1.AttemptOutcome_ATTEMPT_OUTCOME_REFUSED, leadgatev1.AttemptOutcome_ATTEMPT_OUTCOME_UNSPECIFIED:
	default:
		at, err := c.lookBack(claim)
		if err != nil {
			c.lane.worker.log.Error("reading earlier attempts failed", "delivery", claim.Delivery.GetDeliveryId(), "error", err)
			at = last.GetStartTime().AsTime() // looking for the record first is always safe
		}
		item.Unanswered = at
	}
	return item
}

// payload returns the bytes to send. Its error means that this lead cannot be sent.
func (c *call) payload(claim *store.Claim) (string, error) {
	switch claim.Last.GetOutcome() {
	case leadgatev1.AttemptOutcome_ATTEMPT_OUTCOME_UNKNOWN:
		return claim.Last.GetPayload(), nil
	case leadgatev1.AttemptOutcome_ATTEMPT_OUTCOME_REFUSED,
		// Delivered and sent again, because it is read otherwise now: the CRM's answer is there, whatever was lost before it.
		leadgatev1.AttemptOutcome_ATTEMPT_OUTCOME_DELIVERED, leadgatev1.AttemptOutcome_ATTEMPT_OUTCOME_DELIVERED_PARTLY:
		return c.encode(claim)
	}
	payload, err := c.encode(claim)
	if claim.Last == nil || (err == nil && payload == claim.Last.GetPayload()) {
		return payload, err
	}
	// The mapping is another one. An earlier attempt with the old bytes may still lack its answer.
	open, lookUpErr := c.unanswered(claim)
	if lookUpErr != nil {
		c.lane.worker.log.Error("reading earlier attempts failed", "delivery", claim.Delivery.GetDeliveryId(), "error", lookUpErr)
		open = true // sending the same again is always safe
	}
	if open {
		return claim.Last.GetPayload(), nil
	}
	return payload, err
}

// unanswered reports whether an attempt of the last revision ended without the CRM's answer.
func (c *call) unanswered(claim *store.Claim) (bool, error) {
	at, err := c.lookBack(claim)
	return !at.IsZero(), err
}

// lookBack returns when the newest attempt of the last revision that ended without the CRM's answer began; zero if there is
// none.
func (c *call) lookBack(claim *store.Claim) (time.Time, error) {
	w := c.lane.worker
	d, err := w.store.Delivery(context.WithoutCancel(w.calling), claim.Delivery.GetDeliveryId())
	if err != nil {
		return time.Time{}, err
	}
	for _, attempt := range slices.Backward(d.GetAttempts()) {
		if attempt.GetRevision() == claim.Last.GetRevision() && attempt.GetOutcome() == leadgatev1.AttemptOutcome_ATTEMPT_OUTCOME_UNKNOWN {
			return attempt.GetStartTime().AsTime(), nil
		}
	}
	return time.Time{}, nil
}

// encode maps the lead with the present mapping.
func (c *call) encode(claim *store.Claim) (string, error) {
	payload, omitted, err := c.conn.encode(claim.Record, c.lane.schema.Load())
	if fault := (*panicked)(nil); errors.As(err, &fault) {
		return "", errors.New(c.lane.worker.logPanic(c.lane.name, fault.value))
	}
	c.lane.omitted(omitted)
	return payload, err
}

// panicked is a panic in a destination's package.
type panicked struct{ value any }

func (p *panicked) Error() string { return fmt.Sprint(p.value) }

// encode makes what is sent of a lead, as far as the CRM's schema is known, and says which properties are left out because they
// came to nothing.
func (conn *connection) encode(record *leadgatev1.LeadRecord, schema *crm.Schema) (payload string, omitted []mapping.Failure, err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = &panicked{fault}
		}
	}()
	properties, omitted := conn.mapping.Map(record)
	encoded, err := conn.destination.Encode(matched(properties, schema))
	if err != nil {
		return "", omitted, err
	}
	if !utf8.Valid(encoded) {
		return "", omitted, errors.New("the payload is not UTF-8")
	}
	return string(encoded), omitted, nil
}

// Payload is what a destination would be sent.
type Payload struct {
	// Text is what would be sent for the lead.
	Text string
	// Omitted are the properties that came to nothing for it.
	Omitted []mapping.Failure
}

// Payload says what a destination would be sent of a lead at present. The error says why nothing could be sent, or that there
// is no such destination.
func (w *Worker) Payload(destination string, record *leadgatev1.LeadRecord) (Payload, error) {
	l, err := w.lane(destination)
	if err != nil {
		return Payload{}, err
	}
	text, omitted, err := l.conn.Load().encode(record, l.schema.Load())
	if fault := (*panicked)(nil); errors.As(err, &fault) {
		err = errors.New(w.logPanic(destination, fault.value))
	}
	return Payload{Text: text, Omitted: omitted}, err
}
