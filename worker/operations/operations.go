// Package operations does things to many leads or deliveries: all that match a filter, in small durable steps, to the end even
// if the caller goes away or leadgate is started again.
//
// An rpc on many describes what it does as a [Task], registers it with [Define] under its own name, and calls
// [Runner.Run] with its request. The runner counts what matches, compares it with what the caller expects, writes the
// operation down, goes through it portion by portion, and remembers what came of it for a week. A caller that names the
// operation may repeat the call: it is not done again.
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
	// namespace of the store's state that holds a leadgate.store.v1.Operation for each, by its identifier.
	namespace = "operations"
	// How long an operation that ended is remembered.
	remembered = 7 * 24 * time.Hour
	// After the store failed, before it is asked again.
	storeRest = time.Second
)

var (
	// ErrReused says that another operation has the identifier already.
	ErrReused = errors.New("another operation has this identifier")
	// ErrStopping says that leadgate is stopping; the operation goes on when it is started again.
	ErrStopping = errors.New("leadgate is stopping; the operation goes on when it is started again")
)

// CountError says that not as many match as the caller expected. Nothing was done.
type CountError struct{ Expected, Matched int64 }

// Error implements error.
func (e *CountError) Error() string {
	return fmt.Sprintf("%d match, but %d were expected; nothing was done", e.Matched, e.Expected)
}

// Options are what a runner needs. Store and Journal are required.
type Options struct {
	Store   store.Store
	Journal *journal.Journal
	// Now is the time, the same clock as the store's; time.Now if nil.
	Now func() time.Time
	// Logger gets faults of leadgate itself and of the store. Nil drops them.
	Logger *slog.Logger
}

// Runner runs operations. It is safe for concurrent use.
type Runner struct {
	store   store.Store
	hasher  *store.Hasher
	journal *journal.Journal
	now     func() time.Time
	log     *slog.Logger

	ctx    context.Context // ends when Stop is called
	cancel context.CancelFunc
	work   sync.WaitGroup

	mu      sync.Mutex // held while operations begin
	kinds   map[string]func(request proto.Message) (Task, error)
	running map[string]*run
}

// run is an operation under way.
type run struct {
	kept *storev1.Operation // its goroutine's own
	task Task
	done chan struct{} // closed when the goroutine ended
}

// New returns a runner that knows no operations yet. Stop ends it.
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

// Define says how operations of a kind are done: prepare makes the task of a request. The kind is the name of the rpc that asks
// for them.
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

// Start goes on with what was under way when leadgate ended. All kinds must be defined.
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

// Stop ends what is under way between two steps; Start of another runner goes on with it. Callers that wait get ErrStopping.
func (r *Runner) Stop() {
	r.cancel()
	r.work.Wait()
}

// Call asks for an operation.
type Call struct {
	// Kind is what was given to Define.
	Kind string
	// Request is what the task is made from. It must not change afterwards.
	Request proto.Message
	// ID names the operation; one is made if empty.
	ID string
	// DryRun only says what would be done.
	DryRun bool
	// Expected is how many must match; 0 for any number.
	Expected int64
}

// Wait waits for an operation that was begun, and returns it when it has ended. When ctx ends before, the operation goes on all
// the same. Errors: ErrStopping, and the store's.
type Wait func(ctx context.Context) (*leadgatev1.Operation, error)

// Run does an operation and returns it when it has ended: [Runner.Begin], then its Wait.
func (r *Runner) Run(ctx context.Context, c Call) (*leadgatev1.Operation, error) {
	wait, err := r.Begin(ctx, c)
	if err != nil {
		return nil, err
	}
	return wait(ctx)
}

// Begin writes an operation down and sets it going. With the ID of an operation that was asked for before, it finds that one.
// Errors: *CountError, ErrReused, the store's, and those of the task before anything was written down; afterwards they stand in
// the operation.
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
	if errors.Is(err, store.ErrConflict) { // the same call came twice
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

// attach finds the operation that has the identifier already; nil if there is none.
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

// hashed is what is kept of a request once its operation has ended: enough to know it again. A request may name a person, who may be
// erased meanwhile.
func (r *Runner) hashed(request *anypb.Any) *anypb.Any {
	return &anypb.Any{TypeUrl: request.GetTypeUrl(), Value: r.hasher.Hash(string(request.GetValue()))}
}

// isSame reports whether a request that is kept, hashed or not, is the one that is asked for.
func (r *Runner) isSame(kept, asked *anypb.Any) bool {
	return bytes.Equal(kept.GetValue(), asked.GetValue()) || bytes.Equal(kept.GetValue(), r.hashed(asked).GetValue())
}

// write writes a new operation down and begins it. Error: store.ErrConflict.
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

// begin starts the goroutine of an operation. It is called with mu held.
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

// waitFor waits for an operation that is under way and returns it as it is kept then.
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

// Get returns an operation. Error: store.ErrNotFound.
func (r *Runner) Get(ctx context.Context, id string) (*leadgatev1.Operation, error) {
	kept, err := r.read(ctx, id)
	return kept.GetOperation(), err
}

// List returns all that are under way or remembered, newest first.
func (r *Runner) List(ctx context.Context) ([]*leadgatev1.Operation, error) {
	ids, err := r.store.State(namespace).Keys(ctx)
	if err != nil {
		return nil, err
	}
	var operations []*leadgatev1.Operation
	for _, id := range ids {
		op, err := r.Get(ctx, id)
		switch {
		case errors.Is(err, store.ErrNotFound): // its time is up meanwhile
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

// count says how many match.
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

// Preview goes through a task without changing anything, and returns what came of it as an operation without identifier.
// Error: *CountError, if anything is expected, and those of the task.
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
