package main

import (
	"os"
	"runtime"
)

// spareProcessors is how many threads leadgate may run at one time beyond the processors that the machine has. Merging and
// flushing tables keeps two threads busy for tens of milliseconds, and Go takes a processor from a goroutine after ten at the
// earliest; with nothing spare, leads would wait for that on a small machine. The operating system shares more finely.
const spareProcessors = 2

// spareThreads lets more threads run until stop is called. A number that somebody set with GOMAXPROCS stands.
func spareThreads() (stop func()) {
	if os.Getenv("GOMAXPROCS") != "" {
		return func() {}
	}
	runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + spareProcessors)
	return runtime.SetDefaultGOMAXPROCS
}
