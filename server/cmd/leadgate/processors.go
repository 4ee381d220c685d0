package main

import (
	"os"
	"runtime"
)

// spareProcessors is how many threads may run at the same time in addition to one per processor. Compacting and flushing tables
// keeps two threads busy for tens of milliseconds, and Go preempts a goroutine after 10 ms at the earliest: without spare threads,
// leads would wait that long on a small machine. The operating system's time slices are shorter.
const spareProcessors = 2

// spareThreads lets more threads run until stop is called. It respects GOMAXPROCS if that is set.
func spareThreads() (stop func()) {
	if os.Getenv("GOMAXPROCS") != "" {
		return func() {}
	}
	runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + spareProcessors)
	return runtime.SetDefaultGOMAXPROCS
}
