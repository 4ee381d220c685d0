package leadgate

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

// Error is what the gateway answered in place of taking a lead.
type Error struct {
	// Reason is the machine's name of the error, such as RULES_BROKEN or IDEMPOTENCY_KEY_REUSED.
	Reason string
	// Message says what went wrong, and what to do. It holds nothing of the lead's values.
	Message string
	// Violations are all rules that are broken.
	Violations []Violation
	// LeadID and Fields say, of a reused key, which lead came first under it, and in which fields this one differs.
	LeadID string
	Fields []string
	// Temporary says that the same submission may be taken later, under the same key; RetryAfter, how much later, if the
	// gateway said so.
	Temporary  bool
	RetryAfter time.Duration

	cause error // with the gRPC status, if one came; nil for one of many leads
}

// Violation is one broken rule.
type Violation struct {
	// Field is where, such as lead.email, or the form's own name of the field.
	Field string
	// Rule is the rule's name, such as string.email.
	Rule string
	// Message is the rule in words.
	Message string
}

// Error implements error.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Message)
	for _, v := range e.Violations {
		fmt.Fprintf(&b, "; %s: %s", v.Field, v.Message)
	}
	return b.String()
}

// Unwrap returns the error behind it, which has the gRPC status if one came; nil if there is none.
func (e *Error) Unwrap() error { return e.cause }

// errorOf makes an *Error of what the gateway answered. Other errors are left as they are.
func errorOf(err error) error {
	st, ok := status.FromError(err)
	if !ok {
		return err
	}
	e := &Error{Message: st.Message(), Temporary: passes(st.Code()), cause: err}
	for _, detail := range st.Details() {
		switch d := detail.(type) {
		case *errdetails.ErrorInfo:
			e.Reason, e.LeadID = d.GetReason(), d.GetMetadata()["leadId"]
			if fields := d.GetMetadata()["fields"]; fields != "" {
				e.Fields = strings.Split(fields, ",")
			}
		case *errdetails.BadRequest:
			for _, v := range d.GetFieldViolations() {
				e.Violations = append(e.Violations, Violation{v.GetField(), v.GetReason(), v.GetDescription()})
			}
		case *errdetails.RetryInfo:
			e.Temporary, e.RetryAfter = true, d.GetRetryDelay().AsDuration()
		}
	}
	switch {
	case e.Reason != "":
		return e
	case st.Code() == codes.DeadlineExceeded: // the context's, which gRPC's does not say to be, here and below
		return fmt.Errorf("%w: %w", context.DeadlineExceeded, err)
	case st.Code() == codes.Canceled:
		return fmt.Errorf("%w: %w", context.Canceled, err)
	}
	return err // the connection's
}

// unsendable says why a request can never be sent, to which gRPC gives the code of a fault of the gateway; nil if it can.
func unsendable(request proto.Message) *Error {
	_, err := proto.Marshal(request)
	if err == nil {
		return nil
	}
	return &Error{Reason: "BODY_MALFORMED", Message: "it cannot be sent: " + strings.TrimSpace(strings.TrimPrefix(err.Error(), "proto:")), cause: err}
}

// refusal makes an *Error of what became of one of many leads.
func refusal(r *leadgatev1.Refusal) *Error {
	e := &Error{
		Reason: r.GetReason(), Message: r.GetMessage(), LeadID: r.GetLeadId(), Fields: r.GetFields(),
		Temporary: r.GetStatus() == 408 || r.GetStatus() == 429 || r.GetStatus() >= 500,
	}
	for _, v := range r.GetViolations() {
		e.Violations = append(e.Violations, Violation{v.GetField(), v.GetRule(), v.GetMessage()})
	}
	return e
}

// passing says whether a call that failed so may succeed when it is made again.
func passing(err error) bool {
	if e := (*Error)(nil); errors.As(err, &e) {
		return e.Temporary
	}
	st, ok := status.FromError(err)
	return ok && passes(st.Code())
}

// passes says so of what is over REST a network error, a time-out or any 5xx. 408 and 429 are told by RetryInfo: without it
// ResourceExhausted is 413.
func passes(code codes.Code) bool {
	switch code {
	case codes.Unavailable, codes.DeadlineExceeded, codes.Internal, codes.Unknown:
		return true
	}
	return false
}
