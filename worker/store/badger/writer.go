package badger

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/leadgate/leadgate/worker/store"
)

// write is what one call wants to write: items that succeed or fail separately.
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

// A write is either taken by the writer or dropped by its caller, whichever comes first.
const (
	writeWaiting int32 = iota
	writeTaken
	writeDropped
)

// item is one thing to write.
type item interface {
	// stage checks the item, reading through the batch, and puts its writes into the change. If it fails, nothing of this item is
	// written; other items are not affected.
	stage(b *batch, c *change) error
	// fail receives the error that the item failed with.
	fail(err error)
}

// do passes items to the writer and waits until they are durable. Items report their own errors; the error returned concerns all
// of them.
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
	case <-s.written: // queued after the last look of the ending writer
		dropped = errClosing
	}
	if w.state.CompareAndSwap(writeWaiting, writeDropped) {
		return dropped
	}
	<-w.done // being written: the answer is near, and it matters
	return w.err
}

// doEach writes one item, made by prepare, for each request, and returns their results. If prepare fails, its error goes to where
// errOf points in the result. The error returned concerns all requests.
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

// writer is the goroutine that writes. It takes the calls that are waiting and does not wait for more: a single caller pays for
// one disk sync, and under load the next batch grows while the previous one is being written.
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
			// Write what was queued before Close.
			for p.stageWaiting(); p.full() && p.settle() == nil; p.stageWaiting() {
			}
			return
		}
		p.launch()
	}
}

// working returns nil while at least some writes are possible.
func (s *Store) working() error {
	if s.closed.Load() {
		return errClosing
	}
	if failed := s.failed.Load(); failed != nil {
		return *failed
	}
	return s.space.lastEmpty()
}

// writable checks the disk once more before a commit.
func (s *Store) writable() error {
	if failed := s.failed.Load(); failed != nil {
		return *failed
	}
	return s.space.check()
}
