package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/google/uuid"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	storev1 "github.com/leadgate/leadgate/gen/go/leadgate/store/v1"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker"
	"github.com/leadgate/leadgate/worker/operations"
	"github.com/leadgate/leadgate/worker/store"
)

const (
	// eraseLeads is the kind of the operation.
	eraseLeads = "EraseLeads"
	// How many leads one step erases.
	eraseBatch = 100
	// The most leads in one operation: they have to fit into one value of the store.
	maxErasure = 3500
)

// EraseLeads implements LeadServiceServer. It does not erase leads that are accepted while it runs: they came after the request. Once
// begun, it continues even if the caller disconnects or leadgate restarts.
func (s *leads) EraseLeads(ctx context.Context, r *leadgatev1.EraseLeadsRequest) (*leadgatev1.EraseLeadsResponse, error) {
	email := store.Address(r.GetEmail())
	answer := &leadgatev1.EraseLeadsResponse{}
	found, err := s.leadsOf(ctx, email)
	if err != nil {
		return nil, worker.StatusOf(err, "lead")
	}
	answer.Matched = int64(len(found))
	if expected := r.GetExpectedCount(); expected != 0 && expected != answer.GetMatched() {
		return nil, worker.Failure(nil, codes.FailedPrecondition, &errdetails.ErrorInfo{
			Reason:   "EXPECTED_COUNT_MISMATCH",
			Metadata: map[string]string{"expected": strconv.FormatInt(expected, 10), "matched": strconv.FormatInt(answer.GetMatched(), 10)},
		}, fmt.Sprintf("%d leads match, but %d were expected; nothing was done", answer.GetMatched(), expected))
	}
	if err := s.nameErasedBefore(ctx, email, answer); err != nil {
		return nil, worker.StatusOf(err, "lead")
	}
	if r.GetDryRun() {
		for _, lead := range found {
			if err := s.foresee(ctx, lead.GetLeadId(), answer); err != nil {
				return nil, worker.StatusOf(err, "lead")
			}
		}
		return answer, nil
	}
	if err := s.eraseAll(ctx, found, answer); err != nil {
		return nil, worker.StatusOf(err, "lead")
	}
	for _, lead := range found {
		if err := s.nameRecords(ctx, lead.GetLeadId(), answer); err != nil {
			return nil, worker.StatusOf(err, "lead")
		}
	}
	return answer, nil
}

// eraseAll erases leads and adds up the results. More leads than fit into one operation take several, which are all recorded before
// waiting for the first: a caller that disconnects has asked for all of them.
func (s *leads) eraseAll(ctx context.Context, found []*leadgatev1.LeadRecord, answer *leadgatev1.EraseLeadsResponse) error {
	if s.back == nil {
		return status.Error(codes.Unimplemented, "this server has no worker behind it")
	}
	var begun []operations.Wait
	for some := range slices.Chunk(found, maxErasure) {
		plan := &storev1.PersonErasure{RequestId: callOf(ctx).id}
		for _, lead := range some {
			id, err := uuid.Parse(lead.GetLeadId())
			if err != nil {
				return err
			}
			plan.LeadIds = append(plan.LeadIds, id[:]...)
		}
		wait, err := s.back.Operations().Begin(context.WithoutCancel(ctx), operations.Call{Kind: eraseLeads, Request: plan})
		if err != nil {
			return err
		}
		begun = append(begun, wait)
	}
	var failed error // the first error
	for _, wait := range begun {
		if err := erased(ctx, wait, answer); failed == nil {
			failed = err
		}
	}
	return failed
}

// erased adds the results of one operation.
func erased(ctx context.Context, wait operations.Wait, answer *leadgatev1.EraseLeadsResponse) error {
	op, err := wait(ctx)
	if err == nil {
		err = worker.OperationFailure(op)
	}
	if err != nil {
		return err
	}
	counts := op.GetCounts()
	answer.Erased += counts["erased"]
	answer.ErasedBefore += counts["erased_before"]
	answer.DeliveriesCancelled += counts["deliveries_cancelled"]
	answer.AttemptsErased += counts["attempts_erased"]
	answer.EventsErased += counts["events_erased"]
	return failedErasures(op)
}

// failedErasures returns the error of an operation that could not erase all of its leads.
func failedErasures(op *leadgatev1.Operation) error {
	failed := op.GetCounts()["failed"]
	if failed == 0 {
		return nil
	}
	return worker.Failure(nil, codes.Internal, &errdetails.ErrorInfo{
		Reason: "OPERATION_FAILED", Metadata: map[string]string{"operationId": op.GetOperationId()},
	}, fmt.Sprintf("%d of %d leads could not be erased; operation %s names them", failed, op.GetTotal(), op.GetOperationId()))
}

// eraseTask returns the task that erases the leads of a plan.
func (s *leads) eraseTask(plan *storev1.PersonErasure) (operations.Task, error) {
	var ids []string
	for id := range slices.Chunk(plan.GetLeadIds(), len(uuid.UUID{})) {
		lead, err := uuid.FromBytes(id)
		if err != nil {
			return operations.Task{}, err
		}
		ids = append(ids, lead.String())
	}
	return operations.Task{Read: func(_ context.Context, token string) (operations.Portion, error) {
		done := 0
		if token != "" {
			var err error
			if done, err = strconv.Atoi(token); err != nil || done < 0 || done > len(ids) {
				return operations.Portion{}, store.ErrPageToken
			}
		}
		end := min(done+eraseBatch, len(ids))
		portion := operations.Portion{
			Matched: int64(end - done),
			Act: func(ctx context.Context) (operations.Result, error) {
				return s.erase(ctx, ids[done:end], plan.GetRequestId())
			},
		}
		if end < len(ids) {
			portion.Next = strconv.Itoa(end)
		}
		return portion, nil
	}}, nil
}

// leadsOf returns all leads of a person.
func (s *leads) leadsOf(ctx context.Context, email string) (found []*leadgatev1.LeadRecord, err error) {
	for token := ""; ; {
		page, next, err := s.store.Leads(ctx, store.LeadQuery{Email: email, Unreadable: true}, 1000, token)
		if err != nil {
			return nil, err
		}
		for _, r := range page { // the content is not needed, and there may be many
			found = append(found, store.ForgetRecord(r))
		}
		if token = next; next == "" {
			return found, nil
		}
	}
}

// erase erases leads by their identifiers. It skips those that no longer exist.
func (s *leads) erase(ctx context.Context, ids []string, requestID string) (result operations.Result, err error) {
	var erasures []*store.Erasure
	for _, id := range ids {
		lead, err := s.store.Lead(ctx, id)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if errors.Is(err, store.ErrUnreadable) { // erase the others
			result.Count("failed", 1)
			result.Problem(id, worker.StatusOf(err, "lead").Error())
			continue
		}
		if err != nil {
			return result, err
		}
		erasures = append(erasures, &store.Erasure{LeadID: id, Events: []*leadgatev1.Event{{
			Time: timestamppb.New(s.now()),
			Kind: &leadgatev1.Event_Lead{Lead: &leadgatev1.LeadEvent{
				Stage: leadgatev1.Stage_STAGE_ERASED, LeadId: id, Form: lead.GetLead().GetSource().GetForm(), RequestId: requestID,
			}},
		}}})
	}
	results, err := s.store.Erase(ctx, erasures...)
	if err != nil {
		return result, err
	}
	for i, erased := range results {
		switch {
		case errors.Is(erased.Err, store.ErrNotFound):
		case erased.Err != nil:
			result.Count("failed", 1)
			result.Problem(erasures[i].LeadID, erased.Err.Error())
		case erased.Already: // by another request, or before a restart
			result.Count("erased_before", 1)
		default:
			result.Count("erased", 1)
			result.Count("deliveries_cancelled", int64(erased.Cancelled))
			result.Count("attempts_erased", int64(erased.Attempts))
			result.Count("events_erased", int64(erased.Events))
		}
	}
	return result, nil
}

// foresee adds what erasing a lead would do.
func (s *leads) foresee(ctx context.Context, leadID string, answer *leadgatev1.EraseLeadsResponse) error {
	deliveries, err := s.store.LeadDeliveries(ctx, leadID)
	if err != nil {
		return err
	}
	for _, d := range deliveries {
		if state := d.GetState(); state != leadgatev1.DeliveryState_DELIVERY_STATE_DELIVERED && state != leadgatev1.DeliveryState_DELIVERY_STATE_CANCELLED {
			answer.DeliveriesCancelled++
		}
		answer.AttemptsErased += int64(len(d.GetAttempts()))
	}
	timeline, err := s.store.Timeline(ctx, leadID)
	if err != nil {
		return err
	}
	answer.EventsErased += int64(len(timeline))
	return s.nameRecords(ctx, leadID, answer)
}

// nameErasedBefore counts the person's leads that earlier requests erased, and lists their records in CRMs: a caller that asks again may
// have lost the first answer.
func (s *leads) nameErasedBefore(ctx context.Context, email string, answer *leadgatev1.EraseLeadsResponse) error {
	before, err := s.store.ErasedLeads(ctx, email)
	if err != nil {
		return err
	}
	answer.ErasedBefore = int64(len(before))
	for _, leadID := range before {
		if err := s.nameRecords(ctx, leadID, answer); err != nil {
			return err
		}
	}
	return nil
}

// nameRecords lists the records that CRMs have, or may have, of a lead.
func (s *leads) nameRecords(ctx context.Context, leadID string, answer *leadgatev1.EraseLeadsResponse) error {
	deliveries, err := s.store.LeadDeliveries(ctx, leadID)
	if err != nil {
		return err
	}
	for _, d := range deliveries {
		delivered := d.GetState() == leadgatev1.DeliveryState_DELIVERY_STATE_DELIVERED
		if delivered || d.GetRecordId() != "" || mayHaveArrived(d) {
			answer.CrmRecords = append(answer.CrmRecords, &leadgatev1.CRMRecord{
				Destination: d.GetDestination(), DeliveryId: d.GetDeliveryId(), RecordId: d.GetRecordId(), RecordUrl: d.GetRecordUrl(),
				Uncertain: !delivered && d.GetRecordId() == "",
			})
		}
	}
	return nil
}

// mayHaveArrived reports whether the outcome of any attempt is unknown.
func mayHaveArrived(d *leadgatev1.Delivery) bool {
	for _, a := range d.GetAttempts() {
		switch a.GetOutcome() {
		case leadgatev1.AttemptOutcome_ATTEMPT_OUTCOME_UNDER_WAY, leadgatev1.AttemptOutcome_ATTEMPT_OUTCOME_UNSPECIFIED,
			leadgatev1.AttemptOutcome_ATTEMPT_OUTCOME_UNKNOWN:
			return true
		}
	}
	return false
}
