package journal

import (
	"slices"
	"sync"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

const (
	// How many calls of Publish and Committed a tap may be behind before they wait for it.
	tapQueue = 4096
	// How many events one call of a tap's function gets, about: a call takes what waits, without waiting for more.
	tapBatch = 1024
)

// tap is a reader that misses nothing.
type tap struct {
	fn    func([]*leadgatev1.Event)
	queue chan []*leadgatev1.Event
	done  chan struct{} // closed when the goroutine is gone
	once  sync.Once
}

// Tap calls fn with every event from now on, in order, on one goroutine. The slice is fn's only until it returns.
//
// A tap never misses an event: when fn is 4,096 publications behind, publishing waits for it, and with it the store's
// writer and every submission. fn must therefore be quick, and must not publish. The function returned stops the tap after
// it got what was published before; it may be called again.
func (j *Journal) Tap(fn func([]*leadgatev1.Event)) (stop func()) {
	t := &tap{fn: fn, queue: make(chan []*leadgatev1.Event, tapQueue), done: make(chan struct{})}
	j.publishing.Lock()
	if j.closed {
		t.once.Do(func() { close(t.queue) })
	} else {
		j.taps = append(slices.Clone(j.taps), t)
	}
	j.publishing.Unlock()
	go t.run()
	return func() {
		j.publishing.Lock()
		j.taps = slices.DeleteFunc(slices.Clone(j.taps), func(other *tap) bool { return other == t })
		j.publishing.Unlock()
		t.end()
	}
}

// put waits while the queue is full.
func (t *tap) put(events []*leadgatev1.Event) { t.queue <- events }

// end is called when nobody puts any more. It waits until fn got everything.
func (t *tap) end() {
	t.once.Do(func() { close(t.queue) })
	<-t.done
}

func (t *tap) run() {
	defer close(t.done)
	batch := make([]*leadgatev1.Event, 0, tapBatch)
	for events := range t.queue {
		batch = append(batch[:0], events...)
		for len(batch) < tapBatch {
			more, ok := t.poll()
			if !ok {
				break
			}
			batch = append(batch, more...)
		}
		t.fn(batch)
		clear(batch) // what was read may be forgotten
	}
}

// poll takes what waits, if anything does.
func (t *tap) poll() ([]*leadgatev1.Event, bool) {
	select {
	case events, ok := <-t.queue:
		return events, ok
	default:
		return nil, false
	}
}
