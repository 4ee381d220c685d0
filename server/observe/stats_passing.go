package observe

import (
	"context"
	"time"

	"google.golang.org/protobuf/proto"

	storev1 "github.com/leadgate/leadgate/gen/go/leadgate/store/v1"
)

const (
	// How often passing events are stored, all in one small value.
	keepPassingEvery = time.Second
	passingKey       = "passing"
)

// passing holds the refused and repeated submissions that a tally counts but that are not stored with it yet.
type passing struct {
	stored  int64            // when the tally was stored, Unix time in nanoseconds
	minutes map[int64]counts // by start of the minute, Unix time in seconds
	changed bool             // since it was last stored
}

func (p *passing) count(at time.Time, c *counts) {
	if p.minutes == nil {
		p.minutes = map[int64]counts{}
	}
	begin := at.Truncate(time.Minute).Unix()
	minute := p.minutes[begin]
	minute.add(c)
	p.minutes[begin], p.changed = minute, true
}

// pass counts the passing events since a tally was stored. Earlier ones are part of the tally.
func (t *tally) pass(memory *storev1.PassingTally) {
	if memory.GetStored() != t.passing.stored {
		return
	}
	for _, minute := range memory.GetMinutes() {
		at, c := time.Unix(minute.GetBegin(), 0), countsFrom(minute.GetCounts())
		if slot := t.minutes.At(at); slot != nil {
			slot.add(&c)
		}
		t.lastSubmission = later(t.lastSubmission, at)
		t.passing.count(at, &c) // until the tally is stored again
	}
	t.changed = true
}

// passed returns all passing events not stored with their tallies; nil if none are new.
func (s *stats) passed() *storev1.PassingTallies {
	s.mu.Lock()
	defer s.mu.Unlock()
	all, changed := &storev1.PassingTallies{Tallies: map[string]*storev1.PassingTally{}}, false
	add := func(key string, t *tally) {
		if len(t.passing.minutes) == 0 {
			return
		}
		memory := &storev1.PassingTally{Stored: t.passing.stored}
		for begin, c := range t.passing.minutes {
			memory.Minutes = append(memory.Minutes, &storev1.Tally_Minute{Begin: begin, Counts: c.message()})
		}
		all.Tallies[key] = memory
		changed = changed || t.passing.changed
		t.passing.changed = false
	}
	s.each(add)
	if !changed {
		return nil
	}
	return all
}

// savePassing stores the passing events. After an error, they are stored with the next ones, or with their tally.
func (k *keeper) savePassing(ctx context.Context) {
	k.saving.Lock()
	defer k.saving.Unlock()
	passed := k.stats.passed()
	if passed == nil {
		return
	}
	value, err := proto.Marshal(passed)
	if err == nil {
		err = k.store.State(figuresNamespace).Put(ctx, passingKey, value, k.now().Add(keepFiguresFor))
	}
	if err != nil && ctx.Err() == nil {
		k.log.Warn("refused and repeated submissions could not be counted on disk; after a restart some would be missing", "error", err)
	}
}
