package worker

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/journal"
	"github.com/leadgate/leadgate/worker/store"
)

// leadEvent returns an event for a stage of a claimed delivery, at its update time.
func leadEvent(claim *store.Claim, d *leadgatev1.Delivery, stage leadgatev1.Stage, more func(*leadgatev1.LeadEvent)) *leadgatev1.Event {
	record := claim.Record
	e := &leadgatev1.LeadEvent{
		Stage: stage, LeadId: d.GetLeadId(), Form: d.GetForm(), Destination: d.GetDestination(), DeliveryId: d.GetDeliveryId(),
		Attempt: d.GetAttemptCount(), IdempotencyKey: record.GetIdempotencyKey(), Person: journal.MaskEmail(record.GetLead().GetEmail()),
		RequestId: record.GetRequestId(),
	}
	// 00-TRACE-SPAN-FLAGS, validated by the front of the house.
	if parts := strings.Split(record.GetTraceParent(), "-"); len(parts) == 4 {
		e.TraceId, e.SpanId = parts[1], parts[2]
	}
	if more != nil {
		more(e)
	}
	return &leadgatev1.Event{Time: d.GetUpdateTime(), Kind: &leadgatev1.Event_Lead{Lead: e}}
}

// began reports that a call begins.
func began(p *parcel) *leadgatev1.Event {
	return leadEvent(p.claim, p.delivery, leadgatev1.Stage_STAGE_CRM_API_CALL, func(e *leadgatev1.LeadEvent) {
		if p.delivery.GetMode() == leadgatev1.DeliveryMode_DELIVERY_MODE_FILL_BLANKS {
			e.Detail = "fills in only empty properties, because a newer lead of the same person was already delivered"
		}
	})
}

// succeeded reports that the CRM has the lead, and before that which properties it did not accept.
func succeeded(p *parcel) []*leadgatev1.Event {
	answered := func(e *leadgatev1.LeadEvent) {
		e.Duration, e.CrmStatus = p.attempt.GetDuration(), p.attempt.GetCrmStatus()
		e.RecordId, e.RecordUrl = p.delivery.GetRecordId(), p.delivery.GetRecordUrl()
	}
	success := leadEvent(p.claim, p.delivery, leadgatev1.Stage_STAGE_SUCCESS, answered)
	success.GetLead().SpeedToLead = durationpb.New(max(0, p.delivery.GetUpdateTime().AsTime().Sub(p.claim.Record.GetCreateTime().AsTime())))
	dropped := p.outcome.Dropped
	if len(dropped) == 0 {
		return []*leadgatev1.Event{success}
	}
	success.GetLead().Detail = "delivered without " + strings.Join(dropped, ", ")
	return []*leadgatev1.Event{
		leadEvent(p.claim, p.delivery, leadgatev1.Stage_STAGE_FAILURE, func(e *leadgatev1.LeadEvent) {
			answered(e)
			e.Error = fmt.Sprintf("the CRM did not accept %s: %s", strings.Join(dropped, ", "), reasonOf(p.outcome))
			e.Detail = "the rest was delivered; correct properties: of the destination, or create the property in the CRM"
			e.CrmBody = p.scrubbedBody()
		}),
		success,
	}
}

// resent reports that the lead is sent again, because it changed while the CRM's answer was missing.
func resent(p *parcel) *leadgatev1.Event {
	return leadEvent(p.claim, p.delivery, leadgatev1.Stage_STAGE_QUEUED, func(e *leadgatev1.LeadEvent) {
		e.Detail = "the lead changed while the CRM's answer was missing, and is sent again as it is now"
	})
}

// retries reports that the delivery will be tried again.
func retries(p *parcel) *leadgatev1.Event {
	return leadEvent(p.claim, p.delivery, leadgatev1.Stage_STAGE_RETRY, func(e *leadgatev1.LeadEvent) {
		p.fail(e)
		e.NextAttemptTime = p.delivery.GetDueTime()
		switch {
		case p.delivery.GetRefusedAlone():
			e.Detail = "others get through, so it is this lead that the CRM refuses"
		case p.attempt.GetOutcome() == leadgatev1.AttemptOutcome_ATTEMPT_OUTCOME_CREDENTIALS_REFUSED:
			e.NextAttemptTime = nil // nobody knows when they will be fixed
			e.Detail = "waits until the CRM accepts the credentials"
		}
		if p.unreachable {
			e.NextAttemptTime = nil
			e.Detail = "waits until the CRM can be reached"
		}
	})
}

// died reports that the delivery failed, and that it will not be tried again.
func died(p *parcel) []*leadgatev1.Event {
	return []*leadgatev1.Event{
		leadEvent(p.claim, p.delivery, leadgatev1.Stage_STAGE_FAILURE, p.fail),
		leadEvent(p.claim, p.delivery, leadgatev1.Stage_STAGE_DEAD, func(e *leadgatev1.LeadEvent) {
			p.fail(e)
			e.Error = p.delivery.GetReason()
		}),
	}
}

// undecided reports that a person has to find out whether the CRM has the lead.
func undecided(p *parcel) *leadgatev1.Event {
	return leadEvent(p.claim, p.delivery, leadgatev1.Stage_STAGE_HELD, func(e *leadgatev1.LeadEvent) {
		p.fail(e)
		e.Detail = "check whether the CRM has the lead; if not, retry the delivery"
	})
}

// fail fills in what is known about a failed call.
func (p *parcel) fail(e *leadgatev1.LeadEvent) {
	e.Duration, e.CrmStatus, e.Error = p.attempt.GetDuration(), p.attempt.GetCrmStatus(), p.attempt.GetError()
	e.CrmBody = p.scrubbedBody()
}

func (p *parcel) scrubbedBody() string {
	return scrub(p.attempt.GetCrmBody(), p.claim.Record.GetLead())
}

// asked reports that a person asked for another attempt.
func asked(d *leadgatev1.Delivery, now *timestamppb.Timestamp) *leadgatev1.Event {
	return toldOf(d, now, leadgatev1.Stage_STAGE_QUEUED, "a person asked for another attempt")
}

// toldOf returns an event about a delivery that is not claimed.
func toldOf(d *leadgatev1.Delivery, now *timestamppb.Timestamp, stage leadgatev1.Stage, detail string) *leadgatev1.Event {
	return &leadgatev1.Event{Time: now, Kind: &leadgatev1.Event_Lead{Lead: &leadgatev1.LeadEvent{
		Stage: stage, LeadId: d.GetLeadId(), Form: d.GetForm(), Destination: d.GetDestination(),
		DeliveryId: d.GetDeliveryId(), Attempt: d.GetAttemptCount(), Detail: detail,
	}}}
}
