package main

import (
	"context"
	"fmt"
	"sync"

	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

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
		stream, err := leadgatev1.NewWorkerServiceClient(connections[len(connections)-1]).WatchDeliveries(ctx, request)
		if err == nil {
			_, err = stream.Recv() // the hello: it watches
		}
		if err != nil {
			stop()
			return nil, fmt.Errorf("watcher %d: %w", i, err)
		}
		reading.Go(func() {
			for err == nil {
				_, err = stream.Recv()
			}
		})
	}
	return stop, nil
}
