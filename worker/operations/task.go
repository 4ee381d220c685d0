package operations

import (
	"context"
	"maps"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

// Task is the work of an operation. After a restart it is made again from the request, so it must not hold any other state.
type Task struct {
	// Read returns the next portion of the matches; token is the previous portion's Next, empty for the first. It changes nothing.
	Read func(ctx context.Context, token string) (Portion, error)
}

// Portion is the part of the matches that is processed in one step.
type Portion struct {
	// Matched is how many matches it has.
	Matched int64
	// Next is the token of the next portion; empty if this is the last.
	Next string
	// Act processes the portion in one bounded transaction and returns the result. If leadgate stops before the progress is stored,
	// the portion is read and processed again, so Act must be idempotent. Nil if the portion is empty.
	Act func(ctx context.Context) (Result, error)
	// Preview returns what Act would do, and changes nothing. Nil if the number of matches says it all.
	Preview func(ctx context.Context) (Result, error)
}

// Result is the result of a portion, or of its preview.
type Result struct {
	// Counts holds the number of matches by outcome, such as "released": 3.
	Counts map[string]int64
	// Problems lists the leads or deliveries with problems.
	Problems []*leadgatev1.OperationProblem
}

// Count adds to the count of an outcome.
func (r *Result) Count(word string, by int64) {
	if r.Counts == nil {
		r.Counts = map[string]int64{}
	}
	r.Counts[word] += by
}

// Problem adds a problem with a lead or delivery.
func (r *Result) Problem(id, message string) {
	r.Problems = append(r.Problems, &leadgatev1.OperationProblem{Id: id, Message: message})
}

const (
	// The limits on the problems of an operation, and on each message in characters: an operation must fit into one value of the
	// store.
	maxProblems       = 50
	maxProblemMessage = 300
)

// add adds the result of a portion to an operation.
func add(op *leadgatev1.Operation, matched int64, r Result) {
	op.Matched += matched
	if op.Counts == nil {
		op.Counts = map[string]int64{}
	}
	for word, n := range maps.All(r.Counts) {
		op.Counts[word] += n
	}
	for _, problem := range r.Problems {
		if len(op.Problems) == maxProblems {
			break
		}
		if runes := []rune(problem.GetMessage()); len(runes) > maxProblemMessage {
			problem.Message = string(runes[:maxProblemMessage]) + "…"
		}
		op.Problems = append(op.Problems, problem)
	}
}
