package observe

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	storev1 "github.com/leadgate/leadgate/gen/go/leadgate/store/v1"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/server/observe/window"
	"github.com/leadgate/leadgate/worker/journal"
)

// The statistics of the last hour survive the process: each tally is stored every few seconds if it changed, with the number of the
// newest event that it counts. The next process reads it and counts the events stored since. Events that are not stored, refused
// and repeated submissions, are stored in a value of their own every second (stats_passing.go), so that a kill -9 loses at most one
// second of them.
//
//	figures  all, form/NAME, destination/NAME  leadgate.store.v1.Tally; goes when nothing of it is within the hour any more
//	figures  passing                           leadgate.store.v1.PassingTallies; as above
const figuresNamespace = "figures"

const (
	// How often changed tallies are stored.
	keepFiguresEvery = 10 * time.Second
	// The most events that are recounted at a start. With more, the statistics start anew; their since says when.
	maxRecount = 100_000
	// An hour after a tally's last event it is of no use any more.
	keepFiguresFor = 2 * time.Hour
)

// recall restores the statistics from what is stored and what happened since.
func recall(ctx context.Context, s *stats, from Store, recent []*leadgatev1.Event) error {
	state := from.State(figuresNamespace)
	keys, err := state.Keys(ctx)
	if err != nil {
		return err
	}
	newest := uint64(0)
	for _, event := range recent {
		newest = max(newest, commitOf(event))
	}
	stored, passing := map[string]*storev1.Tally{}, &storev1.PassingTallies{}
	for _, key := range keys {
		value, _, err := state.Get(ctx, key)
		if err != nil {
			return err
		}
		var memory proto.Message = passing
		if key != passingKey {
			stored[key] = &storev1.Tally{}
			memory = stored[key]
		}
		if err := proto.Unmarshal(value, memory); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
	}
	counted := stored[allKey].GetCountedUntil() // 0 if nothing is stored yet
	if counted > newest {                       // the store was restored from a backup
		return nil
	}
	if missing := newest - counted; missing > 0 && commitOf(recent[0]) > counted+1 {
		if missing > maxRecount {
			return nil
		}
		if recent, err = from.Recent(ctx, int(missing)); err != nil {
			return err
		}
	}
	s.restore(stored, passing, recent)
	return nil
}

const allKey = "all"

// restore replaces everything counted so far by the stored tallies, adds the passing events since they were stored, and counts the
// recent events that are newer.
func (s *stats) restore(stored map[string]*storev1.Tally, passing *storev1.PassingTallies, recent []*leadgatev1.Event) {
	s.mu.Lock()
	if since := stored[allKey].GetSince(); since != 0 {
		s.since = time.Unix(0, since)
	} else if len(recent) > 0 {
		s.since = recent[0].GetTime().AsTime()
	}
	s.all, s.forms, s.destinations = *newTally(), map[string]*tally{}, map[string]*tally{}
	s.formNames, s.places = labels{}, labels{}
	for key, memory := range stored {
		if t := s.tally(key); t != nil {
			t.restore(memory)
		}
	}
	for key, memory := range passing.GetTallies() {
		if t := s.tally(key); t != nil {
			t.pass(memory)
		}
	}
	s.mu.Unlock()
	s.count(recent)
}

// tally returns the tally with a storage key; nil if the key is unknown.
func (s *stats) tally(key string) *tally {
	kind, name, _ := strings.Cut(key, "/")
	switch kind {
	case allKey:
		return &s.all
	case "form":
		return tallyOf(s.forms, s.formNames.of(name))
	case "destination":
		return tallyOf(s.destinations, s.places.of(name))
	}
	return nil
}

func (t *tally) restore(memory *storev1.Tally) {
	t.counted, t.passing.stored = memory.GetCountedUntil(), memory.GetStored()
	t.lastSubmission, t.lastDelivery = instant(memory.GetLastSubmission()), instant(memory.GetLastDelivery())
	for _, minute := range memory.GetMinutes() {
		if slot := t.minutes.At(time.Unix(minute.GetBegin(), 0)); slot != nil {
			*slot = countsFrom(minute.GetCounts())
		}
	}
	for _, spreads := range []struct {
		slots  *window.Slots[window.Spread]
		stored []*storev1.Tally_Spread
	}{{&t.calls, memory.GetCalls()}, {&t.speed, memory.GetSpeed()}} {
		for _, spread := range spreads.stored {
			if slot := spreads.slots.At(time.Unix(spread.GetBegin(), 0)); slot != nil {
				*slot = window.Restored(spread.GetSteps(), time.Duration(spread.GetMax()))
			}
		}
	}
}

func (t *tally) memory(since, now time.Time) *storev1.Tally {
	memory := &storev1.Tally{
		Since: since.UnixNano(), CountedUntil: t.counted, Stored: now.UnixNano(), LastSubmission: nanos(t.lastSubmission), LastDelivery: nanos(t.lastDelivery),
	}
	t.minutes.Each(now, func(begin time.Time, c *counts) {
		if *c != (counts{}) {
			memory.Minutes = append(memory.Minutes, &storev1.Tally_Minute{Begin: begin.Unix(), Counts: c.message()})
		}
	})
	spreads := func(of *window.Slots[window.Spread]) (stored []*storev1.Tally_Spread) {
		of.Each(now, func(begin time.Time, s *window.Spread) {
			if steps, longest := s.Steps(); len(steps) > 0 {
				stored = append(stored, &storev1.Tally_Spread{Begin: begin.Unix(), Steps: steps, Max: int64(longest)})
			}
		})
		return stored
	}
	memory.Calls, memory.Speed = spreads(&t.calls), spreads(&t.speed)
	return memory
}

// changed returns the tallies that changed since they were last stored, as messages to store, and resets their changes.
func (s *stats) changed() map[string]*storev1.Tally {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, memories := s.now(), map[string]*storev1.Tally{}
	add := func(key string, t *tally) {
		if t.changed {
			memories[key] = t.memory(s.since, now)
			t.changed, t.passing = false, passing{stored: now.UnixNano()}
		}
	}
	s.each(add)
	return memories
}

// each calls visit for every tally with its storage key. The caller holds mu.
func (s *stats) each(visit func(key string, t *tally)) {
	visit(allKey, &s.all)
	for name, t := range s.forms {
		visit("form/"+name, t)
	}
	for name, t := range s.destinations {
		visit("destination/"+name, t)
	}
}

// unsaved marks all tallies as changed, after a failure to store them.
func (s *stats) unsaved() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.each(func(_ string, t *tally) { t.changed = true })
}

// keeper stores the statistics periodically.
type keeper struct {
	stats *stats
	store Store
	log   *slog.Logger
	now   func() time.Time

	saving sync.Mutex
	stop   context.CancelFunc
	done   chan struct{}
}

func keep(s *stats, o Options) *keeper {
	ctx, cancel := context.WithCancel(context.Background())
	k := &keeper{stats: s, store: o.Store, log: o.Logger, now: o.Now, stop: cancel, done: make(chan struct{})}
	go k.run(ctx)
	return k
}

func (k *keeper) run(ctx context.Context) {
	defer close(k.done)
	all, passing := time.NewTicker(keepFiguresEvery), time.NewTicker(keepPassingEvery)
	defer all.Stop()
	defer passing.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-all.C:
			k.save(ctx)
		case <-passing.C:
			k.savePassing(ctx)
		}
	}
}

// save stores what changed. After an error, everything is stored the next time.
func (k *keeper) save(ctx context.Context) {
	k.saving.Lock()
	defer k.saving.Unlock()
	state, expires := k.store.State(figuresNamespace), k.now().Add(keepFiguresFor)
	changed := k.stats.changed()
	names := slices.Sorted(maps.Keys(changed))
	// The tally of all goes last: it must not count an event that the others do not.
	slices.SortStableFunc(names, func(a, b string) int { return oneOf(a == allKey) - oneOf(b == allKey) })
	for _, key := range names {
		value, err := proto.Marshal(changed[key])
		if err == nil {
			err = state.Put(ctx, key, value, expires)
		}
		if err != nil {
			k.stats.unsaved()
			if ctx.Err() == nil {
				k.log.Warn("the figures of the last hour could not be stored; after a restart some would be missing", "error", err)
			}
			return
		}
	}
}

func oneOf(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// end stops the keeper and stores what changed last.
func (k *keeper) end() {
	k.stop()
	<-k.done
	ctx, cancel := context.WithTimeout(context.Background(), figuresTimeout)
	defer cancel()
	k.save(ctx)
}

// commitOf returns the commit number of a stored event; 0 for any other.
func commitOf(event *leadgatev1.Event) uint64 {
	id, err := journal.ParseID(event.GetId())
	if err != nil || id.Extra != 0 {
		return 0
	}
	return id.Commit
}

func countsFrom(m *leadgatev1.StatsCounts) counts {
	return counts{
		submitted: m.GetSubmitted(), accepted: m.GetAccepted(), replayed: m.GetReplayed(), rejected: m.GetRejected(), held: m.GetHeld(),
		delivered: m.GetDelivered(), failed: m.GetFailed(), dead: m.GetDead(),
	}
}

func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func instant(nanos int64) time.Time {
	if nanos == 0 {
		return time.Time{}
	}
	return time.Unix(0, nanos)
}
