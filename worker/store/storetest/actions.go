package storetest

import (
	"errors"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/store"
)

// checkModel applies random actions to a store and to a model of it, a few maps in memory, and expects that they always agree.
func checkModel(t *testing.T, open Open) {
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "model")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = os.RemoveAll(dir) }()
		m := &model{
			rig: newRig(t, dir, open), deliveries: map[string]*modelled{}, claims: map[string]*store.Claim{},
			begun: map[string]*store.Step{}, keys: map[string]*modelledKey{}, held: map[string]bool{}, arrived: map[string]int{}, emptied: map[string]bool{},
		}
		defer m.rig.close()
		t.Repeat(map[string]func(*rapid.T){
			"accept":  m.accept,
			"claim":   m.claim,
			"unclaim": m.unclaim,
			"begin":   m.begin,
			"settle":  m.settle,
			"stale":   m.stale,
			"redrive": m.redrive,
			"erase":   m.erase,
			"resend":  m.resend,
			"release": m.release,
			"hold":    m.hold,
			"move":    m.move,
			"delete":  m.delete,
			"hurry":   m.hurry,
			"wait":    m.wait,
			"reopen":  m.reopen,
			"":        m.agree,
		})
	})
}

func (m *model) accept(t *rapid.T) {
	var (
		acceptances []*store.Acceptance
		payloads    []string
	)
	for range rapid.IntRange(1, 3).Draw(t, "leads") {
		person := rapid.SampledFrom([]string{"", "ada@example.com", "bob@example.com"}).Draw(t, "person")
		destinations := rapid.SampledFrom([][]string{{"crm"}, {"archive"}, {"crm", "archive"}}).Draw(t, "destinations")
		a := m.rig.lead(person, destinations...)
		a.Events = []*leadgatev1.Event{event(a.Record.GetLeadId(), leadgatev1.Stage_STAGE_QUEUED)}
		if rapid.Bool().Draw(t, "later") {
			a.NotBefore = m.rig.clock.time().Add(time.Minute)
		}
		payload := rapid.SampledFrom([]string{"x", "y", "z"}).Draw(t, "payload")
		if value := rapid.SampledFrom([]string{"", "", "k", "l"}).Draw(t, "key"); value != "" {
			a.Key = m.rig.key(value, map[string]string{"payload": payload})
			a.Key.Expires = m.rig.clock.time().Add(time.Minute)
			a.OnReuse = m.rig.heldLead(person, leadgatev1.HoldReason_HOLD_REASON_KEY_REUSED)
		}
		acceptances, payloads = append(acceptances, a), append(payloads, payload)
	}
	for i, got := range m.rig.accept(acceptances...) {
		want := m.accepted(acceptances[i], payloads[i])
		if got.LeadID != want.LeadID || got.Replayed != want.Replayed || got.HeldLeadID != want.HeldLeadID || !slices.Equal(got.Differing, want.Differing) {
			t.Fatalf("accepted as %+v, want %+v", got, want)
		}
	}
}

func (m *model) claim(t *rapid.T) {
	destination := rapid.SampledFrom([]string{"crm", "archive"}).Draw(t, "destination")
	limit := rapid.IntRange(1, 4).Draw(t, "limit")
	got := m.rig.claimUpTo(destination, limit)
	var want []string
	var next time.Time
	for _, d := range m.next(destination) {
		if d.due.After(m.rig.clock.time()) || len(want) == limit {
			next = d.due
			break
		}
		want = append(want, d.id)
	}
	if !slices.Equal(claimed(got.Items), want) || !got.Next.Equal(next) {
		t.Fatalf("claimed %v, next %v; want %v, next %v", claimed(got.Items), got.Next, want, next)
	}
	for _, claim := range got.Items {
		d := m.deliveries[claim.Delivery.GetDeliveryId()]
		if claim.Delivery.GetState() != d.state || int(claim.Last.GetNumber()) != d.attempts || claim.Late != m.late(d) || claim.Delivery.GetResend() != d.resend {
			t.Fatalf("claim of %+v is %+v", d, claim)
		}
		m.claims[d.id] = claim
	}
}

// one draws a key of a map; it skips the action if the map is empty.
func one[V any](t *rapid.T, from map[string]V, what string) string {
	if len(from) == 0 {
		t.Skip("no " + what)
	}
	return rapid.SampledFrom(slices.Sorted(maps.Keys(from))).Draw(t, what)
}

func (m *model) unclaim(t *rapid.T) {
	id := one(t, m.claims, "claim")
	if err := m.rig.Unclaim(m.rig.ctx, m.claims[id]); err != nil {
		t.Fatal(err)
	}
	m.end(id)
}

func (m *model) begin(t *rapid.T) {
	id := one(t, m.claims, "claim")
	m.begun[id] = m.rig.begin(m.claims[id])[0]
	delete(m.claims, id)
	d := m.deliveries[id]
	d.state, d.attempts = inFlight, d.attempts+1
}

func (m *model) settle(t *rapid.T) {
	steps := maps.Clone(m.begun)
	for id, claim := range m.claims { // settled without an attempt
		step := m.rig.next(claim)
		step.Delivery.AttemptCount--
		step.Attempt = nil
		steps[id] = step
	}
	id := one(t, steps, "step")
	state := rapid.SampledFrom([]leadgatev1.DeliveryState{pending, retryWait, delivered, dead, held, superseded, cancelled}).Draw(t, "state")
	due := m.rig.clock.time().Add(rapid.SampledFrom([]time.Duration{0, time.Second, time.Hour}).Draw(t, "due"))
	step := steps[id]
	step.Delivery.DueTime = timestamppb.New(due)
	step.Events = []*leadgatev1.Event{event(step.Delivery.GetLeadId(), leadgatev1.Stage_STAGE_SUCCESS)}
	m.rig.settle(state, step)
	m.end(id)
	d := m.deliveries[id]
	d.state, d.due = state, due
	if state == delivered {
		chain := d.person + " at " + d.destination
		m.arrived[chain] = max(m.arrived[chain], d.sequence)
	}
}

func (m *model) stale(t *rapid.T) {
	if len(m.ended) == 0 {
		t.Skip("no ended claim")
	}
	m.rig.expectStale(rapid.SampledFrom(m.ended).Draw(t, "claim"))
}

func (m *model) redrive(t *rapid.T) {
	d := m.deliveries[one(t, m.deliveries, "delivery")]
	result := m.rig.tryRedrive(d.id)[0]
	switch d.state {
	case inFlight, delivered, cancelled:
		if !errors.Is(result.Err, store.ErrState) {
			t.Fatalf("redriving what is %v: %v", d.state, result.Err)
		}
		return
	}
	if result.Err != nil {
		t.Fatal(result.Err)
	}
	if m.claims[d.id] != nil {
		return
	}
	if !d.waits() {
		for id := range m.claims {
			if newer := m.deliveries[id]; newer.with(d) && newer.sequence > d.sequence {
				m.end(id)
			}
		}
	}
	d.due, d.state = m.rig.clock.time(), retryWait
	if d.attempts == 0 {
		d.state = pending
	}
}

func (m *model) erase(t *rapid.T) {
	leadID := leadOf(one(t, m.deliveries, "delivery"))
	person := m.rig.record(leadID).GetLead().GetEmail()
	m.rig.erase(leadID)
	if person != "" && len(m.rig.allLeads(store.LeadQuery{Email: person}, 10)) == 0 { // the person's chains are forgotten
		for _, destination := range []string{"crm", "archive"} {
			delete(m.arrived, person+" at "+destination)
		}
	}
	for id, d := range m.deliveries {
		if strings.HasPrefix(id, leadID) && d.state != delivered {
			m.end(id)
			d.state = cancelled
		}
	}
}

// resend sends a delivery again, for another person or the same, and also to the other destination.
func (m *model) resend(t *rapid.T) {
	d := m.deliveries[one(t, m.deliveries, "delivery")]
	leadID := leadOf(d.id)
	person := rapid.SampledFrom([]string{d.person, d.person, "", "cyd@example.com"}).Draw(t, "person")
	was := m.rig.record(leadID)
	if was.GetState() == leadgatev1.LeadState_LEAD_STATE_ERASED {
		t.Skip("an erased lead")
	}
	is := proto.CloneOf(was)
	is.Lead.Email = person
	amendment := &store.Amendment{
		Was: was, Record: is, Destinations: []string{"crm", "archive"}, Resend: []string{d.destination},
		Events: []*leadgatev1.Event{event(leadID, leadgatev1.Stage_STAGE_QUEUED)},
	}
	result := m.rig.tryAmend(amendment)[0]
	var of []*modelled
	refused := d.state == inFlight
	for _, destination := range []string{"crm", "archive"} {
		sibling := m.deliveries[leadID+"."+destination]
		if sibling == nil {
			sibling = &modelled{
				id: leadID + "." + destination, destination: destination, sequence: d.sequence, state: cancelled, created: d.created, fresh: true,
			}
		}
		refused = refused || sibling.state == inFlight && person != d.person
		of = append(of, sibling)
	}
	if refused {
		if !errors.Is(result.Err, store.ErrState) {
			t.Fatalf("amended under an attempt: %v", result.Err)
		}
		return
	}
	if result.Err != nil {
		t.Fatal(result.Err)
	}
	now := m.rig.clock.time()
	for _, sibling := range of {
		moved := person != sibling.person && sibling.waits()
		left := sibling.state == dead || sibling.state == held || sibling.state == superseded // may be redriven by a person
		marked := sibling.attempts > 0 && (sibling == d && d.state != cancelled || left && person != sibling.person)
		again := sibling == d && !d.waits() && d.state != cancelled || sibling.fresh
		if moved || marked { // the claim's holder has read the old content
			m.end(sibling.id)
		}
		sibling.person, sibling.resend = person, sibling.resend || marked
		if moved || again {
			for id := range m.claims {
				if newer := m.deliveries[id]; newer != sibling && newer.with(sibling) && newer.sequence > sibling.sequence {
					m.end(id)
				}
			}
		}
		if again {
			sibling.due, sibling.state = now, retryWait
			if sibling.attempts == 0 {
				sibling.state = pending
			}
		}
		sibling.fresh = false
		m.deliveries[sibling.id] = sibling
	}
}

// hurry makes a lead's deliveries due now that wait for their first attempt.
func (m *model) hurry(t *rapid.T) {
	leadID := leadOf(one(t, m.deliveries, "delivery"))
	if m.rig.record(leadID).GetState() == leadgatev1.LeadState_LEAD_STATE_ERASED {
		t.Skip("an erased lead")
	}
	a := m.rig.amendment(leadID, unchanged)
	a.Hurry = true
	m.rig.amend(a)
	for id, d := range m.deliveries {
		if leadOf(id) == leadID && (d.state == pending || d.state == retryWait) && d.attempts == 0 && m.claims[id] == nil && d.due.After(m.rig.clock.time()) {
			d.due = m.rig.clock.time()
		}
	}
}

// release sends or discards a lead that was held because its key was reused.
func (m *model) release(t *rapid.T) {
	leadID := one(t, m.held, "held lead")
	was := m.rig.record(leadID)
	is := proto.CloneOf(was)
	is.Holds = nil
	if rapid.Bool().Draw(t, "discard") {
		is.State = leadgatev1.LeadState_LEAD_STATE_DISCARDED
		m.rig.amend(&store.Amendment{Was: was, Record: is})
		delete(m.held, leadID)
		return
	}
	is.State = leadgatev1.LeadState_LEAD_STATE_OPEN
	m.rig.amend(&store.Amendment{Was: was, Record: is, Destinations: []string{"crm"}})
	delete(m.held, leadID)
	d := &modelled{
		id: leadID + ".crm", person: is.GetLead().GetEmail(), destination: "crm", sequence: int(is.GetSequence()), state: pending,
		created: is.GetCreateTime().AsTime(), due: m.rig.clock.time(),
	}
	for id := range m.claims {
		if newer := m.deliveries[id]; newer.with(d) && newer.sequence > d.sequence {
			m.end(id)
		}
	}
	m.deliveries[d.id] = d
}

func (m *model) hold(t *rapid.T) {
	d := m.deliveries[one(t, m.deliveries, "delivery")]
	err := m.rig.tryHold(d.id)
	if !d.waits() || d.state == inFlight {
		if !errors.Is(err, store.ErrState) {
			t.Fatalf("holding what is %v: %v", d.state, err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	m.end(d.id)
	d.state = held
}

func (m *model) move(t *rapid.T) {
	d := m.deliveries[one(t, m.deliveries, "delivery")]
	to := rapid.SampledFrom([]string{"crm", "archive"}).Draw(t, "destination")
	moved := *d
	moved.id = leadOf(d.id) + "." + to
	result := m.rig.tryMove(d.id, to)
	_, there := m.deliveries[moved.id]
	if d.state == inFlight || d.state == delivered || d.state == cancelled || there {
		if !errors.Is(result.Err, store.ErrState) || result.Delivery != nil {
			t.Fatalf("moving what is %v to %s: %+v", d.state, to, result)
		}
		return
	}
	if result.Err != nil || result.Delivery.GetDeliveryId() != moved.id {
		t.Fatalf("moved as %+v", result)
	}
	m.end(d.id)
	d.state = cancelled
	moved.destination, moved.state, moved.due, moved.attempts, moved.resend = to, pending, m.rig.clock.time(), 0, false
	for id := range m.claims { // an older delivery revokes claims that have not begun
		if newer := m.deliveries[id]; newer.with(&moved) && newer.sequence > moved.sequence {
			m.end(id)
		}
	}
	m.deliveries[moved.id] = &moved
}

func (m *model) delete(t *rapid.T) {
	d := m.deliveries[one(t, m.deliveries, "delivery")]
	err := m.rig.tryDelete(d.id)
	if d.waits() || d.state == delivered {
		if !errors.Is(err, store.ErrState) {
			t.Fatalf("deleting what is %v: %v", d.state, err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	delete(m.deliveries, d.id)
	m.ended = slices.DeleteFunc(m.ended, func(c *store.Claim) bool { return c.Delivery.GetDeliveryId() == d.id }) // all gone
	m.emptied[d.destination] = true
}

func (m *model) wait(t *rapid.T) {
	m.rig.clock.advance(rapid.SampledFrom([]time.Duration{1, time.Second, time.Minute, time.Hour}).Draw(t, "time"))
}

func (m *model) reopen(*rapid.T) {
	m.rig.reopen()
	for id := range m.begun {
		d := m.deliveries[id]
		d.state, d.due = retryWait, m.rig.clock.time()
		m.end(id)
	}
	for id := range m.claims {
		m.end(id)
	}
}
