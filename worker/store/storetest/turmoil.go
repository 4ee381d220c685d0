package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/store"
)

// turmoil is a group of workers that concurrently do anything to the leads of a few persons.
type turmoil struct {
	*rig
	t *testing.T

	mu       sync.Mutex
	leads    []string
	erased   map[string]bool   // by lead
	inFlight map[string]string // lead by person and destination
}

var turmoilDestinations = []string{"crm", "archive"}

func turmoilSuite() suite {
	return suite{
		"ManyWhoDoAnythingAtOnceLoseNothingAndCountRight": func(t *testing.T, r *rig) {
			c := &turmoil{rig: r, t: t, erased: map[string]bool{}, inFlight: map[string]string{}}
			for range 3 {
				var all sync.WaitGroup
				for seed := range uint64(6) {
					all.Go(func() { c.rage(rand.New(rand.NewPCG(seed, 0))) })
				}
				all.Wait()
				c.expectSound()
			}
			c.drain()
			c.expectSound()
			r.reopen()
			c.expectSound()
		},
	}
}

// rage performs random actions.
func (c *turmoil) rage(random *rand.Rand) {
	for range 150 {
		if err := c.act(random); err != nil && !errors.Is(err, store.ErrState) && !errors.Is(err, store.ErrStale) &&
			!errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrNotFound) {
			c.t.Error(err)
		}
	}
}

func (c *turmoil) act(random *rand.Rand) error {
	destination := turmoilDestinations[random.IntN(2)]
	id := c.lead(random) + "." + destination
	switch n := random.IntN(20); {
	case n < 5 || id[0] == '.': // there are no leads yet
		return c.come(random)
	case n < 12:
		return c.deliver(random, destination)
	case n < 14:
		return outcome(c.Redrive(c.ctx, &store.Redrive{DeliveryID: id, Force: n == 13}))(func(r store.Redriven) error { return r.Err })
	case n < 15:
		return outcome(c.Hold(c.ctx, &store.Hold{DeliveryID: id, Reason: "because"}))(func(r store.Held) error { return r.Err })
	case n < 16:
		return outcome(c.Move(c.ctx, &store.Move{DeliveryID: id, Destination: turmoilDestinations[random.IntN(2)]}))(func(r store.Moved) error { return r.Err })
	case n < 19:
		return c.change(random, id[:36], destination)
	case random.IntN(4) > 0:
		return nil
	}
	c.mu.Lock()
	c.erased[id[:36]] = true // it may be erased from now on
	c.mu.Unlock()
	return outcome(c.Erase(c.ctx, &store.Erasure{LeadID: id[:36]}))(func(r store.Erased) error { return r.Err })
}

// outcome returns the error of a single request.
func outcome[R any](results []R, err error) func(errOf func(R) error) error {
	return func(errOf func(R) error) error {
		if err != nil {
			return err
		}
		return errOf(results[0])
	}
}

// lead returns one of the newest leads.
func (c *turmoil) lead(random *rand.Rand) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.leads) == 0 {
		return ""
	}
	return c.leads[len(c.leads)-1-random.IntN(min(len(c.leads), 12))]
}

func (c *turmoil) come(random *rand.Rand) error {
	a := c.rig.lead(people(3)[random.IntN(3)], turmoilDestinations[:1+random.IntN(2)]...)
	err := outcome(c.Accept(c.ctx, a))(func(r store.Accepted) error { return r.Err })
	c.mu.Lock()
	defer c.mu.Unlock()
	c.leads = append(c.leads, a.Record.GetLeadId())
	return err
}

// change changes a lead's content, and perhaps its person, and sends it again.
func (c *turmoil) change(random *rand.Rand, leadID, destination string) error {
	was, err := c.Lead(c.ctx, leadID)
	if err != nil || was.GetState() != leadgatev1.LeadState_LEAD_STATE_OPEN {
		return err
	}
	is := proto.CloneOf(was)
	is.Lead.Company = fmt.Sprint(random.Int())
	is.Lead.Email = people(3)[random.IntN(3)]
	return outcome(c.Amend(c.ctx, &store.Amendment{
		Was: was, Record: is, Destinations: []string{destination}, Resend: turmoilDestinations[:random.IntN(3)], Hurry: true,
	}))(func(r store.Amended) error { return r.Err })
}

// deliver claims deliveries and does with them what a worker may do.
func (c *turmoil) deliver(random *rand.Rand, destination string) error {
	claims, err := c.Claim(c.ctx, destination, 1+random.IntN(3))
	if err != nil {
		return err
	}
	for _, claim := range claims.Items {
		if random.IntN(5) == 0 {
			err = errors.Join(err, c.Unclaim(c.ctx, claim))
			continue
		}
		step := c.next(claim)
		if begun := problem(c.Begin(c.ctx, step)); begun != nil {
			err = errors.Join(err, begun)
			continue
		}
		err = errors.Join(err, c.enter(claim))
		step.Delivery.State = []leadgatev1.DeliveryState{delivered, delivered, retryWait, dead, held, superseded}[random.IntN(6)]
		if step.Delivery.State == retryWait {
			step.Delivery.DueTime = c.now()
		}
		c.leave(claim)
		err = errors.Join(err, problem(c.Settle(c.ctx, step)))
	}
	return err
}

// enter is called after Begin. It checks that the person has no other delivery in flight, except of a lead erased meanwhile.
func (c *turmoil) enter(claim *store.Claim) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	place := claim.Record.GetLead().GetEmail() + " at " + claim.Delivery.GetDestination()
	other := c.inFlight[place]
	c.inFlight[place] = claim.Delivery.GetLeadId()
	if other != "" && !c.erased[other] {
		return fmt.Errorf("%s begins while another of %s is in flight", claim.Delivery.GetDeliveryId(), place)
	}
	return nil
}

// leave is called before Settle.
func (c *turmoil) leave(claim *store.Claim) {
	c.mu.Lock()
	defer c.mu.Unlock()
	place := claim.Record.GetLead().GetEmail() + " at " + claim.Delivery.GetDestination()
	if c.inFlight[place] == claim.Delivery.GetLeadId() {
		delete(c.inFlight, place)
	}
}

// drain delivers everything that waits.
func (c *turmoil) drain() {
	c.clock.advance(time.Hour)
	for _, destination := range turmoilDestinations {
		for claims := c.claimUpTo(destination, 100).Items; len(claims) > 0; claims = c.claimUpTo(destination, 100).Items {
			c.settle(delivered, c.begin(claims...)...)
		}
		for _, state := range []leadgatev1.DeliveryState{pending, inFlight, retryWait} {
			if n := c.counts(destination)[state]; n > 0 {
				c.t.Errorf("%d stay %v at %s, and nobody can claim them", n, state, destination)
			}
		}
	}
}

// expectSound expects that every lead exists, and that counts and lists agree.
func (c *turmoil) expectSound() {
	c.t.Helper()
	for _, id := range c.leads {
		c.record(id)
	}
	scanned := map[string]map[leadgatev1.DeliveryState]int64{"crm": {}, "archive": {}}
	for _, d := range c.allDeliveries(store.DeliveryQuery{}, 100) {
		scanned[d.GetDestination()][d.GetState()]++
	}
	for _, destination := range turmoilDestinations {
		if diff := cmp.Diff(scanned[destination], c.counts(destination)); diff != "" {
			c.t.Errorf("at %s the counts differ from what is there:\n%s", destination, diff)
		}
		for state, n := range scanned[destination] {
			if listed := len(c.allDeliveries(store.DeliveryQuery{Destination: destination, State: state}, 100)); int64(listed) != n {
				c.t.Errorf("%d are listed at %s as %v, %d are", listed, destination, state, n)
			}
		}
	}
}
