package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker"
	"github.com/leadgate/leadgate/worker/journal"
	"github.com/leadgate/leadgate/worker/mapping"
	"github.com/leadgate/leadgate/worker/operations"
	"github.com/leadgate/leadgate/worker/store"
)

const (
	// replayLeads is the kind of the operation.
	replayLeads = "ReplayLeads"
	// How many leads one step replays.
	replayPortion = 100
	// How many changed leads a dry run shows.
	maxReplayChanges = 100
	// How often, and how far apart, a lead is tried that is being sent or changed by somebody else at the moment.
	replayTries = 5
	replayRest  = 300 * time.Millisecond
)

// Back is what the server needs from the worker: what a destination would be sent, and operations on many leads.
type Back interface {
	Payload(destination string, record *leadgatev1.LeadRecord) (worker.Payload, error)
	Operations() *operations.Runner
}

// ReplayLeads implements LeadServiceServer.
func (s *leads) ReplayLeads(ctx context.Context, r *leadgatev1.ReplayLeadsRequest) (*leadgatev1.ReplayLeadsResponse, error) {
	if s.back == nil {
		return nil, status.Error(codes.Unimplemented, "this server has no worker behind it")
	}
	if name := r.GetFilter().GetForm(); name != "" && s.house().forms[name] == nil {
		return nil, s.formUnknown(name)
	}
	answer := &leadgatev1.ReplayLeadsResponse{}
	var op *leadgatev1.Operation
	var err error
	if r.GetDryRun() {
		op, err = s.back.Operations().Preview(ctx, replayLeads, s.replay(r, func(change *leadgatev1.ReplayChange) {
			if len(answer.Changes) < maxReplayChanges {
				answer.Changes = append(answer.Changes, change)
			}
		}), r.GetExpectedCount())
	} else {
		op, err = s.back.Operations().Run(ctx, operations.Call{
			Kind: replayLeads, Request: r, ID: r.GetOperationId(), Expected: r.GetExpectedCount(),
		})
	}
	if err == nil {
		err = worker.OperationFailure(op)
	}
	if err != nil {
		return nil, worker.StatusOf(err, "lead")
	}
	counts := op.GetCounts()
	answer.Matched, answer.Sent, answer.Updated, answer.Added = op.GetMatched(), counts["sent"], counts["updated"], counts["added"]
	answer.Unchanged, answer.Held, answer.Refused = counts["unchanged"], counts["held"], counts["refused"]
	answer.Problems, answer.OperationId = op.GetProblems(), op.GetOperationId()
	return answer, nil
}

func (s *leads) replayTask(r *leadgatev1.ReplayLeadsRequest) (operations.Task, error) {
	return s.replay(r, func(*leadgatev1.ReplayChange) {}), nil
}

// replay returns the task that replays the leads that match. Its preview calls show for those that change.
func (s *leads) replay(r *leadgatev1.ReplayLeadsRequest, show func(*leadgatev1.ReplayChange)) operations.Task {
	q := worker.LeadQuery(r.GetFilter())
	return operations.Task{Read: func(ctx context.Context, token string) (operations.Portion, error) {
		page, next, err := worker.LeadPage(ctx, s.store, q, r.GetFilter().GetLeadIds(), replayPortion, token)
		if err != nil {
			return operations.Portion{}, err
		}
		page = slices.DeleteFunc(page, func(record *leadgatev1.LeadRecord) bool {
			return record.GetState() != leadgatev1.LeadState_LEAD_STATE_OPEN && record.GetState() != leadgatev1.LeadState_LEAD_STATE_HELD
		})
		return operations.Portion{
			Matched: int64(len(page)), Next: next,
			Preview: func(ctx context.Context) (result operations.Result, err error) {
				for _, record := range page {
					p, err := s.plan(ctx, r, record)
					if err != nil {
						return result, err
					}
					p.count(&result)
					if p.amendment != nil {
						show(p.change())
					}
				}
				return result, nil
			},
			Act: func(ctx context.Context) (operations.Result, error) { return s.replayPage(ctx, r, page) },
		}, nil
	}}
}

// replayPage reads leads again and changes them. A lead that could not be changed, because an attempt is in progress or somebody else
// changed it, is retried after a while.
func (s *leads) replayPage(ctx context.Context, r *leadgatev1.ReplayLeadsRequest, page []*leadgatev1.LeadRecord) (result operations.Result, err error) {
	for try := 1; len(page) > 0; try++ {
		var plans []*replayPlan
		var amendments []*store.Amendment
		for _, record := range page {
			p, err := s.plan(ctx, r, record)
			if err != nil {
				return result, err
			}
			if p.amendment == nil {
				p.count(&result)
				continue
			}
			plans, amendments = append(plans, p), append(amendments, p.amendment)
		}
		amended, err := s.store.Amend(ctx, amendments...)
		if err != nil {
			return result, err
		}
		page = nil
		for i, a := range amended {
			busy := errors.Is(a.Err, store.ErrState) || errors.Is(a.Err, store.ErrConflict)
			switch {
			case a.Err == nil:
				plans[i].count(&result)
			case busy && try < replayTries:
				page = append(page, plans[i].record)
			case busy:
				result.Count("refused", 1)
				result.Problem(plans[i].record.GetLeadId(), "it is being sent or changed at this moment; replay it again")
			default:
				result.Count("refused", 1)
				result.Problem(plans[i].record.GetLeadId(), worker.Problem(s.log, a.Err, "lead"))
			}
		}
		if len(page) > 0 {
			if page, err = s.readAgain(ctx, page); err != nil {
				return result, err
			}
		}
	}
	return result, nil
}

// readAgain waits a while and reads leads from the store again.
func (s *leads) readAgain(ctx context.Context, page []*leadgatev1.LeadRecord) ([]*leadgatev1.LeadRecord, error) {
	timer := time.NewTimer(replayRest)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-timer.C:
	}
	for i, record := range page {
		var err error
		if page[i], err = s.store.Lead(ctx, record.GetLeadId()); err != nil {
			return nil, err
		}
	}
	return page, nil
}

// replayPlan is what a replay does to a lead.
type replayPlan struct {
	record         *leadgatev1.LeadRecord
	again          *worker.Resubmission
	amendment      *store.Amendment // nil leaves the lead as it is
	word           string           // the count that it adds to
	problem        string
	updated, added []string
}

func (p *replayPlan) count(result *operations.Result) {
	result.Count(p.word, 1)
	if len(p.added) > 0 && p.word != "added" && p.word != "sent" {
		result.Count("added", 1)
	}
	if p.problem != "" {
		result.Problem(p.record.GetLeadId(), p.problem)
	}
}

// change shows what would be done.
func (p *replayPlan) change() *leadgatev1.ReplayChange {
	return &leadgatev1.ReplayChange{
		LeadId: p.record.GetLeadId(), Held: p.record.GetState() == leadgatev1.LeadState_LEAD_STATE_HELD,
		Fields: mapping.Difference(p.record.GetLead(), p.again.Lead), Updated: p.updated, Added: p.added,
	}
}

// plan reads a lead again by the current configuration and decides what to do with it.
func (s *leads) plan(ctx context.Context, r *leadgatev1.ReplayLeadsRequest, record *leadgatev1.LeadRecord) (*replayPlan, error) {
	p := &replayPlan{record: record, word: "unchanged"}
	var err error
	if p.again, err = s.Resubmit(record); err != nil {
		return nil, err
	}
	switch record.GetState() {
	case leadgatev1.LeadState_LEAD_STATE_HELD:
		s.planHeld(p)
	case leadgatev1.LeadState_LEAD_STATE_OPEN:
		err = s.planOpen(ctx, r, p)
	default: // discarded or erased since it was listed
	}
	return p, err
}

// planHeld releases a lead whose reasons to be held no longer apply. A lead that a person has to judge stays held.
func (s *leads) planHeld(p *replayPlan) {
	for _, hold := range p.record.GetHolds() {
		switch hold.GetReason() {
		case leadgatev1.HoldReason_HOLD_REASON_UNMAPPED, leadgatev1.HoldReason_HOLD_REASON_NO_ROUTE, leadgatev1.HoldReason_HOLD_REASON_BLOCKED:
		default:
			p.word, p.problem = "held", "a person has to decide: "+hold.GetDetail()
			return
		}
	}
	if why := p.again.Refusal(); why != "" || p.again.Blocked != "" {
		p.word, p.problem = "held", "it stays held: "+strings.Trim(why+"; "+p.again.Blocked, "; ")
		return
	}
	p.word, p.added = "sent", p.again.Destinations
	p.amendment = p.again.Release(p.record, timestamppb.New(s.now()), "replayed with configuration "+p.again.Revision)
}

// planOpen sends a lead again where the CRM would get other values, and to new destinations.
func (s *leads) planOpen(ctx context.Context, r *leadgatev1.ReplayLeadsRequest, p *replayPlan) error {
	if len(p.again.Problems) > 0 {
		p.word, p.problem = "refused", strings.Join(p.again.Problems, "; ")
		return nil
	}
	was, is := p.record.GetLead().GetEmail(), p.again.Lead.GetEmail()
	if was != is && !r.GetAllowIdentityChange() {
		p.word = "refused"
		p.problem = fmt.Sprintf("its e-mail address would be %s instead of %s, which is another person in the CRM; set allow_identity_change to send it anyway",
			orNone(journal.MaskEmail(is)), orNone(journal.MaskEmail(was)))
		return nil
	}
	deliveries, err := s.store.LeadDeliveries(ctx, p.record.GetLeadId())
	if err != nil {
		return err
	}
	record := proto.CloneOf(p.record)
	record.Lead = p.again.Lead
	var waiting []string // they are mapped when they are sent, from the lead as it is then
	left := false        // a person decides whether they are sent; then they are mapped in the same way
	for _, d := range deliveries {
		switch d.GetState() {
		case leadgatev1.DeliveryState_DELIVERY_STATE_HELD, leadgatev1.DeliveryState_DELIVERY_STATE_SUPERSEDED:
			left = true
		case leadgatev1.DeliveryState_DELIVERY_STATE_PENDING, leadgatev1.DeliveryState_DELIVERY_STATE_RETRY_WAIT:
			waiting = append(waiting, d.GetDestination())
			if d.GetAttemptCount() == 0 {
				continue
			}
			fallthrough // what was sent may have arrived and need an update
		case leadgatev1.DeliveryState_DELIVERY_STATE_IN_FLIGHT, leadgatev1.DeliveryState_DELIVERY_STATE_DELIVERED, leadgatev1.DeliveryState_DELIVERY_STATE_DEAD:
			payload, err := s.back.Payload(d.GetDestination(), record)
			if err != nil { // the destination no longer exists, or nothing can be sent there
				p.problem = fmt.Sprintf("%s: %v", d.GetDestination(), err)
				continue
			}
			var last *leadgatev1.Attempt // nil if nothing could be sent
			if attempts := d.GetAttempts(); len(attempts) > 0 {
				last = attempts[len(attempts)-1]
			}
			// The CRM may accept now what it left out: a property may have been created, made longer, or given another option.
			if last.GetPayload() != payload.Text || len(last.GetDroppedProperties()) > 0 {
				p.updated = append(p.updated, d.GetDestination())
			}
		}
	}
	for _, destination := range p.again.Destinations {
		if !slices.ContainsFunc(deliveries, func(d *leadgatev1.Delivery) bool { return d.GetDestination() == destination }) {
			p.added = append(p.added, destination)
		}
	}
	changed := !proto.Equal(p.record.GetLead(), p.again.Lead)
	switch {
	case len(p.updated) > 0:
		p.word = "updated"
	case len(p.added) > 0:
		p.word = "added"
	case len(waiting) == 0 && !left || !changed:
		return nil
	default:
		p.word = "updated"
	}
	p.amendment = p.again.Update(p.record, p.updated, p.added, timestamppb.New(s.now()), "replayed with configuration "+p.again.Revision)
	if changed { // an attempt that began meanwhile sends the old values
		p.amendment.Resend = slices.Concat(p.updated, waiting)
	}
	return nil
}

func orNone(text string) string {
	if text == "" {
		return "none"
	}
	return text
}
