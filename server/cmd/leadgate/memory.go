package main

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"time"
)

const (
	// smallMemory is the initial memory limit, below which leadgate stays while that costs next to nothing: about 60 MiB are needed
	// at 2,000 leads a second, and garbage would otherwise pile up to as much again.
	smallMemory = 96 << 20
	// GOGC below the limit: how much garbage may pile up before it is collected, in per cent of what is in use.
	garbage = 400
	// The limit is raised by half when there were more than collectsOften collections within a second, and lowered after a second
	// with fewer than collectsSeldom.
	collectsOften, collectsSeldom = 8, 4
	// After this many seconds without a collection leadgate is idle, and returns unused memory to the system.
	idleSeconds = 10
)

// keepSmall limits the memory of the process until stop is called. The limit is soft: it rises for as long as the load would keep
// the collector running all the time, or more memory is in use. It respects GOMEMLIMIT and GOGC if they are set.
func keepSmall() (stop func()) {
	if os.Getenv("GOMEMLIMIT") != "" {
		return func() {}
	}
	debug.SetMemoryLimit(smallMemory)
	percent := -1 // stays negative if GOGC is set
	if os.Getenv("GOGC") == "" {
		percent = debug.SetGCPercent(garbage)
	}
	ended, over := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		watchMemory(over)
	}()
	return func() {
		close(over)
		<-ended
		debug.SetMemoryLimit(math.MaxInt64)
		if percent >= 0 {
			debug.SetGCPercent(percent)
		}
	}
}

// watchMemory adjusts the limit until over is closed.
func watchMemory(over <-chan struct{}) {
	collected := make(chan struct{}, 1)
	signal := &collection{collected, over}
	signal.await()
	seconds := time.NewTicker(time.Second)
	defer seconds.Stop()
	m, idle := memoryLimit{limit: smallMemory}, 0
	for {
		limit := m.limit
		select {
		case <-over:
			return
		case <-collected:
			if idle != idleSeconds { // when idle, this may be the collection that returned memory
				idle = 0
			}
			m.collected(time.Now(), live())
		case <-seconds.C:
			if idle++; idle == idleSeconds { // once, until there is garbage again
				debug.FreeOSMemory()
			}
			m.second(live())
		}
		if m.limit != limit {
			debug.SetMemoryLimit(m.limit)
		}
	}
}

// collection signals garbage collections.
type collection struct {
	happened chan<- struct{}
	over     <-chan struct{}
}

// await signals the next collection and those that follow: each collects a new unreachable object.
func (c *collection) await() {
	runtime.AddCleanup(&struct{ unused *byte }{}, func(c *collection) {
		select {
		case <-c.over:
			return
		case c.happened <- struct{}{}:
		default: // an earlier signal is still pending
		}
		c.await()
	}, c)
}

// memoryLimit is a limit that follows the load.
type memoryLimit struct {
	limit int64
	times int         // collections in this second
	last  []time.Time // collections of the last second since the limit was raised, newest last
}

// collected records a collection, after which live bytes were in use. Many collections in a row mean that the limit is close to
// what is in use, and would keep the collector running all the time.
func (m *memoryLimit) collected(now time.Time, live int64) {
	m.times++
	m.last = slices.DeleteFunc(m.last, func(t time.Time) bool { return now.Sub(t) >= time.Second })
	if m.last = append(m.last, now); len(m.last) > collectsOften {
		m.limit, m.last = m.limit+m.limit/2, m.last[:0]
	}
	m.limit = max(m.limit, live*3/2)
}

// second ends a second, and lowers the limit if there was little garbage.
func (m *memoryLimit) second(live int64) {
	if m.times < collectsSeldom {
		m.limit -= m.limit / 4
	}
	m.limit, m.times = max(m.limit, smallMemory, live*3/2), 0
}

// live returns how many bytes were in use after the last collection.
func live() int64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	return int64(sample[0].Value.Uint64()) //nolint:gosec // no machine has so much
}
