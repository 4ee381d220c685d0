package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/store"
)

func crowdSuite() suite {
	return suite{
		"ManyWorkersDeliverEverythingOncePerPersonInOrder": func(t *testing.T, r *rig) {
			c := newCrowd(r, 3, 20)
			c.run(t, func() leadgatev1.DeliveryState { return delivered })
			c.expectInOrder(t, people(3))
		},

		"LeadsThatComeAtOnceWhileOthersAreDeliveredKeepEachPersonsOrder": func(t *testing.T, r *rig) {
			c, accepted := comingCrowd(t, r, 8, 3, 5)
			defer accepted()
			c.run(t, func() leadgatev1.DeliveryState { return delivered })
			c.expectInOrder(t, people(3))
		},

		"ThoseWhoComeAgainWhileTheirOnlyLeadIsDeliveredAreNotForgotten": func(t *testing.T, r *rig) {
			c, accepted := comingCrowd(t, r, 4, 60, 1)
			defer accepted()
			c.run(t, func() leadgatev1.DeliveryState {
				return []leadgatev1.DeliveryState{delivered, retryWait}[rand.IntN(2)]
			})
			c.expectInOrder(t, people(60))
		},

		"ManyWorkersAndRedrivesLoseNothingAndCountRight": func(t *testing.T, r *rig) {
			c := newCrowd(r, 3, 20)
			c.run(t, func() leadgatev1.DeliveryState {
				return []leadgatev1.DeliveryState{delivered, retryWait, dead, held}[rand.IntN(4)]
			})
			r.reopen()
			if diff := cmp.Diff(map[leadgatev1.DeliveryState]int64{delivered: 60}, r.counts("crm")); diff != "" {
				t.Errorf("counts differ after a restart:\n%s", diff)
			}
		},
	}
}

// crowd is a group of workers that deliver what waits at "crm" until nothing is left. It checks that no two of them have
// deliveries of the same person in flight.
type crowd struct {
	r        *rig
	finished chan struct{}

	mu       sync.Mutex
	left     int
	inFlight map[string]bool     // by person
	order    map[string][]uint64 // delivered sequences in order, by person
}

// newCrowd accepts leads from each of some persons.
func newCrowd(r *rig, persons, leads int) *crowd {
	for range leads {
		r.acceptFrom(people(persons)...)
	}
	return &crowd{
		r: r, left: persons * leads, finished: make(chan struct{}),
		inFlight: map[string]bool{}, order: map[string][]uint64{},
	}
}

// comingCrowd lets callers accept leads from some persons while the crowd works. The returned function waits for the callers.
func comingCrowd(t *testing.T, r *rig, callers, persons, leads int) (*crowd, func()) {
	t.Helper()
	c := &crowd{
		r: r, left: callers * persons * leads, finished: make(chan struct{}),
		inFlight: map[string]bool{}, order: map[string][]uint64{},
	}
	var all sync.WaitGroup
	for range callers {
		acceptances := make([]*store.Acceptance, 0, persons*leads)
		for range leads {
			for _, person := range people(persons) {
				acceptances = append(acceptances, r.lead(person))
			}
		}
		all.Go(func() {
			for _, a := range acceptances {
				if results, err := r.Accept(r.ctx, a); err != nil || results[0].Err != nil {
					t.Error(err, results)
					c.stop()
				}
			}
		})
	}
	return c, all.Wait
}

// run lets six workers settle attempts as verdict says until everything is delivered. It redrives dead and held deliveries.
func (c *crowd) run(t *testing.T, verdict func() leadgatev1.DeliveryState) {
	t.Helper()
	const workers = 6
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			if err := c.work(verdict); err != nil {
				t.Error(err)
				c.stop()
			}
		})
	}
	all.Wait()
}

func (c *crowd) work(verdict func() leadgatev1.DeliveryState) error {
	for {
		select {
		case <-c.finished:
			return nil
		default:
		}
		claims, err := c.r.Claim(c.r.ctx, "crm", 2)
		if err != nil {
			return err
		}
		if len(claims.Items) == 0 {
			select {
			case <-c.finished:
				return nil
			case <-c.r.Notify("crm"):
			}
			continue
		}
		for _, claim := range claims.Items {
			if err := c.deliver(claim, verdict()); err != nil {
				return err
			}
		}
	}
}

func (c *crowd) deliver(claim *store.Claim, verdict leadgatev1.DeliveryState) error {
	step := c.r.next(claim)
	results, err := c.r.Begin(c.r.ctx, step)
	if err != nil {
		return err
	}
	if errors.Is(results[0].Err, store.ErrStale) {
		return nil // a redrive revoked it
	}
	if err := results[0].Err; err != nil {
		return err
	}
	if err := c.enter(claim); err != nil {
		return err
	}
	step.Delivery.State = verdict
	if verdict == retryWait {
		step.Delivery.DueTime = c.r.now()
	}
	last := c.leave(claim, verdict)
	if err := problem(c.r.Settle(c.r.ctx, step)); err != nil {
		return err
	}
	if last {
		c.stop()
	}
	if verdict == dead || verdict == held {
		redriven, err := c.r.Redrive(c.r.ctx, &store.Redrive{DeliveryID: step.Delivery.GetDeliveryId()})
		if err != nil {
			return err
		}
		return redriven[0].Err
	}
	return nil
}

// enter is called after Begin.
func (c *crowd) enter(claim *store.Claim) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	person := claim.Record.GetLead().GetEmail()
	if c.inFlight[person] {
		return fmt.Errorf("two deliveries of %s are in flight", person)
	}
	c.inFlight[person] = true
	return nil
}

// leave is called before Settle, which lets others begin the person's next delivery. It reports whether nothing is left.
func (c *crowd) leave(claim *store.Claim, verdict leadgatev1.DeliveryState) (last bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	person := claim.Record.GetLead().GetEmail()
	delete(c.inFlight, person)
	if verdict == delivered {
		c.order[person] = append(c.order[person], claim.Delivery.GetSequence())
		c.left--
	}
	return c.left == 0
}

// expectInOrder expects that each person's leads were delivered in the order of acceptance.
func (c *crowd) expectInOrder(t *testing.T, persons []string) {
	t.Helper()
	for _, person := range persons {
		if !slices.IsSorted(c.order[person]) {
			t.Errorf("%s was delivered in the order %v", person, c.order[person])
		}
	}
}

func (c *crowd) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.finished:
	default:
		close(c.finished)
	}
}
