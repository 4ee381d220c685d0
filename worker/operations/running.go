package operations

import (
	"errors"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	storev1 "github.com/leadgate/leadgate/gen/go/leadgate/store/v1"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/store"
)

// goThrough runs an operation from where it is to its end, or until the runner stops.
func (r *Runner) goThrough(under *run) {
	kept, op := under.kept, under.kept.GetOperation()
	for {
		err := r.step(under)
		switch {
		case r.ctx.Err() != nil:
			return // the next start continues it
		case errors.Is(err, store.ErrUnavailable):
			r.log.Error("an operation waits for the store", "operation", op.GetOperationId(), "error", err)
			if !r.rest() {
				return
			}
			continue
		case err != nil:
			op.State, op.Error = leadgatev1.OperationState_OPERATION_STATE_FAILED, err.Error()
		case kept.GetPageToken() == "":
			op.State = leadgatev1.OperationState_OPERATION_STATE_DONE
		}
		op.UpdateTime = timestamppb.New(r.now())
		if !r.save(kept) {
			return
		}
		if op.GetState() != leadgatev1.OperationState_OPERATION_STATE_RUNNING {
			r.tell(op, summary(op))
			return
		}
	}
}

// step processes one portion.
func (r *Runner) step(under *run) (err error) {
	kept := under.kept
	defer func() {
		if fault := recover(); fault != nil {
			r.log.Error("an operation panicked", "operation", kept.GetOperation().GetOperationId(), "panic", fmt.Sprint(fault), "stack", string(debug.Stack()))
			err = errors.New("an internal error in leadgate; the log has the details")
		}
	}()
	portion, err := under.task.Read(r.ctx, kept.GetPageToken())
	if err != nil {
		return err
	}
	var result Result
	if portion.Act != nil && portion.Matched > 0 {
		if result, err = portion.Act(r.ctx); err != nil {
			return err
		}
	}
	add(kept.GetOperation(), portion.Matched, result)
	kept.PageToken = portion.Next
	return nil
}

// save stores the progress of an operation. Once it has ended, only a hash of its request is kept. It retries until it succeeds and
// returns false if the runner stops first.
func (r *Runner) save(kept *storev1.Operation) bool {
	var expires time.Time
	if kept.GetOperation().GetState() != leadgatev1.OperationState_OPERATION_STATE_RUNNING {
		expires = r.now().Add(remembered)
		kept.Request = r.hashed(kept.GetRequest())
	}
	for {
		value, err := proto.Marshal(kept)
		if err == nil {
			err = r.store.State(namespace).Put(r.ctx, kept.GetOperation().GetOperationId(), value, expires)
		}
		if err == nil {
			return true
		}
		if r.ctx.Err() == nil {
			r.log.Error("keeping an operation failed", "operation", kept.GetOperation().GetOperationId(), "error", err)
		}
		if !r.rest() {
			return false
		}
	}
}

// rest pauses after an error of the store; it returns false if the runner stops.
func (r *Runner) rest() bool {
	select {
	case <-r.ctx.Done():
		return false
	case <-time.After(storeRest):
		return true
	}
}

// summary describes the result of an operation.
func summary(op *leadgatev1.Operation) string {
	if op.GetState() == leadgatev1.OperationState_OPERATION_STATE_FAILED {
		return fmt.Sprintf("failed after %d of %d: %s", op.GetMatched(), op.GetTotal(), op.GetError())
	}
	parts := []string{fmt.Sprintf("is done: %d matched", op.GetMatched())}
	for _, word := range slices.Sorted(maps.Keys(op.GetCounts())) {
		parts = append(parts, fmt.Sprintf("%d %s", op.GetCounts()[word], word))
	}
	return strings.Join(parts, ", ")
}

func (r *Runner) tell(op *leadgatev1.Operation, what string) {
	r.journal.Publish(&leadgatev1.Event{Kind: &leadgatev1.Event_System{System: &leadgatev1.SystemEvent{
		Type:   leadgatev1.SystemEventType_SYSTEM_EVENT_TYPE_OPERATION,
		Detail: fmt.Sprintf("%s %s %s", op.GetKind(), op.GetOperationId(), what),
	}}})
}
