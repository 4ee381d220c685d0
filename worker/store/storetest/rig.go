package storetest

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/store"
)

// rig is the store under test with its own clock and the events it published. Its methods fail the test instead of returning
// errors; to see an error, a test calls the store itself.
type rig struct {
	store.Store
	t     rapid.TB // shared by tests and rapid's checks
	ctx   context.Context
	open  Open
	dir   string
	clock *clock

	mu        sync.Mutex
	leads     uint64 // number created so far
	published []*leadgatev1.Event
	holding   func() // if not nil, called by Publish
}

func newRig(t rapid.TB, dir string, open Open) *rig {
	r := &rig{t: t, ctx: context.Background(), open: open, dir: dir, clock: &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}}
	r.start()
	return r
}

func (r *rig) start() {
	r.t.Helper()
	s, err := r.open(Options{Dir: r.dir, Now: r.clock.time, Publish: r.publish})
	if err != nil {
		r.t.Fatal(err)
	}
	r.Store = s
}

func (r *rig) close() {
	r.t.Helper()
	if err := r.Close(); err != nil {
		r.t.Fatal(err)
	}
}

// reopen simulates a restart of the process: claims are lost, and the outcome of begun attempts is unknown.
func (r *rig) reopen() {
	r.t.Helper()
	r.close()
	r.start()
}

func (r *rig) publish(events []*leadgatev1.Event) {
	r.mu.Lock()
	r.published = append(r.published, events...)
	hold := r.holding
	r.mu.Unlock()
	if hold != nil {
		hold()
	}
}

// busy keeps the store writing, like a slow disk, until release is called.
func (r *rig) busy() (release func()) {
	entered, left := make(chan struct{}), make(chan struct{})
	r.mu.Lock()
	r.holding = sync.OnceFunc(func() {
		close(entered)
		<-left
	})
	r.mu.Unlock()
	var writing sync.WaitGroup
	writing.Go(func() {
		a := r.lead("")
		a.Events = []*leadgatev1.Event{event(a.Record.GetLeadId(), leadgatev1.Stage_STAGE_QUEUED)}
		if _, err := r.Accept(r.ctx, a); err != nil {
			r.t.Errorf("what is being written: %v", err)
		}
	})
	<-entered
	return sync.OnceFunc(func() {
		close(left)
		writing.Wait()
	})
}

// seen returns the events published so far.
func (r *rig) seen() []*leadgatev1.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.published)
}

// clock stands still unless advanced.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) time() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// newLeadID returns a UUIDv7 of the clock's time. Later ones sort after it.
func (r *rig) newLeadID() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.leads++
	var id uuid.UUID
	copy(id[:6], binary.BigEndian.AppendUint64(nil, uint64(r.clock.time().UnixMilli())<<16))
	id[6], id[8] = 0x70, 0x80
	binary.BigEndian.PutUint32(id[12:], uint32(r.leads))
	return id.String()
}

// now returns the clock's time.
func (r *rig) now() *timestamppb.Timestamp { return timestamppb.New(r.clock.time()) }

// lead returns an acceptance for the given destinations, "crm" by default.
func (r *rig) lead(email string, destinations ...string) *store.Acceptance {
	if destinations == nil {
		destinations = []string{"crm"}
	}
	return &store.Acceptance{
		Record: &leadgatev1.LeadRecord{
			LeadId: r.newLeadID(), State: leadgatev1.LeadState_LEAD_STATE_OPEN, CreateTime: r.now(),
			Lead: &leadgatev1.Lead{Email: email, Source: &leadgatev1.Source{Form: "contact"}},
		},
		Destinations: destinations,
	}
}

// heldLead returns an acceptance of a HELD lead.
func (r *rig) heldLead(email string, reason leadgatev1.HoldReason) *store.Acceptance {
	a := r.lead(email)
	a.Destinations = nil
	a.Record.State = leadgatev1.LeadState_LEAD_STATE_HELD
	a.Record.Holds = []*leadgatev1.Hold{{Reason: reason}}
	return a
}

// tryAccept accepts and returns the results, whose errors it does not check.
func (r *rig) tryAccept(acceptances ...*store.Acceptance) []store.Accepted {
	r.t.Helper()
	results, err := r.Accept(r.ctx, acceptances...)
	if err != nil {
		r.t.Fatal(err)
	}
	if len(results) != len(acceptances) {
		r.t.Fatalf("%d results for %d acceptances", len(results), len(acceptances))
	}
	return results
}

func (r *rig) accept(acceptances ...*store.Acceptance) []store.Accepted {
	r.t.Helper()
	results := r.tryAccept(acceptances...)
	for _, result := range results {
		if result.Err != nil {
			r.t.Fatal(result.Err)
		}
	}
	return results
}

// acceptFrom accepts a lead from each person for destination "crm", in order, and returns the delivery IDs.
func (r *rig) acceptFrom(emails ...string) []string {
	r.t.Helper()
	var deliveries []string
	for _, email := range emails {
		deliveries = append(deliveries, r.accept(r.lead(email))[0].LeadID+".crm")
	}
	return deliveries
}

// claim claims what is due at "crm" and expects these deliveries in this order.
func (r *rig) claim(deliveryIDs ...string) []*store.Claim {
	r.t.Helper()
	claims := r.claimUpTo("crm", 1000).Items
	if got := claimed(claims); !slices.Equal(got, deliveryIDs) {
		r.t.Fatalf("claimed %v, want %v", got, deliveryIDs)
	}
	return claims
}

func (r *rig) claimUpTo(destination string, limit int) store.Claims {
	r.t.Helper()
	claims, err := r.Claim(r.ctx, destination, limit)
	if err != nil {
		r.t.Fatal(err)
	}
	return claims
}

func claimed(claims []*store.Claim) []string {
	var ids []string
	for _, claim := range claims {
		ids = append(ids, claim.Delivery.GetDeliveryId())
	}
	return ids
}

// next returns a step for the next attempt of a claimed delivery, to be begun and later settled.
func (r *rig) next(claim *store.Claim) *store.Step {
	d := proto.CloneOf(claim.Delivery)
	d.AttemptCount++
	d.Revision = 1
	return &store.Step{Claim: claim, Delivery: d, Attempt: &leadgatev1.Attempt{
		Number: d.GetAttemptCount(), Revision: 1, Payload: "{}", StartTime: r.now(),
	}}
}

// begin begins the next attempt for every claim and returns the steps to settle.
func (r *rig) begin(claims ...*store.Claim) []*store.Step {
	r.t.Helper()
	steps := make([]*store.Step, len(claims))
	for i, claim := range claims {
		steps[i] = r.next(claim)
	}
	results, err := r.Begin(r.ctx, steps...)
	r.expectDone(results, err)
	return steps
}

// settle settles attempts with a state. RETRY_WAIT is due now, unless the step says otherwise.
func (r *rig) settle(state leadgatev1.DeliveryState, steps ...*store.Step) {
	r.t.Helper()
	for _, step := range steps {
		step.Delivery.State = state
		if state == retryWait && step.Delivery.GetDueTime() == nil {
			step.Delivery.DueTime = r.now()
		}
	}
	results, err := r.Settle(r.ctx, steps...)
	r.expectDone(results, err)
}

func (r *rig) expectDone(results []store.Stepped, err error) {
	r.t.Helper()
	if err := problem(results, err); err != nil {
		r.t.Fatal(err)
	}
}

// problem returns the errors of all steps; nil if there are none.
func problem(results []store.Stepped, err error) error {
	for _, result := range results {
		err = errors.Join(err, result.Err)
	}
	return err
}

// pass claims what is due at "crm", expects these deliveries, and begins and settles an attempt of each.
func (r *rig) pass(state leadgatev1.DeliveryState, deliveryIDs ...string) {
	r.t.Helper()
	r.settle(state, r.begin(r.claim(deliveryIDs...)...)...)
}

func (r *rig) redrive(deliveryIDs ...string) {
	r.t.Helper()
	for i, result := range r.tryRedrive(deliveryIDs...) {
		if result.Err != nil {
			r.t.Fatalf("redrive %s: %v", deliveryIDs[i], result.Err)
		}
	}
}

// tryRedrive redrives in one call and returns the results, whose errors it does not check.
func (r *rig) tryRedrive(deliveryIDs ...string) []store.Redriven {
	r.t.Helper()
	redrives := make([]*store.Redrive, len(deliveryIDs))
	for i, id := range deliveryIDs {
		redrives[i] = &store.Redrive{DeliveryID: id}
	}
	results, err := r.Redrive(r.ctx, redrives...)
	if err != nil {
		r.t.Fatal(err)
	}
	return results
}

func (r *rig) record(leadID string) *leadgatev1.LeadRecord {
	r.t.Helper()
	record, err := r.Lead(r.ctx, leadID)
	if err != nil {
		r.t.Fatal(err)
	}
	return record
}

func (r *rig) amend(amendments ...*store.Amendment) {
	r.t.Helper()
	for _, result := range r.tryAmend(amendments...) {
		if result.Err != nil {
			r.t.Fatal(result.Err)
		}
	}
}

// tryAmend amends in one call and returns the results, whose errors it does not check.
func (r *rig) tryAmend(amendments ...*store.Amendment) []store.Amended {
	r.t.Helper()
	results, err := r.Amend(r.ctx, amendments...)
	if err != nil {
		r.t.Fatal(err)
	}
	if len(results) != len(amendments) {
		r.t.Fatalf("%d results for %d amendments", len(results), len(amendments))
	}
	return results
}

func (r *rig) delivery(id string) *leadgatev1.Delivery {
	r.t.Helper()
	d, err := r.Delivery(r.ctx, id)
	if err != nil {
		r.t.Fatal(err)
	}
	return d
}

func (r *rig) expectState(id string, want leadgatev1.DeliveryState) *leadgatev1.Delivery {
	r.t.Helper()
	d := r.delivery(id)
	if d.GetState() != want {
		r.t.Fatalf("%s is %v, want %v", id, d.GetState(), want)
	}
	return d
}

// Short names for states.
const (
	pending    = leadgatev1.DeliveryState_DELIVERY_STATE_PENDING
	inFlight   = leadgatev1.DeliveryState_DELIVERY_STATE_IN_FLIGHT
	retryWait  = leadgatev1.DeliveryState_DELIVERY_STATE_RETRY_WAIT
	delivered  = leadgatev1.DeliveryState_DELIVERY_STATE_DELIVERED
	dead       = leadgatev1.DeliveryState_DELIVERY_STATE_DEAD
	held       = leadgatev1.DeliveryState_DELIVERY_STATE_HELD
	superseded = leadgatev1.DeliveryState_DELIVERY_STATE_SUPERSEDED
	cancelled  = leadgatev1.DeliveryState_DELIVERY_STATE_CANCELLED
)
