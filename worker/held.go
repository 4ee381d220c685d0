package worker

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/operations"
	"github.com/leadgate/leadgate/worker/store"
)

// ReleaseLeads implements WorkerServiceServer.
func (s *service) ReleaseLeads(ctx context.Context, r *leadgatev1.ReleaseLeadsRequest) (*leadgatev1.ReleaseLeadsResponse, error) {
	op, err := s.operate(ctx, releaseLeads, r, "lead")
	if err != nil {
		return nil, err
	}
	return &leadgatev1.ReleaseLeadsResponse{
		Matched: op.GetMatched(), Released: op.GetCounts()["released"], Refused: op.GetCounts()["refused"], Problems: op.GetProblems(),
		OperationId: op.GetOperationId(),
	}, nil
}

// DiscardLeads implements WorkerServiceServer.
func (s *service) DiscardLeads(ctx context.Context, r *leadgatev1.DiscardLeadsRequest) (*leadgatev1.DiscardLeadsResponse, error) {
	op, err := s.operate(ctx, discardLeads, r, "lead")
	if err != nil {
		return nil, err
	}
	return &leadgatev1.DiscardLeadsResponse{Matched: op.GetMatched(), Discarded: op.GetCounts()["discarded"], OperationId: op.GetOperationId()}, nil
}

// UndiscardLeads implements WorkerServiceServer.
func (s *service) UndiscardLeads(ctx context.Context, r *leadgatev1.UndiscardLeadsRequest) (*leadgatev1.UndiscardLeadsResponse, error) {
	op, err := s.operate(ctx, undiscardLeads, r, "lead")
	if err != nil {
		return nil, err
	}
	return &leadgatev1.UndiscardLeadsResponse{Matched: op.GetMatched(), Held: op.GetCounts()["held"], OperationId: op.GetOperationId()}, nil
}

func (s *service) releaseTask(r *leadgatev1.ReleaseLeadsRequest) (operations.Task, error) {
	return s.asideTask(r.GetFilter(), heldLeads, "released", func(record *leadgatev1.LeadRecord, result *operations.Result) (*store.Amendment, error) {
		again, err := s.worker.resubmit(record)
		if err != nil {
			return nil, err
		}
		if why := again.Refusal(); why != "" {
			result.Count("refused", 1)
			result.Problem(record.GetLeadId(), why)
			return nil, nil
		}
		return again.Release(record, s.now(), "a person released it"), nil
	}), nil
}

func (s *service) discardTask(r *leadgatev1.DiscardLeadsRequest) (operations.Task, error) {
	return s.asideTask(r.GetFilter(), heldLeads, "discarded", func(was *leadgatev1.LeadRecord, result *operations.Result) (*store.Amendment, error) {
		record := proto.CloneOf(was)
		record.State = leadgatev1.LeadState_LEAD_STATE_DISCARDED // the holds stay, so that it can be held again
		event := recordEvent(record, leadgatev1.Stage_STAGE_DISCARDED, s.now())
		event.GetLead().Detail = strings.Join(nonEmpty("a person discarded it", r.GetReason()), ": ")
		return &store.Amendment{Was: was, Record: record, Events: []*leadgatev1.Event{event}}, nil
	}), nil
}

func (s *service) undiscardTask(r *leadgatev1.UndiscardLeadsRequest) (operations.Task, error) {
	return s.asideTask(r.GetFilter(), discardedLeads, "held", func(was *leadgatev1.LeadRecord, _ *operations.Result) (*store.Amendment, error) {
		record := proto.CloneOf(was)
		record.State = leadgatev1.LeadState_LEAD_STATE_HELD
		event := recordEvent(record, leadgatev1.Stage_STAGE_HELD, s.now())
		event.GetLead().Reason, event.GetLead().Detail = UndiscardedReason, "a person took it back out of the discarded leads"
		return &store.Amendment{Was: was, Record: record, Events: []*leadgatev1.Event{event}}, nil
	}), nil
}

// UndiscardedReason is the reason in the event of a lead that is held again after a person discarded it.
const UndiscardedReason = "UNDISCARDED"

// The states of leads that were set aside.
const (
	heldLeads      = leadgatev1.LeadState_LEAD_STATE_HELD
	discardedLeads = leadgatev1.LeadState_LEAD_STATE_DISCARDED
)

// asideTask goes through the matching leads in a state. decide returns the change of a lead, which is counted under word. If it
// returns nil, the lead stays as it is, and decide has added the reason to the result.
func (s *service) asideTask(f *leadgatev1.LeadFilter, state leadgatev1.LeadState, word string, decide func(*leadgatev1.LeadRecord, *operations.Result) (*store.Amendment, error)) operations.Task {
	q := LeadQuery(f)
	q.State = state
	decideAll := func(page []*leadgatev1.LeadRecord) (result operations.Result, amendments []*store.Amendment, err error) {
		for _, record := range page {
			amendment, err := decide(record, &result)
			if err != nil {
				return result, nil, fmt.Errorf("lead %s: %w", record.GetLeadId(), err)
			}
			if amendment != nil {
				amendments = append(amendments, amendment)
			}
		}
		return result, amendments, nil
	}
	return operations.Task{Read: func(ctx context.Context, token string) (operations.Portion, error) {
		page, next, err := LeadPage(ctx, s.worker.store, q, f.GetLeadIds(), portionSize, token)
		if err != nil {
			return operations.Portion{}, err
		}
		return operations.Portion{
			Matched: int64(len(page)), Next: next,
			Preview: func(context.Context) (operations.Result, error) {
				result, amendments, err := decideAll(page)
				result.Count(word, int64(len(amendments)))
				return result, err
			},
			Act: func(ctx context.Context) (operations.Result, error) {
				result, amendments, err := decideAll(page)
				if err != nil {
					return result, err
				}
				results, err := s.worker.store.Amend(ctx, amendments...)
				if err != nil {
					return result, err
				}
				for i, amended := range results {
					s.tally(&result, word, "lead", amendments[i].Record.GetLeadId(), amended.Err)
				}
				return result, nil
			},
		}, nil
	}}
}

// LeadQuery converts a filter to the store's query.
func LeadQuery(f *leadgatev1.LeadFilter) store.LeadQuery {
	q := store.LeadQuery{Reason: f.GetReason(), Form: f.GetForm(), Email: store.Address(f.GetEmail())}
	if f.GetSince() != nil {
		q.Since = f.GetSince().AsTime()
	}
	if f.GetUntil() != nil {
		q.Until = f.GetUntil().AsTime()
	}
	return q
}

// LeadPage reads a page of the leads that match q. If ids is not empty, it considers only those leads, and there is one page.
func LeadPage(ctx context.Context, s store.Store, q store.LeadQuery, ids []string, size int, token string) (page []*leadgatev1.LeadRecord, next string, err error) {
	if len(ids) == 0 {
		return s.Leads(ctx, q, size, token)
	}
	for _, id := range ids { // validation limits their number
		record, err := s.Lead(ctx, id)
		switch {
		case errors.Is(err, store.ErrNotFound):
		case err != nil:
			return nil, "", err
		case q.Matches(record):
			page = append(page, record)
		}
	}
	return page, "", nil
}

// nonEmpty returns the texts that are not empty.
func nonEmpty(texts ...string) []string {
	var kept []string
	for _, text := range texts {
		if text != "" {
			kept = append(kept, text)
		}
	}
	return kept
}
