package main

import (
	"math"
	"runtime/debug"
	"testing"
)

func TestTheMemoryLimitRisesWhileGarbageIsCollectedOftenAndComesBack(t *testing.T) {
	limit := int64(smallMemory)
	for range 3 {
		limit = nextLimit(limit, 20, 0)
	}
	if limit != 8*smallMemory {
		t.Errorf("after three seconds of a busy collector the limit is %d MiB", limit>>20)
	}
	if next := nextLimit(limit, 5, 0); next != limit {
		t.Errorf("with a few collections it moves to %d MiB", next>>20)
	}
	seconds := 0
	for ; limit > smallMemory; seconds++ {
		limit = nextLimit(limit, 0, 0)
	}
	if next := nextLimit(smallMemory, 0, 100<<20); next != 150<<20 {
		t.Errorf("with 100 MiB in use it moves to %d MiB", next>>20)
	}
	if limit != smallMemory || seconds > 60 {
		t.Errorf("it is at %d MiB after %d seconds without garbage", limit>>20, seconds)
	}
}

// It changes the limit of the test's own process, so it runs alone.
func TestALimitThatSomebodySetStands(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	defer debug.SetMemoryLimit(before)
	t.Setenv("GOMEMLIMIT", "400MiB")
	keepSmall()()
	if now := debug.SetMemoryLimit(-1); now != before {
		t.Errorf("it is %d, and was %d", now, before)
	}
	t.Setenv("GOMEMLIMIT", "")
	stop := keepSmall()
	if now := debug.SetMemoryLimit(-1); now != smallMemory {
		t.Errorf("without one it is %d", now)
	}
	stop()
	if now := debug.SetMemoryLimit(-1); now != math.MaxInt64 {
		t.Errorf("afterwards it is %d", now)
	}
}
