package worker_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/store"
)

// Two CRMs fail in every way while leads come in, people pause, retry and replay, and the configuration and the process change.
// LEADGATE_SEED sets the seed.
func TestWhateverHappensEachLeadReachesItsCRMsAsItIs(t *testing.T) {
	t.Parallel()
	seed, runs := uint64(3), uint64(1)
	if soaking() {
		runs = 40
	}
	if named := os.Getenv("LEADGATE_SEED"); named != "" {
		var err error
		if seed, err = strconv.ParseUint(named, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	for ; runs > 0; seed, runs = seed+1, runs-1 {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			bubble(t, func(_ *testing.T, h *house) { newChaos(h, seed).run() })
		})
	}
}

type chaos struct {
	*house
	random   *rand.Rand // for what people do
	crms     []*chaosCRM
	leads    []string
	revision int
}

// chaosCRM is a CRM that fails at random, with the state of its destination.
type chaosCRM struct {
	house *house
	name  string

	mu      sync.Mutex
	random  *rand.Rand
	healed  bool
	sent    map[string]string // by idempotency value
	stopped time.Time         // since when it is paused or not configured; zero if neither
	paused  bool
	gone    bool
	shouts  bool // it has another mapping
}

func newChaos(h *house, seed uint64) *chaos {
	c := &chaos{house: h, random: rand.New(rand.NewPCG(seed, 0))}
	for i, name := range []string{"crm", "erp"} {
		fake := h.addCRM(name, crm.Traits{Kind: "fake", MaxBatch: 4, Account: "fake"})
		f := &chaosCRM{house: h, name: name, random: rand.New(rand.NewPCG(seed, uint64(i)+1)), sent: map[string]string{}}
		fake.script(f.deliver)
		c.crms = append(c.crms, f)
	}
	return c
}

func (c *chaos) run() {
	c.configure()
	for range 80 {
		c.act(c.crms[c.random.IntN(len(c.crms))])
	}
	for _, f := range c.crms {
		f.mu.Lock()
		f.healed, f.gone = true, false
		f.mu.Unlock()
	}
	c.configure()
	for _, f := range c.crms {
		c.pause(f, false)
	}
	c.rest(3 * time.Hour) // longer than any pause that a CRM asked for
	for _, f := range c.crms {
		c.retryAll(f, dead)
		c.retryAll(f, leadgatev1.DeliveryState_DELIVERY_STATE_HELD)
	}
	c.rest(3 * time.Hour)
	c.expectAll()
}

// act does something at random.
func (c *chaos) act(f *chaosCRM) {
	ctx := c.t.Context()
	switch n := c.random.IntN(100); {
	case n < 35:
		var leads []string
		for range 1 + c.random.IntN(5) {
			leads = append(leads, fmt.Sprintf("p%d@example.com N%d", c.random.IntN(6), c.random.IntN(1000)))
		}
		for _, id := range c.acceptFor(f.name, leads...) {
			c.leads = append(c.leads, strings.TrimSuffix(id, "."+f.name))
		}
	case n < 47:
		c.pause(f, n < 40)
	case n < 53 && len(c.leads) > 0: // it may fail: mostly there is nothing to retry
		_, _ = c.service.RetryDelivery(ctx, &leadgatev1.RetryDeliveryRequest{DeliveryId: c.lead() + "." + f.name})
	case n < 57:
		c.retryAll(f, []leadgatev1.DeliveryState{dead, leadgatev1.DeliveryState_DELIVERY_STATE_HELD, retryWait}[c.random.IntN(3)])
	case n < 65 && len(c.leads) > 0:
		for range 8 {
			c.replay(c.lead())
		}
	case n < 71:
		f.mu.Lock()
		f.gone, f.shouts = f.gone != (n < 68), f.shouts != (n > 66)
		f.mu.Unlock()
		c.configure()
	case n < 75:
		c.restart()
		c.configure()
	case n < 78:
		c.rest(time.Duration(c.random.IntN(600)) * time.Second)
	default:
		c.rest(time.Duration(c.random.IntN(4000)) * time.Millisecond)
	}
}

// lead returns a random lead, usually one of the newest.
func (c *chaos) lead() string {
	newest := len(c.leads)
	if c.random.IntN(4) > 0 {
		newest = min(newest, 8)
	}
	return c.leads[len(c.leads)-1-c.random.IntN(newest)]
}

// configure applies the current configuration.
func (c *chaos) configure() {
	destinations := map[string]*configv1.Destination{}
	for _, f := range c.crms {
		f.mu.Lock()
		if !f.gone {
			destinations[f.name] = fakeDestination(f.name, func(d *configv1.Destination) {
				d.Limits = &configv1.Limits{Concurrency: 1 + c.random.Int32N(3), RequestsPerSecond: 5}
				if f.shouts {
					d.Properties["name"] = `= lead.first_name + "!"`
				}
			})
		}
		f.mu.Unlock()
	}
	c.revision++
	c.applyAll(fmt.Sprint("r", c.revision), destinations)
	for _, f := range c.crms {
		f.stop()
	}
}

// stop records since when nothing may be sent.
func (f *chaosCRM) stop() {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch stopped := f.paused || f.gone; {
	case !stopped:
		f.stopped = time.Time{}
	case f.stopped.IsZero():
		f.stopped = time.Now()
	}
}

func (c *chaos) pause(f *chaosCRM, pause bool) {
	if f.gone {
		return
	}
	f.paused = pause
	if !pause {
		f.stop()
		if _, err := c.service.ResumeDestination(c.t.Context(), &leadgatev1.ResumeDestinationRequest{Name: f.name}); err != nil {
			c.t.Error(err)
		}
		return
	}
	if _, err := c.service.PauseDestination(c.t.Context(), &leadgatev1.PauseDestinationRequest{Name: f.name, Reason: "why not"}); err != nil {
		c.t.Error(err)
	}
	f.stop()
}

func (c *chaos) retryAll(f *chaosCRM, state leadgatev1.DeliveryState) {
	if _, err := c.service.RetryDeliveries(c.t.Context(), &leadgatev1.RetryDeliveriesRequest{
		Filter: &leadgatev1.DeliveryFilter{State: state, Destination: f.name},
	}); err != nil {
		c.t.Error(err)
	}
}

// replay changes a lead and sends it again, unless it is being sent.
func (c *chaos) replay(leadID string) {
	was, err := c.store.Lead(c.t.Context(), leadID)
	if err != nil {
		c.t.Fatal(err)
	}
	is := proto.CloneOf(was)
	is.Lead.FirstName = fmt.Sprint("N", c.random.IntN(1000))
	if _, err := c.store.Amend(c.t.Context(), &store.Amendment{Was: was, Record: is, Resend: []string{"crm", "erp"}}); err != nil {
		c.t.Error(err)
	}
}

// payload is what the fakes receive.
type payload struct{ Email, Name string }

// deliver checks what it receives, and fails at random.
func (f *chaosCRM) deliver(ctx context.Context, batch []crm.Item) []crm.Outcome {
	people := map[string]bool{}
	for _, item := range batch {
		if people[item.Email] {
			f.house.t.Errorf("%s comes twice in one call", item.Email)
		}
		people[item.Email] = true
		f.look(item)
	}
	f.mu.Lock()
	n, healed, takes := f.random.IntN(100), f.healed, time.Duration(f.random.Int64N(int64(3*time.Second)))
	f.mu.Unlock()
	if healed {
		return each(batch, delivered)
	}
	lost := each(batch, crm.Outcome{Kind: crm.Unknown, Reason: "cut"})
	select {
	case <-time.After(takes):
	case <-ctx.Done():
		return lost
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case n < 4:
		panic("chaos")
	case n < 10:
		return each(batch, crm.Outcome{Kind: crm.RateLimited, After: time.Duration(f.random.IntN(90)) * time.Second, Reason: "slower"})
	case n < 12:
		return each(batch, crm.Outcome{Kind: crm.CredentialsRefused, Reason: "who?"})
	case n < 16 && len(batch) > 1:
		return each(batch, crm.Outcome{Kind: crm.Split, Reason: "too many"})
	case n < 24:
		return lost
	}
	outcomes := each(batch, delivered)
	for i := range outcomes {
		switch f.random.IntN(12) {
		case 0:
			outcomes[i] = crm.Outcome{Kind: crm.Refused, Reason: "bad"}
		case 1:
			outcomes[i] = crm.Outcome{Kind: crm.Undecided, Reason: "who knows"}
		case 2:
			outcomes[i] = crm.Outcome{Kind: crm.Retry, Reason: "busy"}
		case 3:
			outcomes[i] = crm.Outcome{Kind: crm.Unknown, Reason: "500"}
		}
	}
	return outcomes[:len(batch)-n/99] // sometimes an outcome is missing
}

// look checks that a lead may be sent now: not while the destination is stopped, in its person's order, and with the same bytes as
// before under the same idempotency value.
func (f *chaosCRM) look(item crm.Item) {
	t, ctx := f.house.t, context.Background()
	d := f.house.delivery(item.LeadID() + "." + f.name)
	start := d.GetAttempts()[len(d.GetAttempts())-1].GetStartTime().AsTime()
	f.mu.Lock()
	if before, known := f.sent[item.IdempotencyValue]; known && before != string(item.Payload) {
		t.Errorf("under %s came %s, and now %s", item.IdempotencyValue, before, item.Payload)
	}
	f.sent[item.IdempotencyValue] = string(item.Payload)
	if !f.stopped.IsZero() && start.After(f.stopped) {
		t.Errorf("%s is sent at %v, and nothing is to be since %v", d.GetDeliveryId(), start, f.stopped)
	}
	f.mu.Unlock()
	leads, _, err := f.house.store.Leads(ctx, store.LeadQuery{Email: item.Email}, 10_000, "")
	if err != nil {
		t.Error(err)
	}
	var ids []string
	for _, l := range leads {
		ids = append(ids, l.GetLeadId())
	}
	others, err := f.house.store.DeliveriesOf(ctx, ids...)
	if err != nil {
		t.Error(err)
	}
	for _, o := range others {
		if o.GetDestination() != f.name || !o.GetUpdateTime().AsTime().Before(start) { // it has changed since
			continue
		}
		older, state := o.GetSequence() < d.GetSequence(), o.GetState()
		if older && (state == pending || state == retryWait) || !older && o.GetSequence() != d.GetSequence() && state == done {
			t.Errorf("%d is sent while %d of the same person is %v", d.GetSequence(), o.GetSequence(), state)
		}
	}
}

// expectAll checks that every lead was delivered as it is now, unless a newer one of its person was, and that the counts are right.
func (c *chaos) expectAll() {
	scanned := map[string]map[leadgatev1.DeliveryState]int64{}
	for _, leadID := range c.leads {
		record, err := c.store.Lead(c.t.Context(), leadID)
		if err != nil {
			c.t.Fatal(err)
		}
		deliveries, err := c.store.LeadDeliveries(c.t.Context(), leadID)
		if err != nil || len(deliveries) != 1 {
			c.t.Fatalf("lead %s has %v, %v", leadID, deliveries, err)
		}
		d := deliveries[0]
		if scanned[d.GetDestination()] == nil {
			scanned[d.GetDestination()] = map[leadgatev1.DeliveryState]int64{}
		}
		scanned[d.GetDestination()][d.GetState()]++
		var sent payload
		if n := len(d.GetAttempts()); n > 0 {
			if err := json.Unmarshal([]byte(d.GetAttempts()[n-1].GetPayload()), &sent); err != nil {
				c.t.Error(err)
			}
		}
		name := strings.TrimSuffix(sent.Name, "!")
		if d.GetState() != superseded && (d.GetState() != done || name != record.GetLead().GetFirstName()) {
			c.t.Errorf("lead %s, %q, is %v as %q: %v", leadID, record.GetLead().GetFirstName(), d.GetState(), sent.Name, d)
		}
	}
	counts, err := c.store.Counts(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	for destination, by := range scanned {
		counted := counts[destination].ByState
		maps.DeleteFunc(counted, func(_ leadgatev1.DeliveryState, n int64) bool { return n == 0 })
		if !maps.Equal(counted, by) {
			c.t.Errorf("%s counts %v, and has %v", destination, counted, by)
		}
	}
}
