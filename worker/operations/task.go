package operations

import (
	"context"
	"maps"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

// Task is how an operation goes through what matches its request. It is made anew from the request after a restart, so it
// holds nothing that the request does not say.
type Task struct {
	// Read returns the next portion of what matches, from where the portion before ended; token is empty for the first.
	// Reading changes nothing.
	Read func(ctx context.Context, token string) (Portion, error)
}

// Portion is as much of what matches as is changed in one step.
type Portion struct {
	// Matched is how many are in it.
	Matched int64
	// Next is where the next portion begins; empty if this is the last.
	Next string
	// Act changes them, in one bounded transaction, and says what came of them. When leadgate ends between Act and the note
	// that it is done, the portion is read and changed once more, so repeating it must do no harm. Nil if it is empty.
	Act func(ctx context.Context) (Result, error)
	// Preview says what Act would do, and changes nothing. Nil if there is nothing more to say than how many match.
	Preview func(ctx context.Context) (Result, error)
}

// Result is what came of a portion, or would come of it.
type Result struct {
	// Counts says how many by what came of them, such as "released": 3.
	Counts map[string]int64
	// Problems names those with which something is wrong.
	Problems []*leadgatev1.OperationProblem
}

// Count adds to a count.
func (r *Result) Count(word string, by int64) {
	if r.Counts == nil {
		r.Counts = map[string]int64{}
	}
	r.Counts[word] += by
}

// Problem tells what is wrong with a lead or delivery.
func (r *Result) Problem(id, message string) {
	r.Problems = append(r.Problems, &leadgatev1.OperationProblem{Id: id, Message: message})
}

const (
	// How many problems an operation remembers, and how much of each: it has to fit into one value of the store.
	maxProblems       = 50
	maxProblemMessage = 300
)

// add puts the result of a portion into the operation.
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
