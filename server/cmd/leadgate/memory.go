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
	// The limit is raised by half when collecting garbage takes more of the processors' time than the first, and lowered when it
	// takes less than the second.
	collectsTooMuch, collectsLittle = 0.10, 0.03
	// After so many looks at which there was no garbage to collect, leadgate is idle, and what it does not use goes back.
	idleLooks = 10
)

// keepSmall limits the memory of the process until stop is called. The limit is not a wall: under a load at which the
// garbage collector would have too much to do below it, or with more that is really needed, it rises until that is over. A
// limit that somebody set with GOMEMLIMIT stands, and so does a GOGC.
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
	limit, before, idle := int64(smallMemory), collecting(), 0
	for {
		select {
		case <-over:
			return
		case <-ticks.C:
		}
		now := collecting()
		if next := nextLimit(limit, now.share(before)); next != limit {
			limit = next
			debug.SetMemoryLimit(limit)
		}
		if idle++; now != before {
			idle = 0
		}
		if idle == idleLooks { // once, until there is something to collect again
			debug.FreeOSMemory()
			now = collecting()
		}
		before = now
	}
}

// nextLimit follows a limit under which collecting garbage took a share of the processors' time.
func nextLimit(limit int64, share float64) int64 {
	switch {
	case share > collectsTooMuch:
		return limit + limit/2
	case share < collectsLittle:
		return max(smallMemory, limit-limit/16)
	}
	return limit
}

// processorTime is how many seconds of the processors were spent: collecting garbage, not counting what they did because they
// had nothing else to do, and altogether.
type processorTime struct{ garbage, all float64 }

func collecting() processorTime {
	samples := []metrics.Sample{
		{Name: "/cpu/classes/gc/total:cpu-seconds"}, {Name: "/cpu/classes/gc/mark/idle:cpu-seconds"}, {Name: "/cpu/classes/total:cpu-seconds"},
	}
	metrics.Read(samples)
	return processorTime{samples[0].Value.Float64() - samples[1].Value.Float64(), samples[2].Value.Float64()}
}

// share is how much of the time since an earlier look went into collecting. Both are reckoned at each collection; with none
// in between nothing was spent.
func (t processorTime) share(since processorTime) float64 {
	if t.all <= since.all {
		return 0
	}
	return (t.garbage - since.garbage) / (t.all - since.all)
}
