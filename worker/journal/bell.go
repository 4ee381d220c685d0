package journal

import (
	"sync"
	"time"
)

// Between two strokes of a bell. A stroke wakes every subscriber, so a thousand of them wake up at most fifty times a
// second however much happens, and an event that comes alone reaches them at once.
const bellRest = 20 * time.Millisecond

// bell wakes all who wait, on a goroutine of its own: ringing costs the same however many wait.
type bell struct {
	rung  chan struct{} // holds one signal if somebody rang since the last stroke
	ended chan struct{} // closed by end
	done  chan struct{} // closed when the goroutine is gone

	mu   sync.Mutex
	next chan struct{} // closed by the next stroke
}

func newBell() *bell {
	b := &bell{
		rung: make(chan struct{}, 1), ended: make(chan struct{}), done: make(chan struct{}), next: make(chan struct{}),
	}
	go b.run()
	return b
}

func (b *bell) ring() {
	select {
	case b.rung <- struct{}{}:
	default: // a stroke is due already
	}
}

// stroke returns a channel that is closed at the next stroke. Whoever takes it before looking for news misses none.
func (b *bell) stroke() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.next
}

// end wakes all who wait for the last time.
func (b *bell) end() {
	close(b.ended)
	<-b.done
}

func (b *bell) run() {
	defer close(b.done)
	rest := time.NewTimer(0)
	defer rest.Stop()
	for {
		select {
		case <-b.rung:
			b.strike()
		case <-b.ended:
			return
		}
		rest.Reset(bellRest)
		select {
		case <-rest.C:
		case <-b.ended:
			return
		}
	}
}

func (b *bell) strike() {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.next)
	b.next = make(chan struct{})
}
