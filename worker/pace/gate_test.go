package pace_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/leadgate/leadgate/worker/pace"
)

func isOpen(g *pace.Gate) bool {
	state, _ := g.State()
	return state.OpenAt(time.Now())
}

func TestAGateIsOpenOnlyWithoutAnyReasonToBeClosed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := pace.NewGate(time.Now)
		steps := []struct {
			name string
			do   func()
			open bool
		}{
			{"new", func() {}, true},
			{"paused", func() { g.Pause() }, false},
			{"refused besides", func() { g.Refuse() }, false},
			{"resumed", func() { g.Resume() }, false},
			{"accepted", func() { g.Accept() }, true},
			{"held", func() { g.HoldUntil(time.Now().Add(time.Minute)) }, false},
			{"held less long", func() { g.HoldUntil(time.Now().Add(time.Second)); time.Sleep(2 * time.Second) }, false},
			{"held and paused", func() { g.Pause(); time.Sleep(time.Minute) }, false},
			{"resumed after the hold", func() { g.Resume() }, true},
		}
		for _, step := range steps {
			step.do()
			if got := isOpen(g); got != step.open {
				t.Errorf("%s: open is %v", step.name, got)
			}
		}
	})
}

func TestChangesOfAGateAreTold(t *testing.T) {
	t.Parallel()
	g := pace.NewGate(time.Now)
	_, changed := g.State()
	if g.Resume() || g.Accept() || g.HoldUntil(time.Time{}) {
		t.Error("nothing was changed")
	}
	select {
	case <-changed:
		t.Error("told of a change that was none")
	default:
	}
	if !g.Pause() || g.Pause() {
		t.Error("pausing changes a gate once")
	}
	<-changed
}

func TestAGateKnowsHowLongItWasOpen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		before := time.Now().Add(-time.Hour)
		g := pace.NewGate(time.Now)
		start := time.Now()
		wait := func(seconds int) { time.Sleep(time.Duration(seconds) * time.Second) }
		expect := func(from time.Time, seconds int) {
			t.Helper()
			if got := g.OpenBetween(from, time.Now()); got != time.Duration(seconds)*time.Second {
				t.Errorf("open for %v, want %d s", got, seconds)
			}
		}
		wait(10)
		expect(start, 10)
		expect(before, 10) // nothing is known of the time before
		g.Pause()
		wait(5)
		g.Refuse()
		g.Resume()
		wait(5)
		expect(start, 10)
		g.Accept()
		wait(1)
		expect(start, 11)
		middle := time.Now()
		g.HoldUntil(time.Now().Add(30 * time.Second))
		wait(20)
		expect(start, 11)
		expect(middle, 0)
		wait(20) // opens by itself after 10 of them
		expect(start, 21)
		expect(middle, 10)
		g.HoldUntil(time.Now().Add(7 * time.Second))
		wait(8)
		g.Pause()
		expect(middle, 11)
		if got := g.OpenBetween(middle, start); got != 0 {
			t.Errorf("a time that ends before it begins has %v", got)
		}
	})
}

func TestAGateRemembersABoundedPast(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := pace.NewGate(time.Now)
		start := time.Now()
		for range 1000 {
			g.Pause()
			time.Sleep(time.Second)
			g.Resume()
			time.Sleep(time.Second)
		}
		if got := g.OpenBetween(start, time.Now()); got < 250*time.Second || got > 260*time.Second {
			t.Errorf("of a past that is forgotten %v count as open", got)
		}
	})
}
