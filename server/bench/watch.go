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

// How many watchers share a connection. Browsers and terminals have one each, too many for a load generator.
const watchersPerConnection = 50

// watchAll opens streams at a gateway and reads them until stop is called. The first watches everything; each of the others follows
// one lead, like a page that shows a visitor how the submission proceeds.
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
			_ = conn.Close() // its streams have ended
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
			err = stream.RecvMsg(message) // the hello: the stream is open
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

// watch opens a stream.
func watch(ctx context.Context, conn *grpc.ClientConn, request *leadgatev1.WatchDeliveriesRequest) (grpc.ClientStream, error) {
	stream, err := conn.NewStream(ctx, &leadgatev1.WorkerService_ServiceDesc.Streams[0], leadgatev1.WorkerService_WatchDeliveries_FullMethodName, grpc.ForceCodecV2(rawCodec{}))
	if err != nil {
		return nil, err
	}
	return stream, errors.Join(stream.SendMsg(request), stream.CloseSend())
}

// unread discards a message. Here, unlike in reality, watchers share the processor with the server, and decoding events is not part
// of the server's cost.
type unread struct{}

// rawCodec encodes messages normally and does not decode them.
type rawCodec struct{}

func (rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	return encoding.GetCodecV2(proto.Name).Marshal(v)
}
func (rawCodec) Unmarshal(mem.BufferSlice, any) error { return nil }
func (rawCodec) Name() string                         { return proto.Name }
