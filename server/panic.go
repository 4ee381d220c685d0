package server

import (
	"context"
	"fmt"
	"runtime/debug"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"github.com/leadgate/leadgate/worker"
)

// panicError is a panic that was caught. Clients never see it.
type panicError struct {
	value any
	stack string
}

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.value) }

// catchUnary makes a panic in an rpc its error.
func catchUnary(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (answer any, err error) {
	defer catch(&err)
	return next(ctx, req)
}

// catchStream does the same for a stream.
func catchStream(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) (err error) {
	defer catch(&err)
	return next(srv, stream)
}

// catch, deferred, makes a panic the error.
func catch(err *error) {
	if value := recover(); value != nil {
		*err = recovered(value)
	}
}

// recovered turns a panic into an error that says nothing to the client and everything to the log.
func recovered(value any) error {
	cause := &panicError{value, string(debug.Stack())}
	return worker.Failure(cause, codes.Internal, &errdetails.ErrorInfo{Reason: "INTERNAL"}, "an internal error in leadgate; the log has the details")
}
