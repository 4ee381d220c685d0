// Package journal distributes events, such as every stage of every lead, to log lines, metrics and watchers.
//
// The store writes a lead's events in the same commit as the change they report, and passes them to [Journal.Committed] once
// they are durable. Events that are not stored come through [Journal.Publish]. There are two kinds of readers: a tap
// ([Journal.Tap]) gets every event and slows publishers down rather than miss one; a subscription ([Journal.Subscribe])
// reads at its own speed and is told what it missed.
package journal

import (
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

// DefaultHistory is the default of [Options].History.
const DefaultHistory = 10_000

// Options configure a journal.
type Options struct {
	// Now returns the current time.
	Now func() time.Time
	// History is how many events are kept in memory, so that subscribers can resume; DefaultHistory if 0. Refused and
	// repeated submissions have a history of their own, of the same size.
	History int
}

// Journal is safe for concurrent use. All readers share the events: once published, an event must not be changed.
type Journal struct {
	now  func() time.Time
	bell *bell
	once sync.Once

	// publishing is held while events are added, so that all readers see the same order. Readers do not need it.
	publishing sync.Mutex
	taps       []*tap // guarded by publishing
	closed     bool   // guarded by publishing

	mu    sync.RWMutex
	store string
	// newest is the place of the newest event. Its extra is that of the newest event that was not stored, even if commits
	// came after it, because extra never decreases.
	newest place
	// kept holds the events that the store wrote and those about destinations and the gateway. Refused and repeated
	// submissions are in passing: anybody can cause any number of them, and they must not displace the others.
	kept, passing ring
}

// New returns a journal with an empty history. Close ends it.
func New(o Options) *Journal {
	if o.History <= 0 {
		o.History = DefaultHistory
	}
	return &Journal{
		now: o.Now, bell: newBell(),
		newest: place{extra: uint64(o.Now().UnixMicro())},
		kept:   newRing(o.History), passing: newRing(o.History),
	}
}

// Load sets the store that events belong to, and fills the history with the newest events of that store, oldest first. It is
// called once, before the first Publish, Tap or Subscribe.
func (j *Journal) Load(storeID string, recent []*leadgatev1.Event) {
	j.publishing.Lock()
	defer j.publishing.Unlock()
	j.mu.Lock()
	defer j.mu.Unlock()
	early := j.kept // committed while the store was being opened; may be in recent as well
	j.store, j.kept = storeID, newRing(early.size)
	for _, event := range recent {
		id, err := ParseID(event.GetId())
		if err != nil {
			continue // not written by the store
		}
		if j.kept.next == 0 && id.Commit > 0 {
			j.kept.lost = place{commit: id.Commit - 1}
		}
		j.kept.add(entry{place{commit: id.Commit}, event})
		j.newest.commit = max(j.newest.commit, id.Commit)
	}
	for at := early.first(); at < early.next; at++ {
		e := early.at(at)
		if j.kept.next == 0 || j.kept.at(j.kept.next-1).place.less(e.place) {
			j.kept.add(e)
		}
	}
}

// Committed adds events that the store wrote, with their identifiers and in commit order. It keeps the slice. It blocks only
// while a tap's queue is full; see Tap. When a lead was erased, the history removes what it holds about the person.
func (j *Journal) Committed(events []*leadgatev1.Event) {
	j.put(events, func(event *leadgatev1.Event) place {
		id, err := ParseID(event.GetId())
		if err != nil { // not an event of a store: better a new identifier than a lost event
			return j.nextExtra(event)
		}
		return place{commit: id.Commit}
	})
}

// Publish adds events that are not stored. It sets their identifiers, and the time if there is none, and replaces invalid UTF-8 and
// overlong texts. It blocks only while a tap's queue is full; see Tap.
func (j *Journal) Publish(events ...*leadgatev1.Event) {
	for _, event := range events {
		makeLegible(event.ProtoReflect())
	}
	j.put(events, j.nextExtra)
}

// nextExtra places an event after the newest. The caller holds mu.
func (j *Journal) nextExtra(event *leadgatev1.Event) place {
	p := place{j.newest.commit, j.newest.extra + 1}
	event.Id = ID{Store: j.store, Commit: p.commit, Extra: p.extra}.String()
	if event.GetTime() == nil {
		event.Time = timestamppb.New(j.now())
	}
	return p
}

func (j *Journal) put(events []*leadgatev1.Event, placed func(*leadgatev1.Event) place) {
	if len(events) == 0 {
		return
	}
	j.publishing.Lock()
	defer j.publishing.Unlock()
	if j.closed {
		return
	}
	j.mu.Lock()
	for _, event := range events {
		e := entry{placed(event), event}
		j.newest = place{max(j.newest.commit, e.place.commit), max(j.newest.extra, e.place.extra)}
		if isPassing(event) {
			j.passing.add(e)
		} else {
			j.kept.add(e)
		}
	}
	if erased := erasedIn(events); len(erased) > 0 {
		j.kept.forget(erased)
		j.passing.forget(erased)
	}
	j.mu.Unlock()
	j.bell.ring()
	for _, t := range j.taps {
		t.put(events)
	}
}

// erasedIn returns the leads that events say were erased.
func erasedIn(events []*leadgatev1.Event) map[string]bool {
	var erased map[string]bool
	for _, event := range events {
		if e := event.GetLead(); e.GetStage() == leadgatev1.Stage_STAGE_ERASED {
			if erased == nil {
				erased = map[string]bool{}
			}
			erased[e.GetLeadId()] = true
		}
	}
	return erased
}

func isPassing(event *leadgatev1.Event) bool {
	stage := event.GetLead().GetStage()
	return stage == leadgatev1.Stage_STAGE_REJECTED || stage == leadgatev1.Stage_STAGE_DUPLICATE
}

// Latest returns the identifier of the newest event. Resuming after it misses nothing. Before the first event, it is an
// identifier lower than any to come.
func (j *Journal) Latest() string {
	j.mu.RLock()
	defer j.mu.RUnlock()
	last := place{commit: j.newest.commit}
	for _, r := range []*ring{&j.kept, &j.passing} {
		if r.next > 0 && last.less(r.at(r.next-1).place) {
			last = r.at(r.next - 1).place
		}
	}
	return ID{Store: j.store, Commit: last.commit, Extra: last.extra}.String()
}

// Recent returns the history without refused and repeated submissions, oldest first.
func (j *Journal) Recent() []*leadgatev1.Event {
	j.mu.RLock()
	defer j.mu.RUnlock()
	events := make([]*leadgatev1.Event, 0, len(j.kept.entries))
	for _, e := range j.kept.copy() {
		events = append(events, e.event)
	}
	return events
}

// Close ends the taps once they have processed what was published, and wakes subscribers, whose Next then returns ErrClosed.
// Later events are dropped.
func (j *Journal) Close() {
	j.once.Do(func() {
		j.publishing.Lock()
		taps := j.taps
		j.taps, j.closed = nil, true
		j.publishing.Unlock()
		for _, t := range taps {
			t.end()
		}
		j.bell.end()
	})
}
