package main

import (
	"math"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// smallMemory is what leadgate keeps its own memory below while that costs next to nothing: some 60 MiB are needed at
	// 2,000 leads a second, and the rest is garbage that would otherwise pile up to as much again.
	smallMemory = 96 << 20
	// How often the limit is looked at.
	memoryInterval = time.Second
	// Below the limit, garbage may pile up to this share of what is in use, in per cent, before it is collected.
	garbage = 400
	// The limit is doubled after a second with more collections than the first, and lowered after one with fewer than the
	// second.
	collectsOften, collectsSeldom = 8, 4
	// After so many looks at which there was no garbage to collect, leadgate is idle, and what it does not use goes back.
	idleLooks = 10
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

func watchMemory(over <-chan struct{}) {
	ticks := time.NewTicker(memoryInterval)
	defer ticks.Stop()
	limit, idle := int64(smallMemory), 0
	before, _ := collections()
	for {
		select {
		case <-over:
			return
		case <-ticks.C:
		}
		now, live := collections()
		if next := nextLimit(limit, now-before, live); next != limit {
			limit = next
			debug.SetMemoryLimit(limit)
		}
		if idle++; now != before {
			idle = 0
		}
		if idle == idleLooks { // once, until there is something to collect again
			debug.FreeOSMemory()
			now, _ = collections()
		}
		before = now
	}
}

// nextLimit follows a limit under which garbage was collected so many times within a second, and so many bytes were found to
// be in use. A limit near to these would have the collector run without end.
func nextLimit(limit int64, collected, live uint64) int64 {
	switch {
	case collected > collectsOften:
		limit *= 2
	case collected < collectsSeldom:
		limit -= limit / 4
	}
	return max(limit, smallMemory, int64(live)*3/2)
}

// collections is how often garbage was collected, and how many bytes were in use the last time.
func collections() (times, live uint64) {
	samples := []metrics.Sample{{Name: "/gc/cycles/total:gc-cycles"}, {Name: "/gc/heap/live:bytes"}}
	metrics.Read(samples)
	return samples[0].Value.Uint64(), samples[1].Value.Uint64()
}
