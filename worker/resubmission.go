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

// Resubmission is what the configuration in force makes of a kept lead.
type Resubmission struct {
	// Lead is the lead as it is read now; it keeps every rule if Problems is empty.
	Lead *leadgatev1.Lead
	// Changes are the differences between what came and the lead, without values.
	Changes []*leadgatev1.Change
	// Destinations are where it goes now. Empty if nobody takes it.
	Destinations []string
	// Problems says in words what is wrong with the lead, without values.
	Problems []string
	// Blocked says which rule of its form keeps the lead out; empty if none does. Whoever releases a lead overrules it.
	Blocked string
	// Detail is what is worth knowing of how it was read, in words.
	Detail string
	// Revision names the configuration.
	Revision string
}

// Refusal says why the lead cannot be sent; empty if it can.
func (r *Resubmission) Refusal() string {
	switch {
	case len(r.Problems) > 0:
		return strings.Join(r.Problems, "; ")
	case len(r.Destinations) == 0:
		return "no destination takes it"
	}
	return ""
}

// Release sends a held lead as it is read now. why says who or what did that.
func (r *Resubmission) Release(was *leadgatev1.LeadRecord, now *timestamppb.Timestamp, why string) *store.Amendment {
	record := r.record(was)
	record.State, record.Holds = leadgatev1.LeadState_LEAD_STATE_OPEN, nil
	return &store.Amendment{Was: was, Record: record, Destinations: r.Destinations, Events: r.events(record, now, why, r.Destinations)}
}

// Update makes of an open lead what it is read as now, sends it again to some destinations, and to others for the first time.
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

// recordEvent is a stage of a kept lead that an operator's wish brought about.
func recordEvent(record *leadgatev1.LeadRecord, stage leadgatev1.Stage, now *timestamppb.Timestamp) *leadgatev1.Event {
	return &leadgatev1.Event{Time: now, Kind: &leadgatev1.Event_Lead{Lead: &leadgatev1.LeadEvent{
		Stage: stage, LeadId: record.GetLeadId(), Form: record.GetLead().GetSource().GetForm(), IdempotencyKey: record.GetIdempotencyKey(),
		Person: journal.MaskEmail(record.GetLead().GetEmail()), RequestId: record.GetRequestId(),
	}}}
}
