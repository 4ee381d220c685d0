package server

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker"
	"github.com/leadgate/leadgate/worker/store"
)

// How many leads one call to the store erases.
const eraseBatch = 100

// EraseLeads implements LeadServiceServer. Leads of the person that are accepted while it runs are not erased: they came
// after it was asked for.
func (s *leads) EraseLeads(ctx context.Context, r *leadgatev1.EraseLeadsRequest) (*leadgatev1.EraseLeadsResponse, error) {
	email := strings.ToLower(strings.TrimSpace(r.GetEmail()))
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
		}, fmt.Sprintf("%d leads match, not %d; nothing was done", answer.GetMatched(), expected))
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
	for len(found) > 0 {
		n := min(len(found), eraseBatch)
		if err := s.erase(ctx, found[:n], answer); err != nil {
			return nil, worker.StatusOf(err, "lead")
		}
		found = found[n:]
	}
	return answer, nil
}

// leadsOf returns all leads of a person.
func (s *leads) leadsOf(ctx context.Context, email string) (found []*leadgatev1.LeadRecord, err error) {
	for token := ""; ; {
		page, next, err := s.store.Leads(ctx, store.LeadQuery{Email: email}, 1000, token)
		if err != nil {
			return nil, err
		}
		for _, r := range page { // of the content nothing is needed, and there may be many
			found = append(found, store.ForgetRecord(r))
		}
		if token = next; next == "" {
			return found, nil
		}
	}
}

func (s *leads) erase(ctx context.Context, found []*leadgatev1.LeadRecord, answer *leadgatev1.EraseLeadsResponse) error {
	erasures := make([]*store.Erasure, len(found))
	for i, lead := range found {
		erasures[i] = &store.Erasure{LeadID: lead.GetLeadId(), Events: []*leadgatev1.Event{{
			Time: timestamppb.New(s.now()),
			Kind: &leadgatev1.Event_Lead{Lead: &leadgatev1.LeadEvent{
				Stage: leadgatev1.Stage_STAGE_ERASED, LeadId: lead.GetLeadId(), Form: lead.GetLead().GetSource().GetForm(), RequestId: callOf(ctx).id,
			}},
		}}}
	}
	results, err := s.store.Erase(ctx, erasures...)
	if err != nil {
		return err
	}
	for i, result := range results {
		if result.Err != nil {
			return fmt.Errorf("erase lead %s: %w", erasures[i].LeadID, result.Err)
		}
		if result.Already { // by somebody else, since it was found
			answer.ErasedBefore++
			continue
		}
		answer.Erased++
		answer.DeliveriesCancelled += int64(result.Cancelled)
		answer.AttemptsErased += int64(result.Attempts)
		answer.EventsErased += int64(result.Events)
		if err := s.nameRecords(ctx, erasures[i].LeadID, answer); err != nil {
			return err
		}
	}
	return nil
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

// nameErasedBefore counts the leads of the person that were erased by earlier requests, and names what the CRMs have of them:
// whoever asks again may have lost the first answer.
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

// nameRecords names what the CRMs have, or may have, of a lead.
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

// mayHaveArrived reports whether the answer to any call is not known.
func mayHaveArrived(d *leadgatev1.Delivery) bool {
	for _, a := range d.GetAttempts() {
		switch a.GetOutcome() {
		case leadgatev1.AttemptOutcome_ATTEMPT_OUTCOME_UNSPECIFIED, leadgatev1.AttemptOutcome_ATTEMPT_OUTCOME_UNKNOWN:
			return true
		}
	}
	return false
}
