package worker

import (
	"sync"
	"time"
)

// health records how the last calls to a destination went. It is safe for concurrent use.
type health struct {
	mu      sync.Mutex
	failing bool
	last    string // the last error; empty after a success
	at      time.Time
}

func (h *health) delivered() { h.set(false, "", time.Time{}) }

// refused records that the destination works, but did not accept a lead.
func (h *health) refused(reason string, at time.Time) { h.set(false, reason, at) }

func (h *health) failed(reason string, at time.Time) { h.set(true, reason, at) }

func (h *health) set(failing bool, last string, at time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.failing, h.last, h.at = failing, last, at
}

func (h *health) get() (failing bool, last string, at time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.failing, h.last, h.at
}
