// Package journal passes on what happens: every stage of every lead, as events, to log lines, metrics and watchers.
//
// The store writes the events of a lead together with what they report and hands them to [Journal.Committed] once they
// are durable; what is not stored comes through [Journal.Publish]. Two kinds of readers take them out again: a tap
// ([Journal.Tap]) gets every event and slows everybody down rather than miss one, a subscription ([Journal.Subscribe])
// pulls at its own speed and is told what it missed.
package journal

import (
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

// DefaultHistory is how many events can be resumed if [Options] do not say.
const DefaultHistory = 10_000

// Options say how a journal is made.
type Options struct {
	// Now is the time.
	Now func() time.Time
	// History is how many events are kept for those who resume; DefaultHistory if 0. As many again are kept of refused
	// and repeated submissions.
	History int
}

// Journal is safe for concurrent use. Events that went in belong to all readers and are not to be changed any more.
type Journal struct {
	now  func() time.Time
	bell *bell
	once sync.Once

	// publishing is held while events are put in their place, so that all readers see one order. It is not needed to read.
	publishing sync.Mutex
	taps       []*tap // guarded by publishing
	closed     bool   // guarded by publishing

	mu    sync.RWMutex
	store string
	// newest is the place of the newest event. Its Extra is that of the newest event that was not stored, whatever its
	// Commit, because Extra never falls.
	newest place
	// kept holds what the store wrote and what befell destinations and the gateway. Submissions that were refused or
	// came again are in passing: anybody can cause them without end, and they must not push out the others.
	kept, passing ring
}

// New returns a journal without history. Close ends it.
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

// Load tells the journal which store its events belong to, and fills the history with the newest that the store wrote,
// oldest first. It is called once, before the first Publish, Tap or Subscribe.
func (j *Journal) Load(storeID string, recent []*leadgatev1.Event) {
	j.publishing.Lock()
	defer j.publishing.Unlock()
	j.mu.Lock()
	defer j.mu.Unlock()
	early := j.kept // committed while the store was opened, thus perhaps among the recent
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

// Committed takes events that the store wrote, in commit order, with their identifiers. It keeps the slice. It waits only
// for taps whose queues are full; see Tap. With the event that a lead was erased, the history forgets what it knew of the person.
func (j *Journal) Committed(events []*leadgatev1.Event) {
	j.put(events, func(event *leadgatev1.Event) place {
		id, err := ParseID(event.GetId())
		if err != nil { // not an event of a store: it is given an identifier rather than lost
			return j.nextExtra(event)
		}
		return place{commit: id.Commit}
	})
}

// Publish takes events that no store writes, sets their identifiers, and their times where they have none, and makes their texts
// legible. It waits only for taps whose queues are full; see Tap.
func (j *Journal) Publish(events ...*leadgatev1.Event) {
	for _, event := range events {
		makeLegible(event.ProtoReflect())
	}
	j.put(events, j.nextExtra)
}

// nextExtra places an event behind the newest. It is called with mu held.
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

// erasedIn returns the leads that were erased.
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

// Latest is the identifier of the newest event; resuming after it misses nothing. With no event yet it is an identifier
// that all later ones are greater than.
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

// Recent returns the events that are kept of those that the store wrote or that befell destinations and the gateway, oldest
// first.
func (j *Journal) Recent() []*leadgatev1.Event {
	j.mu.RLock()
	defer j.mu.RUnlock()
	events := make([]*leadgatev1.Event, 0, len(j.kept.entries))
	for _, e := range j.kept.copy() {
		events = append(events, e.event)
	}
	return events
}

// Close lets the taps take what was published and ends them, and wakes subscribers, whose Next then fails with
// ErrClosed. What is published later is dropped.
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
