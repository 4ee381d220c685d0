package storetest

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"pgregory.net/rapid"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/store"
)

// model is what the store should know.
type model struct {
	rig        *rig
	deliveries map[string]*modelled
	sequence   int
	keys       map[string]*modelledKey
	claims     map[string]*store.Claim // not begun, by delivery
	begun      map[string]*store.Step  // by delivery
	ended      []*store.Claim
	held       map[string]bool // leads
	arrived    map[string]int  // the largest delivered sequence, by person and destination
	emptied    map[string]bool // destinations with deleted deliveries: Counts still lists them
}

type modelled struct {
	id, person, destination string
	sequence                int
	state                   leadgatev1.DeliveryState
	created, due            time.Time
	attempts                int
	resend                  bool // marked
	fresh                   bool // created by the current action
}

func (d *modelled) waits() bool {
	return d.state == pending || d.state == inFlight || d.state == retryWait
}

// with reports whether two deliveries belong to the same chain.
func (d *modelled) with(other *modelled) bool {
	return d == other || d.person != "" && d.person == other.person && d.destination == other.destination
}

// modelledKey is what the store should know of a key: the first lead, and the lead held for each other payload.
type modelledKey struct {
	leadID  string
	payload string
	expires time.Time
	held    map[string]string
}

// accepted accepts a lead in the model and returns the expected result.
func (m *model) accepted(a *store.Acceptance, payload string) store.Accepted {
	now, leadID := m.rig.clock.time(), a.Record.GetLeadId()
	if a.Key != nil {
		known := m.keys[a.Key.Value]
		if known != nil && known.expires.After(now) {
			if known.payload == payload {
				return store.Accepted{LeadID: known.leadID, Replayed: true}
			}
			if known.held[payload] == "" {
				known.held[payload] = a.OnReuse.Record.GetLeadId()
				m.held[known.held[payload]] = true
				m.sequence++
			}
			return store.Accepted{LeadID: known.leadID, Replayed: true, Differing: []string{"payload"}, HeldLeadID: known.held[payload]}
		}
		m.keys[a.Key.Value] = &modelledKey{leadID, payload, a.Key.Expires, map[string]string{}}
	}
	m.sequence++
	for _, destination := range a.Destinations {
		id := leadID + "." + destination
		m.deliveries[id] = &modelled{
			id: id, person: a.Record.GetLead().GetEmail(), destination: destination, sequence: m.sequence, state: pending,
			created: now, due: now,
		}
		if a.NotBefore.After(now) {
			m.deliveries[id].due = a.NotBefore
		}
	}
	return store.Accepted{LeadID: leadID}
}

// next returns the deliveries of a destination that can be claimed, now or when due, by due time: of each chain the oldest
// waiting one, unless one is claimed or in flight.
func (m *model) next(destination string) []*modelled {
	var next []*modelled
	for _, d := range m.deliveries {
		if d.destination != destination || !d.waits() {
			continue
		}
		blocked := slices.ContainsFunc(slices.Collect(maps.Values(m.deliveries)), func(other *modelled) bool {
			taken := m.claims[other.id] != nil || m.begun[other.id] != nil
			return other.with(d) && (taken || other.waits() && other.sequence < d.sequence)
		})
		if !blocked {
			next = append(next, d)
		}
	}
	slices.SortFunc(next, func(a, b *modelled) int {
		return cmp.Or(a.due.Compare(b.due), cmp.Compare(a.sequence, b.sequence))
	})
	return next
}

func (m *model) late(d *modelled) bool {
	return d.person != "" && m.arrived[d.person+" at "+d.destination] > d.sequence
}

func (m *model) end(id string) {
	if claim := m.claims[id]; claim != nil {
		m.ended = append(m.ended, claim)
	}
	if step := m.begun[id]; step != nil {
		m.ended = append(m.ended, step.Claim)
	}
	delete(m.claims, id)
	delete(m.begun, id)
}

// agree compares everything that can be read with the model.
func (m *model) agree(t *rapid.T) {
	want := map[string]string{}
	counts := map[string]store.Counts{}
	oldest := map[string]*modelled{}
	for destination := range m.emptied {
		counts[destination] = store.Counts{ByState: map[leadgatev1.DeliveryState]int64{}}
	}
	for id, d := range m.deliveries {
		want[id] = fmt.Sprint(d.state, d.attempts)
		if counts[d.destination].ByState == nil {
			counts[d.destination] = store.Counts{ByState: map[leadgatev1.DeliveryState]int64{}}
		}
		counts[d.destination].ByState[d.state]++
		if first := oldest[d.destination]; d.waits() && (first == nil || d.sequence < first.sequence) {
			oldest[d.destination] = d
		}
	}
	got := map[string]string{}
	for _, d := range m.rig.allDeliveries(store.DeliveryQuery{}, 5) {
		got[d.GetDeliveryId()] = fmt.Sprint(d.GetState(), d.GetAttemptCount())
	}
	if !maps.Equal(got, want) {
		t.Fatalf("deliveries are %v, want %v", got, want)
	}
	m.agreeOnLists(t)
	stored, err := m.rig.Counts(m.rig.ctx)
	if err != nil {
		t.Fatal(err)
	}
	if len(stored) != len(counts) {
		t.Fatalf("counts are %v, want %v", stored, counts)
	}
	for destination, c := range counts {
		if !maps.Equal(m.rig.counts(destination), c.ByState) {
			t.Fatalf("counts of %s are %v, want %v", destination, stored[destination], c.ByState)
		}
		var since time.Time
		if first := oldest[destination]; first != nil {
			since = first.created
		}
		if !stored[destination].OldestWaiting.Equal(since) {
			t.Fatalf("the oldest that waits at %s is of %v, want %v", destination, stored[destination].OldestWaiting, since)
		}
	}
	if leads := len(m.rig.allLeads(store.LeadQuery{}, 7)); leads != m.sequence {
		t.Fatalf("%d leads are stored, want %d", leads, m.sequence)
	}
	m.rig.expectNumbered(m.rig.seen(), 1)
	if recent := m.rig.recent(1 << 20); len(recent) != len(m.rig.seen()) {
		t.Fatalf("%d events are stored, %d were published", len(recent), len(m.rig.seen()))
	}
}

// agreeOnLists compares lists by destination and state.
func (m *model) agreeOnLists(t *rapid.T) {
	q := store.DeliveryQuery{
		Destination: rapid.SampledFrom([]string{"", "crm", "archive"}).Draw(t, "listed destination"),
		State:       rapid.SampledFrom([]leadgatev1.DeliveryState{0, pending, inFlight, retryWait, delivered, dead, held, cancelled}).Draw(t, "listed state"),
	}
	var want []*modelled
	for _, d := range m.deliveries {
		if (q.Destination == "" || q.Destination == d.destination) && (q.State == 0 || q.State == d.state) {
			want = append(want, d)
		}
	}
	slices.SortFunc(want, func(a, b *modelled) int {
		return cmp.Or(cmp.Compare(b.sequence, a.sequence), cmp.Compare(b.destination, a.destination))
	})
	var ids, wanted []string
	for _, d := range m.rig.allDeliveries(q, 3) {
		ids = append(ids, d.GetDeliveryId())
	}
	for _, d := range want {
		wanted = append(wanted, d.id)
	}
	if !slices.Equal(ids, wanted) {
		t.Fatalf("%+v lists %v, want %v", q, ids, wanted)
	}
}
