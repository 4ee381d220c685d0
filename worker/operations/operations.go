// Package operations acts on many leads or deliveries at once: on all that match a filter, in small durable steps, and to the end
// even if the caller goes away or leadgate restarts.
//
// An rpc on many leads describes its work as a [Task], registers it with [Define] under the rpc's name, and calls [Runner.Run] with
// its request. The runner counts the matches, compares that with what the caller expects, stores the operation, processes it
// portion by portion, and keeps the result for a week. A call with the ID of an earlier operation returns that one instead of
// repeating it.
package operations

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/timestamppb"

	storev1 "github.com/leadgate/leadgate/gen/go/leadgate/store/v1"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/journal"
	"github.com/leadgate/leadgate/worker/store"
)

const (
	// namespace of the store's state that holds a leadgate.store.v1.Operation per identifier.
	namespace = "operations"
	// How long a finished operation is kept.
	remembered = 7 * 24 * time.Hour
	// The pause after an error of the store.
	storeRest = time.Second
)

var (
	// ErrReused means that a different operation has the same identifier.
	ErrReused = errors.New("another operation has this identifier")
	// ErrStopping means that leadgate is stopping; the operation continues after the restart.
	ErrStopping = errors.New("leadgate is stopping; the operation goes on when it is started again")
)

// CountError means that the number of matches is not the one that the caller expected. Nothing was done.
type CountError struct{ Expected, Matched int64 }

// Error implements error.
func (e *CountError) Error() string {
	return fmt.Sprintf("%d match, but %d were expected; nothing was done", e.Matched, e.Expected)
}

// Options configure a runner. Store and Journal must be set.
type Options struct {
	Store   store.Store
	Journal *journal.Journal
	// Now returns the current time, from the same clock as the store's; time.Now if nil.
	Now func() time.Time
	// Logger gets internal errors and the store's; nil discards them.
	Logger *slog.Logger
}

// Runner runs operations. It is safe for concurrent use.
type Runner struct {
	store   store.Store
	hasher  *store.Hasher
	journal *journal.Journal
	now     func() time.Time
	log     *slog.Logger

	ctx    context.Context // canceled by Stop
	cancel context.CancelFunc
	work   sync.WaitGroup

	mu      sync.Mutex // held while operations start
	kinds   map[string]func(request proto.Message) (Task, error)
	running map[string]*run
}

// run is a running operation.
type run struct {
	kept *storev1.Operation // owned by its goroutine
	task Task
	done chan struct{} // closed when the goroutine ends
}

// New returns a runner without operations. Stop stops it.
func New(o Options) *Runner {
	r := &Runner{
		store: o.Store, hasher: store.NewHasher(o.Store.HashKey()), journal: o.Journal, now: o.Now, log: cmp.Or(o.Logger, slog.New(slog.DiscardHandler)),
		kinds: map[string]func(proto.Message) (Task, error){}, running: map[string]*run{},
	}
	if r.now == nil {
		r.now = time.Now
	}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r
}

// Define registers a kind of operation. kind is the name of the rpc; prepare makes the task for a request. It must not be called
// concurrently with Begin or Run.
func Define[Request proto.Message](r *Runner, kind string, prepare func(Request) (Task, error)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.kinds[kind] = func(request proto.Message) (Task, error) {
		own, ok := request.(Request)
		if !ok {
			return Task{}, fmt.Errorf("%T is not a request of %s", request, kind)
		}
		return prepare(own)
	}
}

// Start continues the operations that were running when leadgate stopped. All kinds must be defined before.
func (r *Runner) Start() {
	state := r.store.State(namespace)
	ids, err := state.Keys(r.ctx)
	if err != nil {
		r.log.Error("reading operations failed; what was under way goes on at the next start", "error", err)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, id := range ids {
		kept, err := r.read(r.ctx, id)
		if err != nil {
			r.log.Error("reading an operation failed", "operation", id, "error", err)
			continue
		}
		if kept.GetOperation().GetState() != leadgatev1.OperationState_OPERATION_STATE_RUNNING || r.running[id] != nil {
			continue
		}
		if _, err := r.begin(kept); err != nil {
			r.log.Error("an operation cannot go on", "operation", id, "error", err)
			continue
		}
		r.tell(kept.GetOperation(), "continues after a restart")
	}
}

// Stop stops running operations between two steps; the Start of another runner continues them. Waiting callers get ErrStopping.
func (r *Runner) Stop() {
	r.cancel()
	r.work.Wait()
}

// Call is a request for an operation.
type Call struct {
	// Kind is the kind passed to Define.
	Kind string
	// Request is what the task is made from. It must not be changed afterwards.
	Request proto.Message
	// ID identifies the operation; one is generated if empty.
	ID string
	// DryRun makes the operation report what it would do, without doing it.
	DryRun bool
	// Expected is how many must match; 0 for any number.
	Expected int64
}

// Wait waits until an operation has ended and returns it. If ctx ends first, the operation goes on. Errors: that of ctx,
// ErrStopping, and the store's.
type Wait func(ctx context.Context) (*leadgatev1.Operation, error)

// Run runs an operation and returns it when it has ended: [Runner.Begin], then Wait.
func (r *Runner) Run(ctx context.Context, c Call) (*leadgatev1.Operation, error) {
	wait, err := r.Begin(ctx, c)
	if err != nil {
		return nil, err
	}
	return wait(ctx)
}

// Begin stores an operation and starts it, or finds the one with the same ID. Errors: *CountError, ErrReused, the store's, and the
// task's from before the operation was stored. Later errors are recorded in the operation.
func (r *Runner) Begin(ctx context.Context, c Call) (Wait, error) {
	task, err := r.prepare(c.Kind, c.Request)
	if err != nil {
		return nil, err
	}
	if c.DryRun {
		return func(ctx context.Context) (*leadgatev1.Operation, error) {
			return r.Preview(ctx, c.Kind, task, c.Expected)
		}, nil
	}
	kept, err := r.newOperation(c)
	if err != nil {
		return nil, err
	}
	if c.ID != "" {
		if known, err := r.attach(ctx, kept); known != nil || err != nil {
			return known, err
		}
	}
	total, err := count(ctx, task)
	if err != nil {
		return nil, err
	}
	if c.Expected != 0 && total != c.Expected {
		return nil, &CountError{Expected: c.Expected, Matched: total}
	}
	kept.Operation.Total = total
	under, err := r.write(ctx, kept)
	if errors.Is(err, store.ErrConflict) { // the same call arrived twice
		return r.attach(ctx, kept)
	}
	if err != nil {
		return nil, err
	}
	return r.waitFor(under), nil
}

func (r *Runner) prepare(kind string, request proto.Message) (Task, error) {
	prepare := r.kinds[kind]
	if prepare == nil {
		return Task{}, fmt.Errorf("operation %s is not known to this leadgate", kind)
	}
	return prepare(request)
}

func (r *Runner) newOperation(c Call) (*storev1.Operation, error) {
	request := &anypb.Any{}
	if err := anypb.MarshalFrom(request, c.Request, proto.MarshalOptions{Deterministic: true}); err != nil {
		return nil, fmt.Errorf("keep the request: %w", err)
	}
	id := c.ID
	if id == "" {
		made, err := uuid.NewV7()
		if err != nil {
			return nil, err
		}
		id = made.String()
	}
	now := timestamppb.New(r.now())
	return &storev1.Operation{Request: request, Operation: &leadgatev1.Operation{
		OperationId: id, Kind: c.Kind, State: leadgatev1.OperationState_OPERATION_STATE_RUNNING, CreateTime: now, UpdateTime: now,
	}}, nil
}

// attach returns a Wait for the existing operation with this identifier; nil if there is none.
func (r *Runner) attach(ctx context.Context, asked *storev1.Operation) (Wait, error) {
	id := asked.GetOperation().GetOperationId()
	r.mu.Lock()
	kept, err := r.read(ctx, id)
	under := r.running[id]
	r.mu.Unlock()
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, err
	case kept.GetOperation().GetKind() != asked.GetOperation().GetKind() || !r.isSame(kept.GetRequest(), asked.GetRequest()):
		return nil, ErrReused
	case under == nil:
		return func(context.Context) (*leadgatev1.Operation, error) { return kept.GetOperation(), nil }, nil
	}
	return r.waitFor(under), nil
}

// hashed returns what is kept of a request after its operation has ended: enough to recognize it. A request may name a person, who
// may be erased later.
func (r *Runner) hashed(request *anypb.Any) *anypb.Any {
	return &anypb.Any{TypeUrl: request.GetTypeUrl(), Value: r.hasher.Hash(string(request.GetValue()))}
}

// isSame reports whether a stored request, hashed or not, equals asked.
func (r *Runner) isSame(kept, asked *anypb.Any) bool {
	return bytes.Equal(kept.GetValue(), asked.GetValue()) || bytes.Equal(kept.GetValue(), r.hashed(asked).GetValue())
}

// write stores a new operation and starts it. Error: store.ErrConflict if the identifier is taken.
func (r *Runner) write(ctx context.Context, kept *storev1.Operation) (*run, error) {
	value, err := proto.Marshal(kept)
	if err != nil {
		return nil, fmt.Errorf("keep the operation: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.store.State(namespace).CompareAndSet(ctx, kept.GetOperation().GetOperationId(), 0, value, time.Time{}); err != nil {
		return nil, err
	}
	r.tell(kept.GetOperation(), "begins")
	return r.begin(kept)
}

// begin starts an operation's goroutine. The caller holds mu.
func (r *Runner) begin(kept *storev1.Operation) (*run, error) {
	request, err := kept.GetRequest().UnmarshalNew()
	if err != nil {
		return nil, err
	}
	task, err := r.prepare(kept.GetOperation().GetKind(), request)
	if err != nil {
		return nil, err
	}
	under := &run{kept: kept, task: task, done: make(chan struct{})}
	id := kept.GetOperation().GetOperationId()
	r.running[id] = under
	r.work.Go(func() {
		defer func() {
			r.mu.Lock()
			delete(r.running, id)
			r.mu.Unlock()
			close(under.done)
		}()
		r.goThrough(under)
	})
	return under, nil
}

// waitFor returns a Wait for a running operation, which returns it as it is then stored.
func (r *Runner) waitFor(under *run) Wait {
	return func(ctx context.Context) (*leadgatev1.Operation, error) {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-r.ctx.Done():
			return nil, ErrStopping
		case <-under.done:
		}
		if r.ctx.Err() != nil {
			return nil, ErrStopping
		}
		return r.Get(ctx, under.kept.GetOperation().GetOperationId())
	}
}

// Get returns an operation; the error is store.ErrNotFound if there is none.
func (r *Runner) Get(ctx context.Context, id string) (*leadgatev1.Operation, error) {
	kept, err := r.read(ctx, id)
	return kept.GetOperation(), err
}

// List returns all operations, running or finished, newest first.
func (r *Runner) List(ctx context.Context) ([]*leadgatev1.Operation, error) {
	ids, err := r.store.State(namespace).Keys(ctx)
	if err != nil {
		return nil, err
	}
	var operations []*leadgatev1.Operation
	for _, id := range ids {
		op, err := r.Get(ctx, id)
		switch {
		case errors.Is(err, store.ErrNotFound): // expired meanwhile
		case err != nil:
			return nil, err
		default:
			operations = append(operations, op)
		}
	}
	slices.SortStableFunc(operations, func(a, b *leadgatev1.Operation) int {
		return b.GetCreateTime().AsTime().Compare(a.GetCreateTime().AsTime())
	})
	return operations, nil
}

func (r *Runner) read(ctx context.Context, id string) (*storev1.Operation, error) {
	value, _, err := r.store.State(namespace).Get(ctx, id)
	if err != nil {
		return nil, err
	}
	kept := &storev1.Operation{}
	if err := proto.Unmarshal(value, kept); err != nil {
		return nil, fmt.Errorf("operation %s is damaged: %w", id, err)
	}
	return kept, nil
}

// count returns how many match.
func count(ctx context.Context, task Task) (total int64, err error) {
	for token := ""; ; {
		portion, err := task.Read(ctx, token)
		if err != nil {
			return 0, err
		}
		total += portion.Matched
		if token = portion.Next; token == "" {
			return total, nil
		}
	}
}

// Preview goes through a task without changing anything, and returns the result as an operation without identifier. Errors:
// *CountError if expected is not 0, and the task's.
func (r *Runner) Preview(ctx context.Context, kind string, task Task, expected int64) (*leadgatev1.Operation, error) {
	op := &leadgatev1.Operation{Kind: kind}
	for token := ""; ; {
		portion, err := task.Read(ctx, token)
		if err != nil {
			return nil, err
		}
		var result Result
		if portion.Preview != nil {
			if result, err = portion.Preview(ctx); err != nil {
				return nil, err
			}
		}
		add(op, portion.Matched, result)
		if token = portion.Next; token == "" {
			break
		}
	}
	op.Total = op.GetMatched()
	if expected != 0 && op.GetTotal() != expected {
		return nil, &CountError{Expected: expected, Matched: op.GetTotal()}
	}
	return op, nil
}
