package journal

import (
	"sync"
	"time"
)

const (
	// The least time between two strokes. A single event reaches everybody at once.
	bellRest = 20 * time.Millisecond
	// Added to the rest for each waiter that was woken: a thousand subscribers wake up four times a second, and so cost no
	// more than fifty.
	bellRestEach = 230 * time.Microsecond
	// The longest rest, however many are waiting.
	bellRestMost = 500 * time.Millisecond
)

// bell wakes all waiters from a goroutine of its own, so that ringing costs the same however many wait.
type bell struct {
	rung  chan struct{} // holds one signal if somebody rang since the last stroke
	ended chan struct{} // closed by end
	done  chan struct{} // closed when the goroutine is gone

	mu      sync.Mutex
	next    chan struct{} // closed by the next stroke
	waiting int           // how many have taken next
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

// stroke returns a channel that is closed at the next stroke. Take it before looking for news, so as not to miss any.
func (b *bell) stroke() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting++
	return b.next
}

// end stops the bell. Waiters see ended.
func (b *bell) end() {
	close(b.ended)
	<-b.done
}

func (b *bell) run() {
	defer close(b.done)
	rest := time.NewTimer(0)
	defer rest.Stop()
	for {
		var woken int
		select {
		case <-b.rung:
			woken = b.strike()
		case <-b.ended:
			return
		}
		rest.Reset(min(bellRestMost, bellRest+time.Duration(woken)*bellRestEach))
		select {
		case <-rest.C:
		case <-b.ended:
			return
		}
	}
}

// strike wakes all waiters and returns how many there were.
func (b *bell) strike() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.next)
	woken := b.waiting
	b.next, b.waiting = make(chan struct{}), 0
	return woken
}
