package main

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

// How many watchers share a connection: browsers and terminals have one each, which a load generator cannot afford.
const watchersPerConnection = 50

// watchAll opens streams at a gateway and reads them until stop is called. The first sees everything; the others each follow
// one lead, as a page does that shows a visitor what becomes of the submission.
func watchAll(ctx context.Context, address string, watchers int) (stop func(), err error) {
	ctx, cancel := context.WithCancel(ctx)
	var (
		reading     sync.WaitGroup
		connections []*grpc.ClientConn
	)
	stop = func() {
		cancel()
		reading.Wait()
		for _, conn := range connections {
			_ = conn.Close() // nothing is left on it
		}
	}
	for i := range watchers {
		if i%watchersPerConnection == 0 {
			conn, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()))
			if err != nil {
				stop()
				return nil, err
			}
			connections = append(connections, conn)
		}
		request := &leadgatev1.WatchDeliveriesRequest{}
		if i > 0 {
			request.LeadId = uuid.NewString()
		}
		stream, err := watch(ctx, connections[len(connections)-1], request)
		message := &unread{}
		if err == nil {
			err = stream.RecvMsg(message) // the hello: it watches
		}
		if err != nil {
			stop()
			return nil, fmt.Errorf("watcher %d: %w", i, err)
		}
		reading.Go(func() {
			for err == nil {
				err = stream.RecvMsg(message)
			}
		})
	}
	return stop, nil
}

// watch begins to watch.
func watch(ctx context.Context, conn *grpc.ClientConn, request *leadgatev1.WatchDeliveriesRequest) (grpc.ClientStream, error) {
	stream, err := conn.NewStream(ctx, &leadgatev1.WorkerService_ServiceDesc.Streams[0], leadgatev1.WorkerService_WatchDeliveries_FullMethodName, grpc.ForceCodecV2(rawCodec{}))
	if err != nil {
		return nil, err
	}
	return stream, errors.Join(stream.SendMsg(request), stream.CloseSend())
}

// unread is a message that came and is not looked at: watchers share the processor with the server here, as they do nowhere else,
// and what they make of an event is not the server's cost.
type unread struct{}

// rawCodec writes messages as always, and reads none.
type rawCodec struct{}

func (rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	return encoding.GetCodecV2(proto.Name).Marshal(v)
}
func (rawCodec) Unmarshal(mem.BufferSlice, any) error { return nil }
func (rawCodec) Name() string                         { return proto.Name }
