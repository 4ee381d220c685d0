package server

import (
	"context"
	"fmt"
	"runtime/debug"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"

	"github.com/leadgate/leadgate/worker"
)

// panicError is a recovered panic. Clients never see it.
type panicError struct {
	value any
	stack string
}

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.value) }

// recovered turns a panic into an error that tells the client nothing and the log everything.
func recovered(_ context.Context, value any) error {
	cause := &panicError{value, string(debug.Stack())}
	return worker.Failure(cause, codes.Internal, &errdetails.ErrorInfo{Reason: "INTERNAL"}, "an internal error in leadgate; the log has the details")
}
