package storetest

import (
	"errors"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/store"
)

// checkModel does things at random to a store and to a model of it, which is a few maps in memory, and expects that they
// always agree.
func checkModel(t *testing.T, open Open) {
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "model")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = os.RemoveAll(dir) }()
		m := &model{
			rig: newRig(t, dir, open), deliveries: map[string]*modelled{}, claims: map[string]*store.Claim{},
			begun: map[string]*store.Step{}, keys: map[string]*modelledKey{},
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
		if claim.Delivery.GetState() != d.state || int(claim.Last.GetNumber()) != d.attempts || claim.Late != m.late(d) {
			t.Fatalf("claim of %+v is %+v", d, claim)
		}
		m.claims[d.id] = claim
	}
}

// one draws a key; it skips the action if there is none.
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
	leadID, _, _ := strings.Cut(one(t, m.deliveries, "delivery"), ".")
	m.rig.erase(leadID)
	for id, d := range m.deliveries {
		if strings.HasPrefix(id, leadID) && d.state != delivered {
			m.end(id)
			d.state = cancelled
		}
	}
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
