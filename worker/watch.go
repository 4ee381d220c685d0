package worker

import (
	"context"
	"errors"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/journal"
)

// A watcher with nothing to show for this long gets a heartbeat, so that both ends and any proxy see a live connection.
const heartbeat = 15 * time.Second

// lastEventID is the metadata key of the Last-Event-ID header of server-sent events. A browser that reconnects sends it with its
// original URL, so it overrides what the request says.
const lastEventID = "last-event-id"

// WatchDeliveries implements WorkerServiceServer.
func (s *service) WatchDeliveries(r *leadgatev1.WatchDeliveriesRequest, stream grpc.ServerStreamingServer[leadgatev1.WatchDeliveriesResponse]) error {
	ctx := stream.Context()
	for _, destination := range r.GetDestination() {
		if err := s.known(ctx, destination); err != nil {
			return err
		}
	}
	options := journal.SubscribeOptions{Filter: matching(r), Lead: r.GetLeadId(), After: r.GetResumeAfter(), Last: int(r.GetLast())}
	if ids := metadata.ValueFromIncomingContext(ctx, lastEventID); len(ids) > 0 && ids[0] != "" {
		options.After, options.Last = ids[0], 0
	}
	hello := &leadgatev1.WatchHello{Version: s.version, LatestEventId: s.worker.journal.Latest()}
	if options.After == "" && options.Last == 0 {
		options.After = hello.LatestEventId // show what happens after the hello
	}
	subscription, err := s.worker.journal.Subscribe(options)
	if err != nil {
		return failure(nil, codes.InvalidArgument, "RESUME_TOKEN_INVALID", err.Error())
	}
	if err := stream.Send(&leadgatev1.WatchDeliveriesResponse{Message: &leadgatev1.WatchDeliveriesResponse_Hello{Hello: hello}}); err != nil {
		return err
	}
	for {
		if err := s.forward(ctx, subscription, stream); err != nil {
			return err
		}
	}
}

// forward sends the next events, or a heartbeat if there are none for a while.
func (s *service) forward(ctx context.Context, subscription *journal.Subscription, stream grpc.ServerStreamingServer[leadgatev1.WatchDeliveriesResponse]) error {
	latest := s.worker.journal.Latest()
	waiting, cancel := context.WithTimeout(ctx, heartbeat)
	defer cancel()
	batch, err := subscription.Next(waiting)
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return StatusOf(ctx.Err(), "event")
	case errors.Is(err, journal.ErrClosed):
		return failure(nil, codes.Unavailable, "STOPPING", "leadgate is stopping")
	case errors.Is(err, context.DeadlineExceeded):
		return stream.Send(&leadgatev1.WatchDeliveriesResponse{Message: &leadgatev1.WatchDeliveriesResponse_Heartbeat{
			Heartbeat: &leadgatev1.WatchHeartbeat{Time: s.now(), LatestEventId: latest},
		}})
	default:
		return StatusOf(err, "event")
	}
	if gap := batch.Gap; gap != nil {
		if err := stream.Send(&leadgatev1.WatchDeliveriesResponse{Message: &leadgatev1.WatchDeliveriesResponse_Gap{
			Gap: &leadgatev1.WatchGap{Reason: gap.Reason, Missed: gap.Missed},
		}}); err != nil {
			return err
		}
	}
	for _, event := range batch.Events {
		if err := stream.Send(&leadgatev1.WatchDeliveriesResponse{Message: &leadgatev1.WatchDeliveriesResponse_Event{Event: event}}); err != nil {
			return err
		}
	}
	return nil
}

// matching returns the filter of a request. Stage and lead select among events about leads, form among these and events about
// forms. A destination also lets through events that concern no destination.
func matching(r *leadgatev1.WatchDeliveriesRequest) func(*leadgatev1.Event) bool {
	leadsOnly := len(r.GetForm()) > 0 || len(r.GetStage()) > 0 || r.GetLeadId() != ""
	destinations := func(destination string) bool {
		return destination == "" || len(r.GetDestination()) == 0 || slices.Contains(r.GetDestination(), destination)
	}
	return func(event *leadgatev1.Event) bool {
		lead := event.GetLead()
		if r.GetLeadId() != "" && lead.GetLeadId() != r.GetLeadId() { // comes first, because thousands may ask for this at a time
			return false
		}
		if form := event.GetForm(); form != nil && len(r.GetStage()) == 0 && r.GetLeadId() == "" {
			return len(r.GetForm()) == 0 || slices.Contains(r.GetForm(), form.GetForm())
		}
		if lead == nil {
			return !leadsOnly && destinations(event.GetDestination().GetDestination())
		}
		return destinations(lead.GetDestination()) &&
			(len(r.GetForm()) == 0 || slices.Contains(r.GetForm(), lead.GetForm())) &&
			(len(r.GetStage()) == 0 || slices.Contains(r.GetStage(), lead.GetStage()))
	}
}
