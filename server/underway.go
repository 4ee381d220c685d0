package server

import "sync"

// underWay are the rpcs that a stop waits for: those that do something. Streams that only show something are not among them, or a
// watch whose client takes no more of it would hold up a stop for as long as one may take.
type underWay struct {
	mu      sync.RWMutex
	stopped bool
	calls   sync.WaitGroup
}

// begin counts an rpc until end is called.
func (u *underWay) begin() (end func()) {
	u.mu.RLock()
	defer u.mu.RUnlock()
	if u.stopped {
		return func() {}
	}
	u.calls.Add(1)
	return u.calls.Done
}

// stop counts no more rpcs, and closes the channel when those that began have ended.
func (u *underWay) stop() (ended <-chan struct{}) {
	u.mu.Lock()
	u.stopped = true
	u.mu.Unlock()
	all := make(chan struct{})
	go func() {
		u.calls.Wait()
		close(all)
	}()
	return all
}
