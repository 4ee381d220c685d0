package server

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

const (
	// maxBatchBody is the largest body of a batch, and the largest gRPC message, in bytes.
	maxBatchBody = 4 << 20
	// maxTogether is how many leads of a stream are made durable together at most.
	maxTogether = 512
)

// BatchSubmitLeads implements LeadServiceServer.
func (s *leads) BatchSubmitLeads(ctx context.Context, r *leadgatev1.BatchSubmitLeadsRequest) (*leadgatev1.BatchSubmitLeadsResponse, error) {
	if callOf(ctx).key.given {
		return nil, keyFailure("a batch takes no idempotency key as header or metadata; give each lead its own, as idempotencyKey beside it")
	}
	return &leadgatev1.BatchSubmitLeadsResponse{Results: s.submitAll(ctx, 0, r.GetLeads())}, nil
}

// SubmitLeads implements LeadServiceServer. While some leads are written, the next are read. Flow control slows down a sender that is
// faster than the disk.
func (s *leads) SubmitLeads(stream leadgatev1.LeadService_SubmitLeadsServer) error {
	defer s.underWay.begin()()
	ctx := stream.Context()
	if callOf(ctx).key.given {
		return keyFailure("a stream takes no idempotency key as metadata; give each lead its own, as idempotency_key beside it")
	}
	arriving := make(chan *leadgatev1.SubmitLeadRequest, maxTogether)
	ended := make(chan error, 1)
	go func() { // until the sender is done, or this RPC has ended
		for {
			r, err := stream.Recv()
			if err != nil {
				ended <- err
				close(arriving)
				return
			}
			select {
			case arriving <- r.GetRequest():
			case <-ctx.Done():
				return
			}
		}
	}()
	for index := uint32(0); ctx.Err() == nil; {
		together, more := gather(ctx, arriving)
		for _, result := range s.submitAll(ctx, index, together) {
			if err := stream.Send(&leadgatev1.SubmitLeadsResponse{Result: result}); err != nil {
				return err
			}
		}
		index += uint32(len(together)) //nolint:gosec // at most maxTogether
		if more {
			continue
		}
		switch err := <-ended; {
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, context.Canceled):
			return status.FromContextError(err).Err()
		default:
			return err
		}
	}
	return status.FromContextError(ctx.Err()).Err()
}

// gather waits for a lead and returns it with those that have arrived after it; none if ctx ends first. more reports whether others may
// follow.
func gather(ctx context.Context, arriving <-chan *leadgatev1.SubmitLeadRequest) (together []*leadgatev1.SubmitLeadRequest, more bool) {
	select {
	case first, ok := <-arriving:
		if !ok {
			return nil, false
		}
		together = append(together, first)
	case <-ctx.Done():
		return nil, true
	}
	for len(together) < maxTogether {
		select {
		case next, ok := <-arriving:
			if !ok {
				return together, false
			}
			together = append(together, next)
		default:
			return together, true
		}
	}
	return together, true
}

// submitAll checks each lead by itself and makes the valid ones durable together. The results are in the order of the requests, numbered
// from first.
func (s *leads) submitAll(ctx context.Context, first uint32, requests []*leadgatev1.SubmitLeadRequest) []*leadgatev1.LeadResult {
	results := make([]*leadgatev1.LeadResult, len(requests))
	var arrivals []*arrival
	var places []int // index in requests of each arrival
	together := callOf(ctx)
	refuse := func(i int, c *call, err error) {
		s.refused(c, err)
		results[i].Refusal = refusalOf(err)
	}
	for i, r := range requests {
		results[i] = &leadgatev1.LeadResult{Index: proto.Uint32(first + uint32(i))} //nolint:gosec // a request has not that many
		if r == nil {
			r = &leadgatev1.SubmitLeadRequest{}
		}
		c := together.each(s.now())
		err := s.validate(r)
		if err == nil {
			var a *arrival
			if a, err = s.arrival(c, r); err == nil {
				arrivals, places = append(arrivals, a), append(places, i)
				continue
			}
		}
		refuse(i, c, err)
	}
	if len(arrivals) == 0 {
		return results
	}
	for j, o := range s.acceptAll(ctx, arrivals) {
		if o.err != nil {
			refuse(places[j], arrivals[j].call, o.err)
			continue
		}
		results[places[j]].LeadId, results[places[j]].Replayed = o.leadID, &o.replayed
	}
	return results
}

// refusalOf converts an error to the refusal of one lead.
func refusalOf(err error) *leadgatev1.Refusal {
	p := problemOf(err)
	refusal := &leadgatev1.Refusal{Status: int32(p.Status), Reason: p.Reason, Message: p.Detail, LeadId: p.LeadID, Fields: p.Fields} //nolint:gosec // statuses are small
	for _, v := range p.Violations {
		refusal.Violations = append(refusal.Violations, &leadgatev1.Refusal_Violation{Field: v.Field, Rule: v.Rule, Message: v.Message})
	}
	return refusal
}
