package journal

import (
	"slices"
	"sync"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

const (
	// How many calls of Publish and Committed a tap may lag behind before they block.
	tapQueue = 4096
	// About how many events one call of a tap's function gets at most. A call takes what is there and does not wait for more.
	tapBatch = 1024
)

// tap is a reader that gets every event.
type tap struct {
	fn    func([]*leadgatev1.Event)
	queue chan []*leadgatev1.Event
	done  chan struct{} // closed when the goroutine is gone
	once  sync.Once
}

// Tap calls fn with every event from now on, in order, on one goroutine. The slice is fn's only until it returns.
//
// A tap never misses an event: when fn is 4,096 publications behind, publishing blocks, and with it the store's writer and
// every submission. So fn must be quick and must not publish. The returned function stops the tap after it has processed what was
// published before; it may be called more than once.
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

// put blocks while the queue is full.
func (t *tap) put(events []*leadgatev1.Event) { t.queue <- events }

// end is called after the last put. It returns when fn has got everything.
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
		clear(batch) // let the garbage collector have them
	}
}

// poll takes the next publication if there is one.
func (t *tap) poll() ([]*leadgatev1.Event, bool) {
	select {
	case events, ok := <-t.queue:
		return events, ok
	default:
		return nil, false
	}
}
