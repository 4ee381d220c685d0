package worker_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker"
	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/store"
)

// hold stores held leads and returns their IDs.
func (h *house) hold(emails ...string) []string {
	h.t.Helper()
	var ids []string
	for _, email := range emails {
		id := uuid.Must(uuid.NewV7()).String()
		results, err := h.store.Accept(h.t.Context(), &store.Acceptance{Record: &leadgatev1.LeadRecord{
			LeadId: id, State: leadgatev1.LeadState_LEAD_STATE_HELD, CreateTime: timestamppb.Now(),
			Holds: []*leadgatev1.Hold{{Reason: leadgatev1.HoldReason_HOLD_REASON_KEY_REUSED}},
			Lead:  &leadgatev1.Lead{Email: email, Source: &leadgatev1.Source{Form: "contact"}},
		}})
		if err != nil || results[0].Err != nil {
			h.t.Fatal(err, results)
		}
		ids = append(ids, id)
	}
	return ids
}

func (h *house) expectLead(id string, want leadgatev1.LeadState) *leadgatev1.LeadRecord {
	h.t.Helper()
	record, err := h.store.Lead(h.t.Context(), id)
	if err != nil {
		h.t.Fatal(err)
	}
	if record.GetState() != want {
		h.t.Fatalf("the lead is %v, want %v", record.GetState(), want)
	}
	return record
}

const (
	heldLead      = leadgatev1.LeadState_LEAD_STATE_HELD
	openLead      = leadgatev1.LeadState_LEAD_STATE_OPEN
	discardedLead = leadgatev1.LeadState_LEAD_STATE_DISCARDED
)

// fussy resubmits every lead except Bob's, which still breaks a rule.
func fussy(record *leadgatev1.LeadRecord) (*worker.Resubmission, error) {
	again := &worker.Resubmission{Lead: proto.CloneOf(record.GetLead()), Revision: "r2"}
	if strings.HasPrefix(record.GetLead().GetEmail(), "bob") {
		again.Problems = []string{"company: must be filled in"}
		return again, nil
	}
	again.Lead.FirstName, again.Destinations = "Read anew", []string{"crm"}
	return again, nil
}

func TestHeldLeadsAreReleasedUnlessTheyStillBreakARule(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		h.resubmit = fussy
		h.restart()
		h.apply(nil)
		ids := h.hold("ada@example.com", "bob@example.com", "cyd@example.com")
		filter := &leadgatev1.LeadFilter{Reason: leadgatev1.HoldReason_HOLD_REASON_KEY_REUSED}
		answer, err := h.service.ReleaseLeads(t.Context(), &leadgatev1.ReleaseLeadsRequest{Filter: filter, DryRun: true})
		if err != nil || answer.GetMatched() != 3 || answer.GetReleased() != 2 || answer.GetRefused() != 1 || answer.GetOperationId() != "" {
			t.Fatalf("a dry run: %v, %v", answer, err)
		}
		h.expectLead(ids[0], heldLead)

		answer, err = h.service.ReleaseLeads(t.Context(), &leadgatev1.ReleaseLeadsRequest{Filter: filter, ExpectedCount: 3})
		if err != nil || answer.GetMatched() != 3 || answer.GetReleased() != 2 || answer.GetRefused() != 1 {
			t.Fatalf("got %v, %v", answer, err)
		}
		if p := answer.GetProblems(); len(p) != 1 || p[0].GetId() != ids[1] || p[0].GetMessage() != "company: must be filled in" {
			t.Errorf("problems are %v", p)
		}
		h.rest(time.Second)
		for _, i := range []int{0, 2} {
			record := h.expectLead(ids[i], openLead)
			if record.GetLead().GetFirstName() != "Read anew" || record.GetConfigRevision() != "r2" || len(record.GetHolds()) != 0 {
				t.Errorf("the record is %v", record)
			}
			h.expectState(ids[i]+".crm", done)
			h.expectStages(ids[i]+".crm", stageQueued, stageCall, stageSuccess)
		}
		h.expectLead(ids[1], heldLead)

		op, err := h.service.GetOperation(t.Context(), &leadgatev1.GetOperationRequest{OperationId: answer.GetOperationId()})
		if err != nil || op.GetOperation().GetKind() != "ReleaseLeads" || op.GetOperation().GetCounts()["refused"] != 1 {
			t.Errorf("the operation is %v, %v", op, err)
		}
		_, err = h.service.GetOperation(t.Context(), &leadgatev1.GetOperationRequest{OperationId: "other"})
		expectStatus(t, err, codes.NotFound, "OPERATION_NOT_FOUND")
	})
}

func TestNamedHeldLeadsAreThrownAway(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		h.apply(nil)
		ids := h.hold("ada@example.com", "bob@example.com")
		open := h.accept("cyd@example.com")
		named := &leadgatev1.LeadFilter{LeadIds: []string{ids[0], open[0][:36], uuid.NewString()}}
		request := &leadgatev1.DiscardLeadsRequest{Filter: named, Reason: "a test of ours", OperationId: "mine"}
		for range 2 { // the second call gets the same answer
			answer, err := h.service.DiscardLeads(t.Context(), request)
			if err != nil || answer.GetMatched() != 1 || answer.GetDiscarded() != 1 || answer.GetOperationId() != "mine" {
				t.Fatalf("got %v, %v", answer, err)
			}
		}
		h.expectLead(ids[0], discardedLead)
		h.expectLead(ids[1], heldLead)
		timeline, err := h.store.Timeline(t.Context(), ids[0])
		if err != nil || len(timeline) != 1 || timeline[0].GetLead().GetStage() != leadgatev1.Stage_STAGE_DISCARDED ||
			timeline[0].GetLead().GetDetail() != "a person discarded it: a test of ours" {
			t.Errorf("the timeline is %v, %v", timeline, err)
		}
		_, err = h.service.DiscardLeads(t.Context(), &leadgatev1.DiscardLeadsRequest{Filter: &leadgatev1.LeadFilter{}, OperationId: "mine"})
		expectStatus(t, err, codes.InvalidArgument, "OPERATION_ID_REUSED")
	})
}

func TestWhatWasThrownAwayIsHeldAgain(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		h.apply(nil)
		ids := h.hold("ada@example.com", "bob@example.com")
		before, err := h.store.Lead(t.Context(), ids[0])
		if err != nil {
			t.Fatal(err)
		}
		named := &leadgatev1.LeadFilter{LeadIds: ids[:1]}
		if _, err := h.service.DiscardLeads(t.Context(), &leadgatev1.DiscardLeadsRequest{Filter: named}); err != nil {
			t.Fatal(err)
		}
		for _, test := range []struct {
			dryRun  bool
			matched int64
			becomes leadgatev1.LeadState
		}{{true, 1, discardedLead}, {false, 1, heldLead}, {false, 0, heldLead}} {
			answer, err := h.service.UndiscardLeads(t.Context(), &leadgatev1.UndiscardLeadsRequest{Filter: named, DryRun: test.dryRun})
			if err != nil || answer.GetMatched() != test.matched || answer.GetHeld() != test.matched {
				t.Fatalf("got %v, %v", answer, err)
			}
			h.expectLead(ids[0], test.becomes)
		}
		if after, err := h.store.Lead(t.Context(), ids[0]); err != nil || !proto.Equal(before, after) {
			t.Errorf("the lead was %v and is %v, %v", before, after, err)
		}
		counts, err := h.store.LeadCounts(t.Context())
		if err != nil || counts.ByState[heldLead] != 2 || counts.ByState[discardedLead] != 0 {
			t.Errorf("counts %v, %v", counts, err)
		}
	})
}

// refusingStore refuses every amendment.
type refusingStore struct {
	store.Store
	err error
}

func (s *refusingStore) Amend(_ context.Context, amendments ...*store.Amendment) ([]store.Amended, error) {
	return slices.Repeat([]store.Amended{{Err: s.err}}, len(amendments)), nil
}

func (s *refusingStore) Redrive(_ context.Context, redrives ...*store.Redrive) ([]store.Redriven, error) {
	return slices.Repeat([]store.Redriven{{Err: s.err}}, len(redrives)), nil
}

func (s *refusingStore) Delete(_ context.Context, deletions ...*store.Deletion) ([]store.Deleted, error) {
	return slices.Repeat([]store.Deleted{{Err: s.err}}, len(deletions)), nil
}

func TestALeadThatCannotBeChangedSaysWhy(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]error{
		"it was changed by somebody else in the meantime; try again": store.ErrConflict,
		"not possible in this state: it was sent to crm already":     fmt.Errorf("%w: it was sent to crm already", store.ErrState),
		"there is no such lead":                                  store.ErrNotFound,
		"an internal error in leadgate; the log has the details": errors.New("encode lead: ada@example.com"),
	} {
		bubble(t, func(t *testing.T, h *house) {
			h.close()
			h.wrap = func(s store.Store) store.Store { return &refusingStore{s, err} }
			h.open()
			h.apply(nil)
			h.hold("ada@example.com")
			answer, err := h.service.DiscardLeads(t.Context(), &leadgatev1.DiscardLeadsRequest{Filter: &leadgatev1.LeadFilter{}})
			if err != nil || answer.GetDiscarded() != 0 {
				t.Fatalf("got %v, %v", answer, err)
			}
			op, err := h.service.GetOperation(t.Context(), &leadgatev1.GetOperationRequest{OperationId: answer.GetOperationId()})
			if p := op.GetOperation().GetProblems(); err != nil || len(p) != 1 || p[0].GetMessage() != want {
				t.Errorf("problems are %v, want %q: %v", p, want, err)
			}
		})
	}
}

func TestADeliveryThatCannotBeChangedSaysWhy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.wrap = func(s store.Store) store.Store {
			return &refusingStore{s, fmt.Errorf("%w: the delivery is delivered", store.ErrState)}
		}
		h.open()
		defer h.close()
		h.apply(nil)
		h.crm.always(crm.Outcome{Kind: crm.Refused, Reason: "no"})
		id := h.accept("ada@example.com")[0]
		h.rest(0)
		h.expectState(id, dead)
		retried, err := h.service.RetryDeliveries(t.Context(), &leadgatev1.RetryDeliveriesRequest{Filter: &leadgatev1.DeliveryFilter{}})
		if err != nil || retried.GetRetried() != 0 {
			t.Fatalf("got %v, %v", retried, err)
		}
		deleted, err := h.service.DeleteDeliveries(t.Context(), &leadgatev1.DeleteDeliveriesRequest{Filter: &leadgatev1.DeliveryFilter{}})
		if err != nil || deleted.GetDeleted() != 0 {
			t.Fatalf("got %v, %v", deleted, err)
		}
		for _, operation := range []string{retried.GetOperationId(), deleted.GetOperationId()} {
			op, err := h.service.GetOperation(t.Context(), &leadgatev1.GetOperationRequest{OperationId: operation})
			if p := op.GetOperation().GetProblems(); err != nil || len(p) != 1 || p[0].GetId() != id || !strings.Contains(p[0].GetMessage(), "the delivery is delivered") {
				t.Errorf("problems are %v, %v", p, err)
			}
		}
	})
}
