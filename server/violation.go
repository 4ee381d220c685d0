package server

import (
	"errors"
	"fmt"

	"buf.build/go/protovalidate"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"

	"github.com/leadgate/leadgate/server/config"
	"github.com/leadgate/leadgate/worker"
)

// violation is a rule that a field breaks.
type violation struct{ field, rule, message string }

// broken returns the violations in protovalidate's error, with the paths of the fields. Its error is that of a rule that could not be
// evaluated.
func broken(err error) ([]violation, error) {
	if err == nil {
		return nil, nil
	}
	var found *protovalidate.ValidationError
	if !errors.As(err, &found) {
		return nil, worker.StatusOf(fmt.Errorf("judge the rules: %w", err), "request")
	}
	violations := make([]violation, 0, len(found.Violations))
	for _, v := range found.Violations {
		violations = append(violations, violation{protovalidate.FieldPathString(v.Proto.GetField()), v.Proto.GetRuleId(), config.Plain(v.Proto.GetMessage())})
	}
	return violations, nil
}

// violated returns one error for all violations.
func violated(what string, violations []violation) error {
	bad := &errdetails.BadRequest{}
	for _, v := range violations {
		bad.FieldViolations = append(bad.FieldViolations, &errdetails.BadRequest_FieldViolation{Field: v.field, Reason: v.rule, Description: v.message})
	}
	message := what + " breaks a rule"
	if len(violations) > 1 {
		message = fmt.Sprintf("%s breaks %d rules", what, len(violations))
	}
	return worker.Failure(nil, codes.InvalidArgument, &errdetails.ErrorInfo{Reason: "RULES_BROKEN"}, message, bad)
}
