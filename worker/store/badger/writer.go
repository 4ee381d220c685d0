package badger

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/leadgate/leadgate/worker/store"
)

// How many calls share one commit at most. More would only make the first of them wait longer.
const maxMerge = 1024

// write is what one call wants written: items that each succeed or fail alone.
type write struct {
	items []item
	state atomic.Int32
	err   error         // of the commit
	done  chan struct{} // closed when everything is durable, or failed
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

// writer is the goroutine that writes. It takes whatever waits, without waiting for more: a single caller pays for one
// disk sync, and under load the batch grows while the sync before it is under way.
func (s *Store) writer() {
	defer close(s.written)
	for {
		select {
		case w := <-s.writes:
			s.writeWith(w)
		case <-s.closing:
			s.drain()
			return
		}
	}
}

// drain writes what was asked for before Close. Calls that come now see that the store is closing.
func (s *Store) drain() {
	for {
		select {
		case w := <-s.writes:
			s.writeWith(w)
		default:
			return
		}
	}
}

// writeWith writes one call and everything that waits behind it.
func (s *Store) writeWith(w *write) {
	var taken []*write
	b := newBatch(s)
	defer b.discard()
	err := s.writable()
	for {
		if w.state.CompareAndSwap(writeWaiting, writeTaken) {
			taken = append(taken, w)
			if err == nil {
				err = b.add(w.items)
			}
		}
		if err != nil || len(taken) >= maxMerge {
			break
		}
		select {
		case w = <-s.writes:
			continue
		default:
		}
		break
	}
	if err == nil {
		began := s.now()
		err = b.commit()
		s.told(len(taken), s.now().Sub(began))
	}
	for _, w := range taken {
		w.err = err
		close(w.done)
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
