package main

import (
	"os"
	"runtime"
	"testing"
)

// Not parallel: it changes GOMAXPROCS of the test's own process.
func TestThreadsAreSpareUnlessSomebodySetTheirNumber(t *testing.T) {
	if os.Getenv("GOMAXPROCS") != "" {
		t.Skip("GOMAXPROCS is set for this run")
	}
	before := runtime.GOMAXPROCS(0)
	t.Setenv("GOMAXPROCS", "1")
	spareThreads()()
	if now := runtime.GOMAXPROCS(0); now != before {
		t.Errorf("it is %d, and was %d", now, before)
	}
	t.Setenv("GOMAXPROCS", "")
	stop := spareThreads()
	if now := runtime.GOMAXPROCS(0); now != before+spareProcessors {
		t.Errorf("without one it is %d, on %d processors", now, before)
	}
	stop()
	if now := runtime.GOMAXPROCS(0); now != before {
		t.Errorf("afterwards it is %d", now)
	}
}
