package observe

import (
	"maps"
	"slices"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/server/observe/window"
	"github.com/leadgate/leadgate/worker/store"
)

const (
	// How far back the statistics go.
	statsMinutes = 60
	// Percentiles are kept in slots of this many minutes: they are needed only for the whole hour, and take more memory.
	spreadMinutes = 5
)

// stats are the statistics of the last hour, counted from events in bounded memory: at most maxLabels forms and as many
// destinations, each at most 50 KB. They are safe for concurrent use.
type stats struct {
	now func() time.Time

	mu           sync.Mutex
	since        time.Time // events before it are not counted
	all          tally
	forms        map[string]*tally
	destinations map[string]*tally
	formNames    labels
	places       labels // labels of destinations
}

// tally holds the statistics of one form, of one destination, or of all.
type tally struct {
	minutes        window.Slots[counts]
	calls          window.Slots[window.Spread]
	speed          window.Slots[window.Spread]
	lastSubmission time.Time
	lastDelivery   time.Time
	counted        uint64 // number of the newest stored event that is counted
	changed        bool   // since the tally was last stored
	passing        passing
}

func newTally() *tally {
	const wide = spreadMinutes * time.Minute
	return &tally{
		minutes: window.New[counts](time.Minute, statsMinutes),
		calls:   window.New[window.Spread](wide, statsMinutes/spreadMinutes),
		speed:   window.New[window.Spread](wide, statsMinutes/spreadMinutes),
	}
}

// counts holds how often each thing happened.
type counts struct {
	submitted, accepted, replayed, rejected, held, delivered, failed, dead int64
}

func (c *counts) add(other *counts) {
	c.submitted += other.submitted
	c.accepted += other.accepted
	c.replayed += other.replayed
	c.rejected += other.rejected
	c.held += other.held
	c.delivered += other.delivered
	c.failed += other.failed
	c.dead += other.dead
}

// countsOf returns what one event about a lead counts as.
func countsOf(e *leadgatev1.LeadEvent) (c counts) {
	switch e.GetStage() {
	case leadgatev1.Stage_STAGE_RECEIVED:
		c.submitted = 1
	case leadgatev1.Stage_STAGE_VALIDATED:
		c.accepted = 1
	case leadgatev1.Stage_STAGE_REJECTED: // it has no RECEIVED event
		c.submitted, c.rejected = 1, 1
	case leadgatev1.Stage_STAGE_DUPLICATE:
		c.submitted, c.replayed = 1, 1
	case leadgatev1.Stage_STAGE_HELD:
		c.held = 1
	case leadgatev1.Stage_STAGE_SUCCESS:
		c.delivered = 1
	case leadgatev1.Stage_STAGE_RETRY:
		c.failed = 1
	case leadgatev1.Stage_STAGE_DEAD:
		c.failed, c.dead = 1, 1
	}
	return c
}

func (c *counts) message() *leadgatev1.StatsCounts {
	return &leadgatev1.StatsCounts{
		Submitted: c.submitted, Accepted: c.accepted, Replayed: c.replayed, Rejected: c.rejected, Held: c.held,
		Delivered: c.delivered, Failed: c.failed, Dead: c.dead,
	}
}

// newStats returns statistics of the newest events, oldest first.
func newStats(now func() time.Time, recent []*leadgatev1.Event) *stats {
	s := &stats{
		now: now, since: now(), all: *newTally(), forms: map[string]*tally{}, destinations: map[string]*tally{},
	}
	if len(recent) > 0 {
		s.since = recent[0].GetTime().AsTime()
	}
	s.count(recent)
	return s
}

// count counts events.
func (s *stats) count(events []*leadgatev1.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, event := range events {
		e := event.GetLead()
		if e == nil {
			continue
		}
		at, number, c := event.GetTime().AsTime(), commitOf(event), countsOf(e)
		s.all.count(at, number, e, &c)
		tallyOf(s.forms, s.formNames.of(e.GetForm())).count(at, number, e, &c)
		if e.GetDestination() != "" {
			tallyOf(s.destinations, s.places.of(e.GetDestination())).count(at, number, e, &c)
		}
	}
}

func tallyOf(all map[string]*tally, name string) *tally {
	t := all[name]
	if t == nil {
		t = newTally()
		all[name] = t
	}
	return t
}

// count counts an event unless it was counted before. number is its commit number, 0 for an event that is not stored.
func (t *tally) count(at time.Time, number uint64, e *leadgatev1.LeadEvent, c *counts) {
	if number > 0 {
		if number <= t.counted {
			return
		}
		t.counted = number
	}
	t.changed = true
	if minute := t.minutes.At(at); minute != nil {
		minute.add(c)
	}
	if number == 0 {
		t.passing.count(at, c)
	}
	if c.submitted > 0 {
		t.lastSubmission = later(t.lastSubmission, at)
	}
	if c.delivered > 0 {
		t.lastDelivery = later(t.lastDelivery, at)
	}
	if d := e.GetDuration(); d != nil && c.delivered+c.failed > 0 {
		if calls := t.calls.At(at); calls != nil {
			calls.Add(d.AsDuration())
		}
	}
	if d := e.GetSpeedToLead(); d != nil {
		if speed := t.speed.At(at); speed != nil {
			speed.Add(d.AsDuration())
		}
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// message returns the statistics as an API message, together with the store's counts.
func (s *stats) message(waiting map[string]store.Counts) *leadgatev1.GetStatsResponse {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	answer := &leadgatev1.GetStatsResponse{
		Time: timestamppb.New(now), Since: timestamppb.New(later(s.since, now.Truncate(time.Minute).Add(-(statsMinutes-1)*time.Minute))),
		SpeedToLead: total(&s.all.speed, now),
	}
	answer.Counts, answer.Minutes = s.all.curve(now)
	for _, name := range slices.Sorted(maps.Keys(s.forms)) {
		t := s.forms[name]
		form := &leadgatev1.FormStats{
			Form: name, SpeedToLead: total(&t.speed, now), LastSubmissionTime: stamp(t.lastSubmission), LastDeliveryTime: stamp(t.lastDelivery),
		}
		form.Counts, _ = t.curve(now)
		answer.Forms = append(answer.Forms, form)
	}
	names := slices.AppendSeq(slices.Collect(maps.Keys(s.destinations)), maps.Keys(waiting))
	slices.Sort(names)
	var oldest time.Time
	for _, name := range slices.Compact(names) {
		d := s.destination(name, now)
		c := waiting[name]
		d.Waiting = c.ByState[leadgatev1.DeliveryState_DELIVERY_STATE_PENDING] + c.ByState[leadgatev1.DeliveryState_DELIVERY_STATE_RETRY_WAIT]
		d.OldestWaiting = age(c.OldestWaiting, now)
		if at := c.OldestWaiting; !at.IsZero() && (oldest.IsZero() || at.Before(oldest)) {
			oldest = at
		}
		answer.Destinations = append(answer.Destinations, d)
	}
	answer.OldestWaiting = age(oldest, now)
	return answer
}

// destination returns the statistics of one destination, all 0 if nothing happened to it.
func (s *stats) destination(name string, now time.Time) *leadgatev1.DestinationStats {
	t := s.destinations[name]
	if t == nil {
		t = newTally()
	}
	d := &leadgatev1.DestinationStats{
		Destination: name, Call: total(&t.calls, now), SpeedToLead: total(&t.speed, now), LastDeliveryTime: stamp(t.lastDelivery),
	}
	d.Counts, d.Minutes = t.curve(now)
	return d
}

// curve returns the counts of the hour, in total and per minute.
func (t *tally) curve(now time.Time) (*leadgatev1.StatsCounts, []*leadgatev1.StatsMinute) {
	var sum counts
	minutes := make([]*leadgatev1.StatsMinute, 0, statsMinutes)
	t.minutes.Each(now, func(begin time.Time, c *counts) {
		sum.add(c)
		minutes = append(minutes, &leadgatev1.StatsMinute{Time: timestamppb.New(begin), Counts: c.message()})
	})
	return sum.message(), minutes
}

func total(spreads *window.Slots[window.Spread], now time.Time) *leadgatev1.Latency {
	var sum window.Spread
	spreads.Each(now, func(_ time.Time, s *window.Spread) { sum.Merge(s) })
	return sum.Message()
}

// stamp returns a time as a message; nil for the zero time.
func stamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

// age returns how long ago t was; nil for the zero time.
func age(t, now time.Time) *durationpb.Duration {
	if t.IsZero() {
		return nil
	}
	return durationpb.New(max(0, now.Sub(t)))
}
