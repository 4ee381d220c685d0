package main

import (
	"math"
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

func TestTheMemoryLimitRisesWhileGarbageIsCollectedOftenAndComesBack(t *testing.T) {
	m, now := memoryLimit{limit: smallMemory}, time.Now()
	collect := func(times int, every time.Duration) {
		for range times {
			now = now.Add(every)
			m.collected(now, 0)
		}
	}
	collect(collectsOften, 10*time.Millisecond)
	if m.limit != smallMemory {
		t.Errorf("after a few collections the limit is %d MiB", m.limit>>20)
	}
	collect(1, 10*time.Millisecond)
	if m.limit != smallMemory*3/2 {
		t.Errorf("after %v of a busy collector it is %d MiB", 10*time.Millisecond*(collectsOften+1), m.limit>>20)
	}
	if m.second(0); m.limit != smallMemory*3/2 {
		t.Errorf("at the end of the second in which it rose it is %d MiB", m.limit>>20)
	}
	collect(40, time.Second/collectsOften)
	if m.limit != smallMemory*3/2 {
		t.Errorf("with %d collections a second it moves to %d MiB", collectsOften, m.limit>>20)
	}
	seconds := 0
	for m.second(0); m.limit > smallMemory && seconds < 60; seconds++ {
		m.second(0)
	}
	if m.limit != smallMemory {
		t.Errorf("it is at %d MiB after %d seconds without garbage", m.limit>>20, seconds)
	}
	if m.second(100 << 20); m.limit != 150<<20 {
		t.Errorf("with 100 MiB in use it moves to %d MiB", m.limit>>20)
	}
}

func TestCollectionsAreTold(t *testing.T) {
	happened, over := make(chan struct{}, 1), make(chan struct{})
	defer close(over)
	(&collection{happened, over}).await()
	for range 3 {
		runtime.GC()
		<-happened
	}
}

// Not parallel: it changes the limit of the test's own process.
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
