package crmtest

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/crm/simulator"
	"github.com/leadgate/leadgate/worker/mapping"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

// Faulty is a simulated CRM that fails on demand.
type Faulty interface {
	CRM
	SetFaults(simulator.Faults)
}

// Numbers of leads: for a single fault, and for faults at random, short and long.
const (
	fewLeads  = 4
	manyLeads = 150
	soakLeads = 10_000
	// The timeout of a call. A call that is cut short is sent again, so on a busy machine the suite is slow, but not wrong.
	callLimit = 400 * time.Millisecond
)

// RunFaults delivers leads through every fault of the simulators, one by one and mixed at random, like the worker: failures are
// sent again with what is known about the attempt before, in smaller batches or later if the CRM asks for that. In the end, each
// lead must be exactly one record.
//
// newCRM returns the CRM, which must use the suite's clock.
func RunFaults(t *testing.T, h Harness, newCRM func(secret string, now func() time.Time) Faulty) {
	t.Helper()
	for _, kind := range simulator.Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			c := newCourier(t, h, newCRM, fewLeads)
			times := 3
			if kind == simulator.KindHang || kind == simulator.KindSlow || kind == simulator.KindHuge { // these take long
				times = 1
			}
			c.crm.SetFaults(simulator.Faults{Kind: kind, Times: times})
			c.deliverAll()
		})
	}
	t.Run("Statuses", func(t *testing.T) {
		t.Parallel()
		for _, status := range []int{408, 420, 423, 425, 429, 500, 502, 504, 521} {
			c := newCourier(t, h, newCRM, fewLeads)
			c.crm.SetFaults(simulator.Faults{Status: status, Times: 2})
			c.deliverAll()
		}
	})
	t.Run("Mixed", func(t *testing.T) {
		t.Parallel()
		n := manyLeads
		if os.Getenv("LEADGATE_SOAK") == "1" {
			n = soakLeads
		}
		c := newCourier(t, h, newCRM, n)
		mixed := slices.DeleteFunc(simulator.Kinds(), func(kind simulator.Kind) bool {
			return kind == simulator.KindSlow || kind == simulator.KindHang || kind == simulator.KindHuge
		})
		c.crm.SetFaults(simulator.Faults{Kinds: mixed, FailRate: 0.25})
		c.deliverAll()
	})
	t.Run("Latency", func(t *testing.T) {
		t.Parallel()
		c := newCourier(t, h, newCRM, fewLeads)
		c.crm.SetFaults(simulator.Faults{Latency: simulator.Duration(callLimit / 20), Jitter: simulator.Duration(callLimit / 4)})
		c.deliverAll()
	})
	t.Run("Renamed", func(t *testing.T) {
		t.Parallel()
		c := newCourier(t, h, newCRM, fewLeads)
		c.deliverAll()
		name := h.propertyOf("first_name")
		if !c.admin("/_sim/fields", fmt.Sprintf(`{"rename":{%q:"another_name"}}`, name)) {
			t.Skip("it has no such field")
		}
		c.destination.Schema(t.Context()) // like the worker
		c.comeAgain()
		c.deliver()
		for _, p := range c.parcels {
			if !slices.Contains(p.outcome.Dropped, name) || p.outcome.Reason == "" {
				t.Errorf("%s ended without being told of %s: %+v", p.item.IdempotencyValue, name, p.outcome)
			}
		}
	})
	for _, method := range []string{http.MethodPost, http.MethodPatch} { // the methods that CRMs write with
		t.Run("MergedAfterALost"+method, func(t *testing.T) {
			t.Parallel()
			c := newCourier(t, h, newCRM, fewLeads)
			c.deliverAll()
			c.comeAgain()
			c.crm.SetFaults(simulator.Faults{Kind: simulator.KindLost, Method: method, Times: 2})
			c.send(c.parcels[:min(c.destination.Traits().MaxBatch, 2)])
			if !c.merge(c.parcels[0].item.Email, c.parcels[1].item.Email) {
				t.Skip("it merges nothing")
			}
			c.deliver()
			records, others := c.crm.Records(), c.recordIDs()[1:]
			c.deliver() // the same again
			if n, ids := c.crm.Records(), c.recordIDs()[1:]; n != records || !slices.Equal(ids, others) {
				t.Errorf("%d records, of which %v were written, have become %d, of which %v were", records, others, n, ids)
			}
			if slices.Contains(c.recordIDs(), "") {
				t.Errorf("records are %v", c.recordIDs())
			}
		})
	}
}

// courier delivers leads despite faults, like the worker.
type courier struct {
	t           *testing.T
	harness     Harness
	crm         Faulty
	destination crm.Destination
	clock       *Clock
	parcels     []*parcel
}

// parcel is a lead that is being delivered.
type parcel struct {
	item     crm.Item
	number   int
	revision int
	outcome  crm.Outcome
}

func newCourier(t *testing.T, h Harness, newCRM func(string, func() time.Time) Faulty, n int) *courier {
	t.Helper()
	c := &courier{t: t, harness: h, clock: NewClock(now)}
	c.crm = newCRM(firstSecret, c.clock.Now)
	server := httptest.NewServer(c.crm)
	transport := &http.Transport{}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		server.Close()
	})
	var err error
	c.destination, err = h.Open(server.URL, crm.Environment{
		Client: &http.Client{
			Transport:     transport,
			Timeout:       callLimit,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		Secret: func(value string) (string, error) {
			return strings.ReplaceAll(value, SecretReference, firstSecret), nil
		},
		Now: c.clock.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	compiled, err := mapping.Compile(h.Mapped)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		email := fmt.Sprintf("person-%d@example.com", i)
		properties, _ := compiled.Map(&leadgatev1.LeadRecord{Lead: &leadgatev1.Lead{Email: email, FirstName: "Ada", LastName: "Lovelace"}})
		payload, err := c.destination.Encode(properties)
		if err != nil {
			t.Fatal(err)
		}
		p := &parcel{item: crm.Item{Email: email, Payload: payload}, number: i, revision: 1}
		p.name()
		c.parcels = append(c.parcels, p)
	}
	return c
}

func (p *parcel) name() {
	p.item.IdempotencyValue = fmt.Sprintf("lead-%d.crm-%d", p.number, p.revision)
}

// comeAgain turns the parcels into new leads of the same people.
func (c *courier) comeAgain() {
	for _, p := range c.parcels {
		p.number += len(c.parcels)
		p.revision, p.item.Unanswered, p.item.Progress = 1, time.Time{}, ""
		p.name()
	}
}

// merge merges two records, like a user. It returns false if the CRM has no merging.
func (c *courier) merge(from, into string) bool {
	c.t.Helper()
	return c.admin("/_sim/merge", fmt.Sprintf(`{"from":%q,"into":%q}`, from, into))
}

// admin changes the CRM. It returns false if the CRM does not support that.
func (c *courier) admin(path, change string) bool {
	c.t.Helper()
	answer := httptest.NewRecorder()
	c.crm.ServeHTTP(answer, httptest.NewRequestWithContext(c.t.Context(), http.MethodPost, path, strings.NewReader(change)))
	return answer.Code == http.StatusNoContent
}

// recordIDs returns the records that the last deliveries wrote.
func (c *courier) recordIDs() []string {
	ids := make([]string, len(c.parcels))
	for i, p := range c.parcels {
		ids[i] = p.outcome.RecordID
	}
	return ids
}

// deliverAll delivers everything and checks that each lead is one record.
func (c *courier) deliverAll() {
	c.t.Helper()
	c.deliver()
	c.expectOnce()
}

// deliver delivers everything, with as many attempts as it takes.
func (c *courier) deliver() {
	c.t.Helper()
	waiting := slices.Clone(c.parcels)
	for round := 0; len(waiting) > 0; round++ {
		if round == 100+20*len(c.parcels) {
			c.t.Fatalf("%d leads are not delivered after %d rounds; one ended as %s: %+v", len(waiting), round, kindName(waiting[0].outcome.Kind), waiting[0].outcome)
		}
		batch := waiting[:min(len(waiting), c.destination.Traits().MaxBatch, 50)]
		if round%4 == 3 { // send alone what an answer does not mention
			batch = batch[:1]
		}
		c.send(batch)
		var rest []*parcel
		for _, p := range batch {
			if p.outcome.Kind != crm.Delivered {
				rest = append(rest, p)
			}
		}
		waiting = append(slices.Clone(waiting[len(batch):]), rest...)
	}
}

func (c *courier) expectOnce() {
	c.t.Helper()
	seen := map[string]bool{}
	for i, p := range c.parcels {
		if id := p.outcome.RecordID; id == "" || seen[id] {
			c.t.Errorf("%s ended with record %q, which is none, or another's", p.item.IdempotencyValue, id)
		}
		seen[p.outcome.RecordID] = true
		if i%max(1, len(c.parcels)/manyLeads) != 0 { // the CRM searches all of its records
			continue
		}
		if want := c.crm.RecordID(p.item.Email); p.outcome.RecordID != want || want == "" {
			c.t.Errorf("%s ended with record %q, want %q", p.item.IdempotencyValue, p.outcome.RecordID, want)
		}
	}
	if n := c.crm.Records(); n != len(c.parcels) {
		c.t.Errorf("%d records of %d leads", n, len(c.parcels))
	}
}

// send makes one attempt for each parcel, in halves if the CRM asks for smaller batches.
func (c *courier) send(parcels []*parcel) {
	c.t.Helper()
	items := make([]crm.Item, len(parcels))
	for i, p := range parcels {
		items[i] = p.item
	}
	ctx, cancel := context.WithTimeout(c.t.Context(), callLimit)
	defer cancel()
	began := c.clock.Now()
	outcomes := c.destination.Deliver(ctx, items, upsert)
	if len(outcomes) != len(items) {
		c.t.Fatalf("%d outcomes for %d leads", len(outcomes), len(items))
	}
	var split []*parcel
	wait := time.Second
	for i, p := range parcels {
		p.outcome = outcomes[i]
		wait = max(wait, p.outcome.After)
		switch p.outcome.Kind {
		case crm.Delivered:
		case crm.Unknown:
			p.item.Unanswered = began
			p.item.Progress = p.outcome.Progress
		case crm.Refused: // a person sends it again; it was certainly not accepted
			p.revision++
			p.name()
			p.item.Unanswered, p.item.Progress = time.Time{}, p.outcome.Progress
		case crm.Undecided:
			c.t.Fatalf("%s is left to a person: %+v", p.item.IdempotencyValue, p.outcome)
		case crm.CredentialsRefused:
			wait = max(wait, 30*time.Second)
			p.item.Progress = p.outcome.Progress
		case crm.RateLimited:
			wait = max(wait, 10*time.Second)
			p.item.Progress = p.outcome.Progress
		case crm.Split:
			split = append(split, p)
		default:
			p.item.Progress = p.outcome.Progress
		}
	}
	c.clock.Pass(wait)
	if len(split) == 1 && len(parcels) == 1 {
		c.t.Fatalf("a lead alone cannot be split: %+v", split[0].outcome)
	}
	if len(split) > 0 {
		half := (len(split) + 1) / 2
		c.send(split[:half])
		if half < len(split) {
			c.send(split[half:])
		}
	}
}
