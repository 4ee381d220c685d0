package operations_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/journal"
	"github.com/leadgate/leadgate/worker/operations"
	"github.com/leadgate/leadgate/worker/store"
	"github.com/leadgate/leadgate/worker/store/badger"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// works is a runner with a hundred things to count, ten per portion.
type works struct {
	*operations.Runner
	t     *testing.T
	store *badger.Store

	mu     sync.Mutex
	acted  []int // portions, in order
	fail   error // returned by the next act
	before func(portion int)
	events []string
}

func newWorks(t *testing.T) *works {
	t.Helper()
	w := &works{t: t}
	j := journal.New(journal.Options{Now: time.Now})
	s, err := badger.Open(badger.Options{Dir: t.TempDir(), Publish: j.Committed})
	if err != nil {
		t.Fatal(err)
	}
	w.store = s
	untap := j.Tap(func(events []*leadgatev1.Event) {
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, event := range events {
			w.events = append(w.events, event.GetSystem().GetDetail())
		}
	})
	w.start(j)
	t.Cleanup(func() {
		w.Stop()
		untap()
		j.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// start starts a process.
func (w *works) start(j *journal.Journal) {
	w.Runner = operations.New(operations.Options{Store: w.store, Journal: j})
	operations.Define(w.Runner, "Count", w.task)
	w.Start()
}

func (w *works) task(request proto.Message) (operations.Task, error) {
	form := request.(*leadgatev1.LeadFilter).GetForm()
	if form == "unknown" {
		return operations.Task{}, errors.New("no such form")
	}
	return operations.Task{Read: func(_ context.Context, token string) (operations.Portion, error) {
		portion, _ := strconv.Atoi(token)
		p := operations.Portion{
			Matched: 10,
			Preview: func(context.Context) (r operations.Result, _ error) {
				r.Count("counted", 10)
				return r, nil
			},
			Act: func(context.Context) (r operations.Result, _ error) { return r, w.act(portion, &r) },
		}
		if portion < 9 {
			p.Next = strconv.Itoa(portion + 1)
		}
		return p, nil
	}}, nil
}

func (w *works) act(portion int, r *operations.Result) error {
	w.mu.Lock()
	before := w.before
	w.mu.Unlock()
	if before != nil {
		before(portion)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fail != nil {
		err := w.fail
		w.fail = nil
		return err
	}
	w.acted = append(w.acted, portion)
	r.Count("counted", 10)
	r.Problem(fmt.Sprint(portion), strings.Repeat("ü", 1000))
	return nil
}

func (w *works) run(call operations.Call) (*leadgatev1.Operation, error) {
	call.Kind = "Count"
	if call.Request == nil {
		call.Request = &leadgatev1.LeadFilter{}
	}
	return w.Run(w.t.Context(), call)
}

func expectDone(t *testing.T, op *leadgatev1.Operation, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if op.GetState() != leadgatev1.OperationState_OPERATION_STATE_DONE || op.GetMatched() != 100 || op.GetTotal() != 100 ||
		!maps.Equal(op.GetCounts(), map[string]int64{"counted": 100}) {
		t.Errorf("the operation is %v", op)
	}
}

func TestAnOperationGoesThroughAllThatMatchesAndIsRemembered(t *testing.T) {
	t.Parallel()
	w := newWorks(t)
	op, err := w.run(operations.Call{Expected: 100})
	expectDone(t, op, err)
	if len(w.acted) != 10 {
		t.Errorf("it acted on %v", w.acted)
	}
	if problems := op.GetProblems(); len(problems) != 10 || len(problems[0].GetMessage()) > 1000 {
		t.Errorf("problems are %v", problems)
	}
	again, err := w.Get(t.Context(), op.GetOperationId())
	if err != nil || !proto.Equal(again, op) {
		t.Errorf("it is remembered as %v, %v", again, err)
	}
	if all, err := w.List(t.Context()); err != nil || len(all) != 1 {
		t.Errorf("remembered are %v, %v", all, err)
	}
	if _, err := w.Get(t.Context(), "other"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("another: %v", err)
	}
}

func TestADryRunOrAnotherCountThanExpectedDoesNothing(t *testing.T) {
	t.Parallel()
	w := newWorks(t)
	op, err := w.run(operations.Call{DryRun: true})
	if err != nil || op.GetMatched() != 100 || op.GetCounts()["counted"] != 100 || op.GetOperationId() != "" {
		t.Errorf("a dry run: %v, %v", op, err)
	}
	for _, dry := range []bool{false, true} {
		count := (*operations.CountError)(nil)
		if _, err := w.run(operations.Call{DryRun: dry, Expected: 99, ID: "x"}); !errors.As(err, &count) || count.Matched != 100 {
			t.Errorf("another count: %v", err)
		}
	}
	if _, err := w.run(operations.Call{Request: &leadgatev1.LeadFilter{Form: "unknown"}}); err == nil {
		t.Error("a request that no task can be made of is taken")
	}
	if all, _ := w.List(t.Context()); len(all) != 0 || len(w.acted) != 0 {
		t.Errorf("something was done: %v, %v", all, w.acted)
	}
}

func TestANamedOperationIsNotDoneTwice(t *testing.T) {
	t.Parallel()
	w := newWorks(t)
	began, goOn := make(chan struct{}), make(chan struct{})
	w.before = func(portion int) {
		if portion == 0 {
			close(began)
			<-goOn
		}
	}
	var callers sync.WaitGroup
	call := func() {
		op, err := w.run(operations.Call{ID: "mine"})
		expectDone(t, op, err)
	}
	callers.Go(call)
	<-began
	callers.Go(call)
	if _, err := w.run(operations.Call{ID: "mine", Request: &leadgatev1.LeadFilter{Form: "other"}}); !errors.Is(err, operations.ErrReused) {
		t.Errorf("another operation under the same name: %v", err)
	}
	close(goOn)
	callers.Wait()
	call()
	if len(w.acted) != 10 {
		t.Errorf("it acted on %v", w.acted)
	}
}

func TestAnOperationThatHasEndedNamesNobody(t *testing.T) {
	t.Parallel()
	w := newWorks(t)
	for id, fail := range map[string]error{"done": nil, "failed": errors.New("a fault")} {
		w.fail = fail
		ask := operations.Call{ID: id, Request: &leadgatev1.LeadFilter{Email: "ada@example.com"}}
		first, err := w.run(ask)
		if err != nil {
			t.Fatal(err)
		}
		kept, _, err := w.store.State("operations").Get(t.Context(), id)
		if err != nil || strings.Contains(string(kept), "ada@") {
			t.Errorf("%s: kept as %q, %v", id, kept, err)
		}
		if again, err := w.run(ask); err != nil || !proto.Equal(again, first) {
			t.Errorf("%s: the same call again: %v, %v", id, again, err)
		}
		if _, err := w.run(operations.Call{ID: id, Request: &leadgatev1.LeadFilter{Email: "bob@example.com"}}); !errors.Is(err, operations.ErrReused) {
			t.Errorf("%s: another call under its name: %v", id, err)
		}
	}
}

func TestAnOperationGoesOnWhenItsCallerGoesAwayAndAfterARestart(t *testing.T) {
	t.Parallel()
	w := newWorks(t)
	ctx, leave := context.WithCancel(t.Context())
	reached, goOn := make(chan struct{}), make(chan struct{})
	w.before = func(portion int) {
		switch portion {
		case 2:
			leave()
		case 5:
			close(reached)
			<-goOn
		}
	}
	if _, err := w.Run(ctx, operations.Call{Kind: "Count", Request: &leadgatev1.LeadFilter{}, ID: "mine"}); !errors.Is(err, context.Canceled) {
		t.Errorf("the caller got %v", err)
	}
	<-reached
	waiter := make(chan error)
	go func() {
		_, err := w.run(operations.Call{ID: "mine"})
		waiter <- err
	}()
	stopped := make(chan struct{})
	first := w.Runner
	go func() {
		first.Stop()
		close(stopped)
	}()
	if err := <-waiter; !errors.Is(err, operations.ErrStopping) {
		t.Errorf("who waited got %v", err)
	}
	w.mu.Lock()
	w.before = nil
	w.mu.Unlock()
	close(goOn)
	<-stopped
	if op, err := w.Get(t.Context(), "mine"); err != nil || op.GetState() != leadgatev1.OperationState_OPERATION_STATE_RUNNING {
		t.Fatalf("after the stop it is %v, %v", op, err)
	}

	j := journal.New(journal.Options{Now: time.Now})
	defer j.Close()
	w.start(j)
	op, err := w.run(operations.Call{ID: "mine"})
	if err != nil || op.GetState() != leadgatev1.OperationState_OPERATION_STATE_DONE {
		t.Fatalf("after the restart it is %v, %v", op, err)
	}
	seen := map[int]bool{}
	for _, portion := range w.acted {
		seen[portion] = true
	}
	if len(seen) != 10 || len(w.acted) > 11 { // the one in progress may have been done twice
		t.Errorf("it acted on %v", w.acted)
	}
}

func TestAFailedOperationSaysHowFarItCame(t *testing.T) {
	t.Parallel()
	w := newWorks(t)
	w.before = func(portion int) {
		if portion == 3 {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.fail = errors.New("out of luck")
		}
	}
	op, err := w.run(operations.Call{})
	if err != nil || op.GetState() != leadgatev1.OperationState_OPERATION_STATE_FAILED || op.GetMatched() != 30 || op.GetError() != "out of luck" {
		t.Errorf("the operation is %v, %v", op, err)
	}
	w.before = func(int) { panic("a fault") }
	op, err = w.run(operations.Call{})
	if err != nil || op.GetState() != leadgatev1.OperationState_OPERATION_STATE_FAILED || strings.Contains(op.GetError(), "a fault of") {
		t.Errorf("the operation is %v, %v", op, err)
	}
}
