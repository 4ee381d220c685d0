package worker

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/store"
)

// verdict decides what becomes of a delivery after its attempt:
//
//	Delivered                     DELIVERED; RETRY_WAIT, due at once, if it is to be sent again
//	Refused                       DEAD; RETRY_WAIT, due at once, if it is to be sent again
//	Retry, Unknown                RETRY_WAIT, due after the backoff; DEAD when it is given up
//	RateLimited                   RETRY_WAIT, due when the CRM wants to be called again; not counted as a failure
//	CredentialsRefused            RETRY_WAIT, due once the credentials are accepted; not counted as a failure, unless others get through
//	Undecided                     HELD: a person decides
//	interrupted: leadgate stops   RETRY_WAIT, due at once; not counted as a failure
//	with the breaker open         RETRY_WAIT, due once it closes; not counted as a failure
//	a fault of leadgate           as Unknown, but counted even with the breaker open; DEAD after maxFaults
func (c *call) verdict(p *parcel) *store.Step {
	l, now, outcome := c.lane, c.lane.worker.now(), p.outcome
	d, attempt := p.delivery, p.attempt
	if !p.faulted {
		d.FaultCount = 0
	}
	d.UpdateTime, d.DueTime = timestamppb.New(now), nil
	attempt.Duration = durationpb.New(max(0, now.Sub(attempt.GetStartTime().AsTime())))
	attempt.CrmStatus, attempt.CrmBody, attempt.DroppedProperties = int32(outcome.Status), outcome.Body, outcome.Dropped
	attempt.Progress = outcome.Progress
	switch outcome.Kind {
	case crm.Delivered:
		attempt.Outcome = leadgatev1.AttemptOutcome_ATTEMPT_OUTCOME_DELIVERED
		if len(outcome.Dropped) > 0 {
			attempt.Outcome = leadgatev1.AttemptOutcome_ATTEMPT_OUTCOME_DELIVERED_PARTLY
			l.ran()
		}
		d.State = leadgatev1.DeliveryState_DELIVERY_STATE_DELIVERED
		d.RecordId, d.RecordUrl, d.LastError = outcome.RecordID, outcome.RecordURL, ""
		l.health.delivered()
		events := succeeded(p)
		if d.GetResend() {
			c.again(p, now)
			events = append(events, resent(p))
		}
		return &store.Step{Claim: p.claim, Delivery: d, Attempt: attempt, Events: events}
	case crm.RateLimited:
		attempt.Outcome = leadgatev1.AttemptOutcome_ATTEMPT_OUTCOME_RATE_LIMITED
		c.waitUntil(p, c.until)
	case crm.CredentialsRefused:
		attempt.Outcome = leadgatev1.AttemptOutcome_ATTEMPT_OUTCOME_CREDENTIALS_REFUSED
		if d.GetRefusedAlone() {
			c.failed(p, now)
		} else {
			c.waitUntil(p, now)
		}
	case crm.Refused:
		attempt.Outcome = leadgatev1.AttemptOutcome_ATTEMPT_OUTCOME_REFUSED
		if d.State, d.Reason = leadgatev1.DeliveryState_DELIVERY_STATE_DEAD, reasonOf(outcome); d.GetResend() {
			c.again(p, now)
		}
		if outcome.Property != "" {
			l.ran()
		}
	case crm.Undecided:
		attempt.Outcome = leadgatev1.AttemptOutcome_ATTEMPT_OUTCOME_UNDECIDED
		d.State, d.Reason = leadgatev1.DeliveryState_DELIVERY_STATE_HELD, reasonOf(outcome)
	case crm.Retry:
		attempt.Outcome = leadgatev1.AttemptOutcome_ATTEMPT_OUTCOME_RETRY
		c.failed(p, now)
	default:
		attempt.Outcome = leadgatev1.AttemptOutcome_ATTEMPT_OUTCOME_UNKNOWN
		c.failed(p, now)
	}
	attempt.Error = reasonOf(outcome)
	d.LastError = attempt.Error
	c.noteFailure(p, now)
	events := []*leadgatev1.Event{retries(p)}
	switch d.GetState() {
	case leadgatev1.DeliveryState_DELIVERY_STATE_DEAD:
		events = died(p)
	case leadgatev1.DeliveryState_DELIVERY_STATE_HELD:
		events = []*leadgatev1.Event{undecided(p)}
	}
	return &store.Step{Claim: p.claim, Delivery: d, Attempt: attempt, Events: events}
}

// maxFaults is how many times in a row leadgate itself may fail on a delivery before it is given up, because it will fail every
// time. With the default backoff that takes about an hour and a half, in which the CRM's answers may change.
const maxFaults = 15

// failed counts a failure and decides when to try again, if at all. Only time in which the destination could be called counts:
// while it was paused or refused the credentials, no delivery could have got through.
func (c *call) failed(p *parcel, now time.Time) {
	d := p.delivery
	if p.unreachable = c.unreachable && !p.faulted; p.interrupted || p.unreachable {
		c.waitUntil(p, now)
		return
	}
	since := p.attempt.GetStartTime()
	if d.GetFailingFor() == nil { // the first failure, or the first since a person asked for a retry
		d.FailureCount, d.FaultCount = 0, 0
	} else {
		since = p.claim.Last.GetStartTime()
	}
	failing := d.GetFailingFor().AsDuration() + c.lane.gate.OpenBetween(since.AsTime(), now)
	d.FailingFor = durationpb.New(failing)
	d.FailureCount++
	if p.faulted {
		d.FaultCount++
	}
	failures := int(d.GetFailureCount())
	if c.conn.backoff.GivenUp(failures, failing) {
		d.State = leadgatev1.DeliveryState_DELIVERY_STATE_DEAD
		d.Reason = "given up after " + inWords(failing) + ": " + reasonOf(p.outcome)
		return
	}
	if d.GetFaultCount() >= maxFaults {
		d.State = leadgatev1.DeliveryState_DELIVERY_STATE_DEAD
		d.Reason = fmt.Sprintf("given up after %d calls: %s", d.GetFaultCount(), reasonOf(p.outcome))
		return
	}
	due := now.Add(c.conn.backoff.Delay(failures, rand.Int64N))
	if due.Before(c.until) {
		due = c.until
	}
	c.waitUntil(p, due)
}

// again makes a delivery due, with the lead as it is now, after the previous payload was answered.
func (c *call) again(p *parcel, now time.Time) {
	d := p.delivery
	d.Resend, d.Reason = false, ""
	d.FailingFor, d.FailureCount, d.FaultCount = nil, 0, 0
	c.waitUntil(p, now)
}

func (c *call) waitUntil(p *parcel, due time.Time) {
	p.delivery.State, p.delivery.DueTime = leadgatev1.DeliveryState_DELIVERY_STATE_RETRY_WAIT, timestamppb.New(due)
}

func (c *call) noteFailure(p *parcel, now time.Time) {
	note := c.lane.health.failed
	if kind := p.outcome.Kind; kind == crm.Refused || kind == crm.Undecided || p.delivery.GetRefusedAlone() { // the destination works
		note = c.lane.health.refused
	}
	note(reasonOf(p.outcome), now)
}

// superseded settles a late delivery to a destination where it would overwrite newer data.
func (c *call) superseded(claim *store.Claim, d *leadgatev1.Delivery) *store.Step {
	d.State, d.Mode = leadgatev1.DeliveryState_DELIVERY_STATE_SUPERSEDED, claim.Delivery.GetMode()
	d.Reason = "a newer lead of the same person was already delivered, and " + c.conn.traits.Kind + " cannot fill in only empty properties"
	d.UpdateTime, d.DueTime = timestamppb.New(c.lane.worker.now()), nil
	return &store.Step{Claim: claim, Delivery: d, Events: []*leadgatev1.Event{leadEvent(claim, d, leadgatev1.Stage_STAGE_SUPERSEDED, func(e *leadgatev1.LeadEvent) {
		e.Detail = d.GetReason()
	})}}
}

// unsendable settles a delivery for which there is no payload.
func (c *call) unsendable(claim *store.Claim, d *leadgatev1.Delivery, err error) *store.Step {
	d.State, d.Mode = leadgatev1.DeliveryState_DELIVERY_STATE_DEAD, claim.Delivery.GetMode()
	d.Reason = scrub(err.Error(), claim.Record.GetLead())
	d.LastError = d.Reason
	d.UpdateTime, d.DueTime = timestamppb.New(c.lane.worker.now()), nil
	fail := func(e *leadgatev1.LeadEvent) { e.Error = d.GetReason() }
	return &store.Step{Claim: claim, Delivery: d, Events: []*leadgatev1.Event{
		leadEvent(claim, d, leadgatev1.Stage_STAGE_FAILURE, fail),
		leadEvent(claim, d, leadgatev1.Stage_STAGE_DEAD, fail),
	}}
}

// reasonOf returns what went wrong in words, even if the destination gave none.
func reasonOf(outcome crm.Outcome) string {
	switch {
	case outcome.Reason != "":
		return outcome.Reason
	case outcome.Kind == crm.Unknown:
		return "the CRM's answer was lost"
	}
	return "the CRM did not accept it"
}

// legible returns the outcome in a form that can be stored: its texts are valid UTF-8, at most crm.MaxBody bytes each.
func legible(outcome crm.Outcome) crm.Outcome {
	outcome.Dropped = slices.Clone(outcome.Dropped)
	texts := []*string{&outcome.RecordID, &outcome.RecordURL, &outcome.Reason, &outcome.Property, &outcome.Body, &outcome.Progress}
	for i := range outcome.Dropped {
		texts = append(texts, &outcome.Dropped[i])
	}
	for _, text := range texts {
		*text = strings.ToValidUTF8((*text)[:min(len(*text), crm.MaxBody)], "")
	}
	return outcome
}

// inWords formats a duration for operators.
func inWords(d time.Duration) string {
	round := time.Millisecond
	switch {
	case d >= time.Hour:
		round = time.Minute
	case d >= time.Second:
		round = time.Second
	}
	text := d.Round(round).String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
