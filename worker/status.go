package worker

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/leadgate/leadgate/worker/operations"
	"github.com/leadgate/leadgate/worker/store"
)

// errorDomain is the domain of leadgate's reasons in google.rpc.ErrorInfo.
const errorDomain = "leadgate"

// How long clients should wait before they retry when the store could not be written.
const retryAfter = 5 * time.Second

// StatusOf converts an error of the store, or of what is built on it, to a gRPC status with a google.rpc.ErrorInfo. what is one
// word for what was looked for, such as "delivery":
//
//	store.ErrNotFound     NotFound            DELIVERY_NOT_FOUND
//	store.ErrState        FailedPrecondition  DELIVERY_STATE
//	store.ErrPageToken    InvalidArgument     PAGE_TOKEN_INVALID
//	store.ErrPosition     FailedPrecondition  BACKUP_POSITION
//	store.ErrConflict     Aborted             CONFLICT
//	store.ErrTooLarge     ResourceExhausted   LEAD_TOO_LARGE
//	store.ErrUnreadable   DataLoss            LEAD_UNREADABLE
//	store.ErrUnavailable  Unavailable         STORE_UNAVAILABLE, with google.rpc.RetryInfo; store.ErrDamaged likewise
//
// and errors of operations on many:
//
//	*operations.CountError  FailedPrecondition  EXPECTED_COUNT_MISMATCH
//	operations.ErrReused    InvalidArgument     OPERATION_ID_REUSED
//	operations.ErrStopping  Unavailable         STOPPING
//
// The end of a context is Canceled or DeadlineExceeded. An error that has a status keeps it. Any other is Internal: its text is
// kept for the log, but the client does not see it. Nil gives nil.
func StatusOf(err error, what string) error {
	if err == nil {
		return nil
	}
	if _, ok := status.FromError(err); ok {
		return err
	}
	word := strings.ToUpper(what)
	unexpected := (*operations.CountError)(nil)
	switch {
	case errors.As(err, &unexpected):
		return Failure(nil, codes.FailedPrecondition, &errdetails.ErrorInfo{Reason: "EXPECTED_COUNT_MISMATCH", Metadata: map[string]string{
			"expected": strconv.FormatInt(unexpected.Expected, 10), "matched": strconv.FormatInt(unexpected.Matched, 10),
		}}, err.Error())
	case errors.Is(err, operations.ErrReused):
		return failure(nil, codes.InvalidArgument, "OPERATION_ID_REUSED", "this operation_id was already used for a different request; give each operation its own")
	case errors.Is(err, operations.ErrStopping):
		return failure(nil, codes.Unavailable, "STOPPING", err.Error())
	case errors.Is(err, store.ErrNotFound):
		return failure(err, codes.NotFound, word+"_NOT_FOUND", "there is no such "+what)
	case errors.Is(err, store.ErrState):
		return failure(err, codes.FailedPrecondition, word+"_STATE", err.Error())
	case errors.Is(err, store.ErrPageToken):
		return failure(err, codes.InvalidArgument, "PAGE_TOKEN_INVALID", "the page token does not belong to this method and filter; start without one")
	case errors.Is(err, store.ErrPosition):
		return failure(err, codes.FailedPrecondition, "BACKUP_POSITION", err.Error())
	case errors.Is(err, store.ErrConflict):
		return failure(err, codes.Aborted, "CONFLICT", "it was changed by somebody else in the meantime; try again")
	case errors.Is(err, store.ErrTooLarge):
		return failure(err, codes.ResourceExhausted, word+"_TOO_LARGE", "the "+what+" is too large: with its submission, at most a megabyte can be stored")
	case errors.Is(err, store.ErrUnreadable):
		return failure(err, codes.DataLoss, word+"_UNREADABLE", "the stored "+what+" cannot be read: stop leadgate, and see leadgate doctor")
	case errors.Is(err, store.ErrDamaged):
		return failure(err, codes.Unavailable, "STORE_UNAVAILABLE", "the store is damaged, and nothing is written to it: stop leadgate, and see leadgate doctor",
			&errdetails.RetryInfo{RetryDelay: durationpb.New(retryAfter)})
	case errors.Is(err, store.ErrUnavailable):
		return failure(err, codes.Unavailable, "STORE_UNAVAILABLE", "nothing can be stored at present; try again",
			&errdetails.RetryInfo{RetryDelay: durationpb.New(retryAfter)})
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return status.FromContextError(err).Err()
	}
	return failure(err, codes.Internal, "INTERNAL", "an internal error in leadgate; the log has the details")
}

// Problem returns why an operation on many left a lead or a delivery as it is. It logs internal errors, which the text hides.
func Problem(log *slog.Logger, err error, what string) string {
	st := status.Convert(StatusOf(err, what))
	if st.Code() == codes.Internal {
		log.Error("one of many could not be changed", "what", what, "error", err)
	}
	return st.Message()
}

// failure is Failure for a reason that needs no metadata.
func failure(cause error, code codes.Code, reason, message string, more ...protoadapt.MessageV1) error {
	return Failure(cause, code, &errdetails.ErrorInfo{Reason: reason}, message, more...)
}

// Failure returns an error with a status for the client, whose first detail is info, and a cause, which only the log shows. It sets
// the domain of info. The cause may be nil.
func Failure(cause error, code codes.Code, info *errdetails.ErrorInfo, message string, more ...protoadapt.MessageV1) error {
	info.Domain = errorDomain
	st, err := status.New(code, message).WithDetails(append([]protoadapt.MessageV1{info}, more...)...)
	if err != nil { // only for code OK
		st = status.New(code, message)
	}
	return &statusError{st, cause}
}

type statusError struct {
	status *status.Status
	cause  error
}

// Error returns the text for the log, including the cause.
func (e *statusError) Error() string {
	if e.cause == nil {
		return e.status.Message()
	}
	return e.status.Message() + ": " + e.cause.Error()
}

func (e *statusError) Unwrap() error { return e.cause }

// GRPCStatus returns what gRPC sends: the status without the cause.
func (e *statusError) GRPCStatus() *status.Status { return e.status }
