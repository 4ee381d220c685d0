package journal

import (
	"context"
	"errors"
	"fmt"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

// ErrClosed means that the journal was closed: there will be no more events.
var ErrClosed = errors.New("the journal is closed")

// How many events a subscriber reads at a time, so that one that is far behind neither blocks publishers nor copies the whole
// history.
const readBatch = 512

// SubscribeOptions choose the events of a subscription.
type SubscribeOptions struct {
	// Filter reports whether an event is wanted; nil wants all. It is called by the goroutine that calls Next.
	Filter func(*leadgatev1.Event) bool
	// Lead, if set, says that Filter wants only this lead's events. It makes it cheap to have thousands of such subscriptions.
	Lead string
	// After is the identifier of the event to resume after. If empty, the subscription starts with the next event.
	After string
	// Last starts with this many of the newest events that Filter wants, as far as the history has them. Not with After.
	Last int
}

// Batch is a number of events, with a note if some before them are missing.
type Batch struct {
	// Gap is not nil if events are missing before Events.
	Gap *Gap
	// Events, sorted by identifier.
	Events []*leadgatev1.Event
}

// Gap says that events are missing.
type Gap struct {
	// Reason is a sentence for people.
	Reason string
	// Missed is how many events are missing, including those that the filter does not want; 0 if unknown.
	Missed uint64
}

// Subscription is a position in the journal. Only calling Next costs anything: there is no queue that could fill up, and nothing to
// close. It is not safe for concurrent use.
type Subscription struct {
	journal       *Journal
	filter        func(*leadgatev1.Event) bool
	lead          string // the only lead that the filter wants; empty if unknown
	kept, passing uint64 // positions of the next event to read
	gap           *Gap   // to return first
}

// Subscribe starts a subscription. If the event to resume after is no longer in the history, belongs to another store, or is newer
// than this store (which was restored from a backup), the first batch has a gap and the whole history follows. Events that are not
// stored are lost when the process ends; those of an earlier process do not count as missing.
//
// An error is the caller's mistake: After is not an identifier, or Last is set as well.
func (j *Journal) Subscribe(o SubscribeOptions) (*Subscription, error) {
	s := &Subscription{journal: j, filter: o.Filter, lead: o.Lead}
	if s.filter == nil {
		s.filter = func(*leadgatev1.Event) bool { return true }
	}
	switch {
	case o.After != "" && o.Last > 0:
		return nil, errors.New("either resume after an event or begin with the last ones, not both")
	case o.After != "":
		id, err := ParseID(o.After)
		if err != nil {
			return nil, fmt.Errorf("resume: %w", err)
		}
		s.resume(id)
	default:
		s.rewind(o.Last)
	}
	return s, nil
}

func (s *Subscription) resume(id ID) {
	j := s.journal
	j.mu.RLock()
	defer j.mu.RUnlock()
	after := place{id.Commit, id.Extra}
	switch {
	case id.Store != j.store:
		s.gap = &Gap{Reason: fmt.Sprintf("event %s belongs to another data directory; this one is %s", id, j.store)}
		after = place{}
	case id.Commit > j.newest.commit:
		s.gap = &Gap{Reason: fmt.Sprintf("event %s is newer than all that this data directory knows; it may have been restored from a backup", id)}
		after = place{}
	case after.less(j.kept.lost):
		s.gap = &Gap{
			Reason: fmt.Sprintf("only the newest %d events are kept to resume from", j.kept.size),
			Missed: j.kept.lost.commit - id.Commit,
		}
	case after.less(j.passing.lost):
		s.gap = &Gap{Reason: fmt.Sprintf("only the newest %d refused and repeated submissions are kept to resume from", j.passing.size)}
	}
	s.kept, s.passing = j.kept.after(after), j.passing.after(after)
}

// rewind moves to the end of the journal, then back past as many events that the filter wants.
func (s *Subscription) rewind(last int) {
	j := s.journal
	j.mu.RLock()
	s.kept, s.passing = j.kept.next, j.passing.next
	if last == 0 {
		j.mu.RUnlock()
		return
	}
	kept, passing := j.kept.copy(), j.passing.copy()
	j.mu.RUnlock()
	for found := 0; found < last && (len(kept) > 0 || len(passing) > 0); {
		var newest entry
		if n := len(kept); n > 0 && (len(passing) == 0 || passing[len(passing)-1].place.less(kept[n-1].place)) {
			newest, kept = kept[n-1], kept[:n-1]
			s.kept--
		} else {
			newest, passing = passing[len(passing)-1], passing[:len(passing)-1]
			s.passing--
		}
		if s.filter(newest.event) {
			found++
		}
	}
}

// Next returns the events since the last call. It waits until there is at least one, or a gap. Errors: ctx's, and ErrClosed.
func (s *Subscription) Next(ctx context.Context) (Batch, error) {
	if s.gap != nil {
		batch := Batch{Gap: s.gap}
		s.gap = nil
		return batch, nil
	}
	for {
		if err := ctx.Err(); err != nil {
			return Batch{}, err
		}
		stroke := s.journal.bell.stroke()
		batch, read := s.read()
		if batch.Gap != nil || len(batch.Events) > 0 {
			return batch, nil
		}
		if read {
			continue // none of them was wanted; there may be more
		}
		select {
		case <-stroke:
		case <-ctx.Done():
			return Batch{}, ctx.Err()
		case <-s.journal.bell.ended:
			if batch, _ := s.read(); batch.Gap != nil || len(batch.Events) > 0 {
				return batch, nil
			}
			return Batch{}, ErrClosed
		}
	}
}

// read reads up to readBatch events and keeps those that the filter wants. It also reports whether it read any.
func (s *Subscription) read() (batch Batch, more bool) {
	j := s.journal
	var taken [readBatch]*leadgatev1.Event
	n := 0
	j.mu.RLock()
	if s.lead != "" && !j.kept.has(s.lead, s.kept) && !j.passing.has(s.lead, s.passing) {
		s.kept, s.passing = j.kept.next, j.passing.next
		j.mu.RUnlock()
		return Batch{}, false
	}
	if missed := skipLost(&s.kept, &j.kept) + skipLost(&s.passing, &j.passing); missed > 0 {
		batch.Gap = &Gap{Reason: "events came faster than they were read", Missed: missed}
	}
	for ; n < readBatch && (s.kept < j.kept.next || s.passing < j.passing.next); n++ {
		fromKept := s.kept < j.kept.next
		if fromKept && s.passing < j.passing.next {
			fromKept = j.kept.at(s.kept).place.less(j.passing.at(s.passing).place)
		}
		if fromKept {
			taken[n] = j.kept.at(s.kept).event
			s.kept++
		} else {
			taken[n] = j.passing.at(s.passing).event
			s.passing++
		}
	}
	j.mu.RUnlock()
	for _, event := range taken[:n] {
		if s.filter(event) {
			batch.Events = append(batch.Events, event)
		}
	}
	return batch, n > 0
}

// skipLost moves a position past the entries that the ring has overwritten, and returns how many they are.
func skipLost(position *uint64, r *ring) uint64 {
	first := r.first()
	if *position >= first {
		return 0
	}
	lost := first - *position
	*position = first
	return lost
}
