package badger

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/leadgate/leadgate/worker/store"
)

// write is what one call wants written: items that each succeed or fail alone.
type write struct {
	items []item
	state atomic.Int32
	err   error         // of the commit
	done  chan struct{} // closed when everything is durable, or failed
}

func (w *write) answer(err error) {
	w.err = err
	close(w.done)
}

// A write is taken by the writer or dropped by its caller, whoever is first.
const (
	writeWaiting int32 = iota
	writeTaken
	writeDropped
)

// item is one thing to write.
type item interface {
	// stage reads through the batch, checks, and puts what is to be written into the change. An error writes nothing of
	// this item, and is its alone.
	stage(b *batch, c *change) error
	// fail is told the error of stage.
	fail(err error)
}

// do hands items to the writer and waits until they are durable. The errors of items are theirs; the one returned
// concerns all.
func (s *Store) do(ctx context.Context, items ...item) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.working(); err != nil {
		return err
	}
	if len(items) == 0 {
		return nil
	}
	w := &write{items: items, done: make(chan struct{})}
	select {
	case s.writes <- w:
	default:
		return fmt.Errorf("%w: %d writes wait for the disk already", store.ErrUnavailable, cap(s.writes))
	}
	var dropped error
	select {
	case <-w.done:
		return w.err
	case <-ctx.Done():
		dropped = ctx.Err()
	case <-s.written: // it came too late, between the look at Writable and the last of drain
		dropped = errClosing
	}
	if w.state.CompareAndSwap(writeWaiting, writeDropped) {
		return dropped
	}
	<-w.done // being written: the answer is near, and it matters
	return w.err
}

// doEach has one item written for each request, which prepare makes, and returns what became of each. One that cannot be made
// fails alone: errOf is where its result says so. The error returned concerns all.
func doEach[Q, R any](
	ctx context.Context, s *Store, requests []Q, errOf func(*R) *error, prepare func(request Q, result *R) (item, error),
) ([]R, error) {
	results := make([]R, len(requests))
	items := make([]item, 0, len(requests))
	for i, request := range requests {
		it, err := prepare(request, &results[i])
		if err != nil {
			*errOf(&results[i]) = err
			continue
		}
		items = append(items, it)
	}
	if err := s.do(ctx, items...); err != nil {
		return nil, err
	}
	return results, nil
}

// writer is the goroutine that writes. It takes whatever waits, without waiting for more: a single caller pays for one
// disk sync, and under load the batch grows while the one before is on its way to the disk.
func (s *Store) writer() {
	defer close(s.written)
	p := newPipeline(s)
	defer p.end()
	for {
		writes := s.writes
		if p.full() {
			writes = nil
		}
		select {
		case w := <-writes:
			p.stage(w)
			p.stageWaiting()
		case err := <-p.landing():
			p.land(err)
			p.stageWaiting()
		case <-s.closing:
			// What was asked for before Close is written.
			for p.stageWaiting(); p.full() && p.settle() == nil; p.stageWaiting() {
			}
			return
		}
		p.launch()
	}
}

// working is nil while anything can be written.
func (s *Store) working() error {
	if s.closed.Load() {
		return errClosing
	}
	if failed := s.failed.Load(); failed != nil {
		return *failed
	}
	return s.space.lastEmpty()
}

// writable looks at the disk once more before a commit.
func (s *Store) writable() error {
	if failed := s.failed.Load(); failed != nil {
		return *failed
	}
	return s.space.check()
}
