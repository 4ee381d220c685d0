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
	// smallMemory is what leadgate keeps its own memory below while that costs next to nothing: some 60 MiB are needed at
	// 2,000 leads a second, and the rest is garbage that would otherwise pile up to as much again.
	smallMemory = 96 << 20
	// Below the limit, garbage may pile up to this share of what is in use, in per cent, before it is collected.
	garbage = 400
	// The limit is raised by half as soon as there were more collections within a second than the first, and lowered after a second
	// with fewer than the second.
	collectsOften, collectsSeldom = 8, 4
	// After so many seconds without a collection leadgate is idle, and what it does not use goes back.
	idleSeconds = 10
)

// keepSmall limits the memory of the process until stop is called. The limit is not a wall: under a load at which garbage
// would be collected all the time below it, or with more that is really needed, it rises until that is over. A limit that
// somebody set with GOMEMLIMIT stands, and so does a GOGC.
func keepSmall() (stop func()) {
	if os.Getenv("GOMEMLIMIT") != "" {
		return func() {}
	}
	debug.SetMemoryLimit(smallMemory)
	percent := -1 // unchanged
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

// watchMemory moves the limit until over is closed.
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
			if idle != idleSeconds { // then it may be the one that gave memory back
				idle = 0
			}
			m.collected(time.Now(), live())
		case <-seconds.C:
			if idle++; idle == idleSeconds { // once, until there is something to collect again
				debug.FreeOSMemory()
			}
			m.second(live())
		}
		if m.limit != limit {
			debug.SetMemoryLimit(m.limit)
		}
	}
}

// collection tells of collections of garbage.
type collection struct {
	happened chan<- struct{}
	over     <-chan struct{}
}

// await tells of the next one, and of those that follow: what nobody refers to is found by each.
func (c *collection) await() {
	runtime.AddCleanup(&struct{ unused *byte }{}, func(c *collection) {
		select {
		case <-c.over:
			return
		case c.happened <- struct{}{}:
		default: // it was told of one a moment ago and has not looked yet
		}
		c.await()
	}, c)
}

// memoryLimit is a limit that follows the load.
type memoryLimit struct {
	limit int64
	times int         // that garbage was collected in this second
	last  []time.Time // collections within a second since the limit was raised, the newest last
}

// collected notes a collection, after which so many bytes were in use. Many collections soon after one another say that the
// limit is near to what is in use, and would have the collector run without end.
func (m *memoryLimit) collected(now time.Time, live int64) {
	m.times++
	m.last = slices.DeleteFunc(m.last, func(t time.Time) bool { return now.Sub(t) >= time.Second })
	if m.last = append(m.last, now); len(m.last) > collectsOften {
		m.limit, m.last = m.limit+m.limit/2, m.last[:0]
	}
	m.limit = max(m.limit, live*3/2)
}

// second lowers the limit at the end of a second in which there was not much garbage.
func (m *memoryLimit) second(live int64) {
	if m.times < collectsSeldom {
		m.limit -= m.limit / 4
	}
	m.limit, m.times = max(m.limit, smallMemory, live*3/2), 0
}

// live is how many bytes were in use after the last collection.
func live() int64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	return int64(sample[0].Value.Uint64()) //nolint:gosec // no machine has so much
}
