package worker

import (
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/journal"
	"github.com/leadgate/leadgate/worker/store"
)

// Resubmission is a stored lead as the current configuration reads it.
type Resubmission struct {
	// Lead is the lead as it is read now. It satisfies every rule if Problems is empty.
	Lead *leadgatev1.Lead
	// Changes are the differences between the submission and the lead, without values.
	Changes []*leadgatev1.Change
	// Destinations are where the lead goes now; empty if no destination takes it.
	Destinations []string
	// Problems say what is wrong with the lead, without values.
	Problems []string
	// Blocked says which rule of its form keeps the lead out; empty if none does. Releasing the lead overrules it.
	Blocked string
	// Detail says what else is worth knowing about how it was read.
	Detail string
	// Revision identifies the configuration.
	Revision string
}

// Refusal returns why the lead cannot be sent; empty if it can.
func (r *Resubmission) Refusal() string {
	switch {
	case len(r.Problems) > 0:
		return strings.Join(r.Problems, "; ")
	case len(r.Destinations) == 0:
		return "no destination takes it"
	}
	return ""
}

// Release returns the change that sends a held lead as it is read now. why says who or what released it.
func (r *Resubmission) Release(was *leadgatev1.LeadRecord, now *timestamppb.Timestamp, why string) *store.Amendment {
	record := r.record(was)
	record.State, record.Holds = leadgatev1.LeadState_LEAD_STATE_OPEN, nil
	return &store.Amendment{Was: was, Record: record, Destinations: r.Destinations, Events: r.events(record, now, why, r.Destinations)}
}

// Update returns the change that replaces an open lead by what is read now, and sends it again to some destinations and for the
// first time to further ones.
func (r *Resubmission) Update(was *leadgatev1.LeadRecord, again, further []string, now *timestamppb.Timestamp, why string) *store.Amendment {
	record := r.record(was)
	return &store.Amendment{
		Was: was, Record: record, Resend: again, Destinations: further,
		Events: r.events(record, now, why, append(slices.Clip(again), further...)),
	}
}

func (r *Resubmission) record(was *leadgatev1.LeadRecord) *leadgatev1.LeadRecord {
	record := proto.CloneOf(was)
	record.Lead, record.Changes, record.ConfigRevision = r.Lead, r.Changes, r.Revision
	return record
}

func (r *Resubmission) events(record *leadgatev1.LeadRecord, now *timestamppb.Timestamp, why string, destinations []string) []*leadgatev1.Event {
	validated := recordEvent(record, leadgatev1.Stage_STAGE_VALIDATED, now)
	validated.GetLead().Detail = strings.Join(nonEmpty(why, r.Detail), "; ")
	events := []*leadgatev1.Event{validated}
	for _, destination := range destinations {
		queued := recordEvent(record, leadgatev1.Stage_STAGE_QUEUED, now)
		queued.GetLead().Destination, queued.GetLead().DeliveryId = destination, record.GetLeadId()+"."+destination
		queued.GetLead().Detail = why
		events = append(events, queued)
	}
	return events
}

// recordEvent returns an event for a stage of a stored lead that an operator brought about.
func recordEvent(record *leadgatev1.LeadRecord, stage leadgatev1.Stage, now *timestamppb.Timestamp) *leadgatev1.Event {
	return &leadgatev1.Event{Time: now, Kind: &leadgatev1.Event_Lead{Lead: &leadgatev1.LeadEvent{
		Stage: stage, LeadId: record.GetLeadId(), Form: record.GetLead().GetSource().GetForm(), IdempotencyKey: record.GetIdempotencyKey(),
		Person: journal.MaskEmail(record.GetLead().GetEmail()), RequestId: record.GetRequestId(),
	}}}
}
