package server

import "sync"

// underWay counts the RPCs that Shutdown waits for. Streams that only show something are not counted: a watch whose client stops reading
// would delay Shutdown as long as anything may.
type underWay struct {
	mu      sync.RWMutex
	stopped bool
	calls   sync.WaitGroup
}

// begin counts an RPC until end is called.
func (u *underWay) begin() (end func()) {
	u.mu.RLock()
	defer u.mu.RUnlock()
	if u.stopped {
		return func() {}
	}
	u.calls.Add(1)
	return u.calls.Done
}

// stop makes begin count no more RPCs. ended is closed when those that were counted have ended.
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
