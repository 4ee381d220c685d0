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

// Error is the gateway's answer when it does not accept a lead.
type Error struct {
	// Reason is the machine-readable name of the error, such as RULES_BROKEN or IDEMPOTENCY_KEY_REUSED.
	Reason string
	// Message says what went wrong and what to do. It contains none of the lead's values.
	Message string
	// Violations lists all broken rules.
	Violations []Violation
	// For a reused key, LeadID is the first lead submitted under it, and Fields are the fields in which this one differs.
	LeadID string
	Fields []string
	// Temporary reports whether the same submission may be accepted later, under the same key. RetryAfter is how long to wait; 0 if
	// the gateway did not say.
	Temporary  bool
	RetryAfter time.Duration

	cause error // carries the gRPC status, if there was one; nil for a refusal within a stream
}

// Violation is one broken rule.
type Violation struct {
	// Field is the path, such as lead.email, or the form's own name of the field.
	Field string
	// Rule is the rule's name, such as string.email.
	Rule string
	// Message describes the rule.
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

// Unwrap returns the underlying error, which carries the gRPC status if there was one; nil if there is none.
func (e *Error) Unwrap() error { return e.cause }

// errorOf turns an answer of the gateway into an *Error. Other errors are returned as they are, wrapping the matching context error
// if there is one.
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
	case st.Code() == codes.DeadlineExceeded: // ctx's deadline: gRPC's error does not wrap it, here and below
		return fmt.Errorf("%w: %w", context.DeadlineExceeded, err)
	case st.Code() == codes.Canceled:
		return fmt.Errorf("%w: %w", context.Canceled, err)
	}
	return err // of the connection
}

// unsendable returns why a request cannot be encoded, which gRPC reports as if the gateway had failed; nil if it can.
func unsendable(request proto.Message) *Error {
	_, err := proto.Marshal(request)
	if err == nil {
		return nil
	}
	return &Error{Reason: "BODY_MALFORMED", Message: "it cannot be sent: " + strings.TrimSpace(strings.TrimPrefix(err.Error(), "proto:")), cause: err}
}

// refusal turns the refusal of one lead of a stream into an *Error.
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

// passing reports whether the same call may succeed later.
func passing(err error) bool {
	if e := (*Error)(nil); errors.As(err, &e) {
		return e.Temporary
	}
	st, ok := status.FromError(err)
	return ok && passes(st.Code())
}

// passes reports whether a code is temporary: those that correspond to a network error, a time-out or a 5xx over REST. 408 and 429
// come with RetryInfo; ResourceExhausted without it is 413.
func passes(code codes.Code) bool {
	switch code {
	case codes.Unavailable, codes.DeadlineExceeded, codes.Internal, codes.Unknown:
		return true
	}
	return false
}
