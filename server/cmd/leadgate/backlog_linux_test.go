package main_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/timestamppb"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/store"
	"github.com/leadgate/leadgate/worker/store/badger"
)

// fillStore accepts leads in a data directory as fast as it can, all for one destination.
func fillStore(t *testing.T, dir string, leads int) {
	t.Helper()
	s, err := badger.Open(badger.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	const step = 1000
	var (
		fillers sync.WaitGroup
		next    atomic.Int64
		mu      sync.Mutex
		problem error
	)
	for range 2 {
		fillers.Go(func() {
			for {
				start := int(next.Add(step)) - step
				if start >= leads {
					return
				}
				acceptances := make([]*store.Acceptance, min(step, leads-start))
				for i := range acceptances {
					acceptances[i] = waiting(start + i)
				}
				results, err := s.Accept(context.Background(), acceptances...)
				for _, r := range results {
					err = errors.Join(err, r.Err)
				}
				if err != nil {
					mu.Lock()
					problem = err
					mu.Unlock()
					return
				}
			}
		})
	}
	fillers.Wait()
	if err := errors.Join(problem, s.Close()); err != nil {
		t.Fatal(err)
	}
}

// waiting returns a lead as the gateway accepts it, with a key, for a destination named crm.
func waiting(n int) *store.Acceptance {
	now := timestamppb.Now()
	r := &leadgatev1.LeadRecord{
		LeadId: uuid.Must(uuid.NewV7()).String(), State: leadgatev1.LeadState_LEAD_STATE_OPEN, CreateTime: now,
		Lead: &leadgatev1.Lead{
			Email: fmt.Sprintf("p%d@example.com", n), FirstName: "Ada", LastName: "Lovelace", Company: "Analytical Engines", Country: "GB",
			Message: strings.Repeat("Please call me. ", 6), Source: &leadgatev1.Source{Form: "contact", PageUrl: "https://www.example.com/contact"},
		},
	}
	return &store.Acceptance{
		Record: r, Destinations: []string{"crm"},
		Key: &store.Key{Scope: "contact", Value: r.GetLeadId(), Expires: now.AsTime().Add(24 * time.Hour)},
		Events: []*leadgatev1.Event{{Time: now, Kind: &leadgatev1.Event_Lead{Lead: &leadgatev1.LeadEvent{
			Stage: leadgatev1.Stage_STAGE_QUEUED, LeadId: r.GetLeadId(), Form: "contact", Destination: "crm",
		}}}},
	}
}

// backlog returns how many leads wait in long tests, a million or LEADGATE_SOAK_LEADS, and how long the gateway may take to be
// ready with them.
func backlog(t *testing.T) (leads int, ready time.Duration) {
	t.Helper()
	if os.Getenv("LEADGATE_SOAK") == "" {
		t.Skip("it takes minutes; make soak runs it")
	}
	leads = 1_000_000
	if n := os.Getenv("LEADGATE_SOAK_LEADS"); n != "" {
		var err error
		if leads, err = strconv.Atoi(n); err != nil {
			t.Fatal(err)
		}
	}
	if leads > 1_000_000 {
		return leads, 10 * time.Second
	}
	return leads, 2 * time.Second
}

func TestSoakWithABacklogItIsSoonReadyAndAcceptsAsFast(t *testing.T) {
	leads, allowed := backlog(t)
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	began := time.Now()
	fillStore(t, data, leads)
	t.Logf("%d leads accepted in %v", leads, time.Since(began).Round(time.Second))
	t.Run("Ready", func(t *testing.T) { soonReady(t, data, leads, allowed) })
	t.Run("Throughput", func(t *testing.T) { asFast(t, data, filepath.Join(dir, "new"), leads) })
}

const footprintConfig = `
destinations:
  crm:
    hubspot: { token: "${env:HUBSPOT_TOKEN}", base_url: "http://%s" }
    limits: { requests_per_second: 100, concurrency: 4 }
`

// backlogged starts a gateway on a data directory.
func backlogged(t *testing.T, data string) *process {
	t.Helper()
	crm := start(t, nil, "simulate", "hubspot", "--listen", "127.0.0.1:0", "--token", token)
	config := filepath.Join(t.TempDir(), "leadgate.yaml")
	if err := os.WriteFile(config, fmt.Appendf(nil, footprintConfig, crm.address), 0o600); err != nil {
		t.Fatal(err)
	}
	return start(t, []string{"HUBSPOT_TOKEN=" + token}, "serve", "--config", config, "--listen", "127.0.0.1:0", "--data-dir", data)
}

func soonReady(t *testing.T, data string, leads int, allowed time.Duration) {
	for _, how := range []string{"after it was stopped", "after it was killed"} {
		began := time.Now()
		p := backlogged(t, data)
		for {
			if a := request(t, "GET", "http://"+p.address+"/readyz", "", ""); a.status == http.StatusOK {
				break
			}
			time.Sleep(time.Millisecond)
		}
		ready := time.Since(began)
		a := request(t, "POST", "http://"+p.address+"/v1/leads", "application/json", `{"lead":{"email":"new@example.com"}}`)
		accepted := time.Since(began)
		stage, events := "", p.watchFrom("last=0")
		for deadline := time.After(patience); stage != "STAGE_SUCCESS"; {
			select {
			case e := <-events:
				stage = e.Lead.Stage
			case <-deadline:
				t.Fatal("nothing is delivered")
			}
		}
		t.Logf("%d leads wait, %s: ready after %v, a lead accepted after %v, one delivered after %v; %v",
			leads, how, ready.Round(time.Millisecond), accepted.Round(time.Millisecond), time.Since(began).Round(time.Millisecond), p.memory())
		if a.status != http.StatusCreated {
			t.Errorf("it answers %d %s", a.status, a.text)
		}
		if ready > allowed {
			t.Errorf("ready after %v", ready)
		}
		p.kill()
	}
}

// asFast compares how fast leads are accepted behind a backlog with how fast the first ones are in a new directory. The two take
// turns, because the load of the machine varies.
func asFast(t *testing.T, data, fresh string, backlog int) {
	const (
		turns       = 10
		turn        = 10_000 // 100,000 in all turns
		connections = 64
	)
	gateways := [2]*process{backlogged(t, fresh), backlogged(t, data)}
	var rates [2][]float64
	for _, p := range gateways {
		if a := request(t, "POST", "http://"+p.address+"/v1/destinations/crm:pause", "application/json", "{}"); a.status != http.StatusOK {
			t.Fatalf("pause: %d %s", a.status, a.text)
		}
	}
	for range turns {
		for i, p := range gateways {
			began := time.Now()
			var left atomic.Int64
			left.Store(turn)
			if n := p.submitMany(connections, func() bool { return left.Add(-1) >= 0 }); n != turn {
				t.Fatalf("%d of %d leads were accepted", n, turn)
			}
			rates[i] = append(rates[i], turn/time.Since(began).Seconds())
		}
	}
	for i := range rates {
		slices.Sort(rates[i])
	}
	first, behind := rates[0][turns/2], rates[1][turns/2]
	t.Logf("leads accepted a second over %d connections: %.0f (%.0f to %.0f) of the first %d, %.0f (%.0f to %.0f) behind %d",
		connections, first, rates[0][0], rates[0][turns-1], turns*turn, behind, rates[1][0], rates[1][turns-1], backlog)
	if behind < 0.8*first {
		t.Errorf("behind %d leads it accepts %.0f a second, %.0f %% of the %.0f at first", backlog, behind, 100*behind/first, first)
	}
	for _, p := range gateways {
		if err := p.stop(); err != nil {
			t.Error(err)
		}
	}
}

// submitMany submits leads over that many connections, one after the other on each, while more returns true. It returns how many
// were accepted.
func (p *process) submitMany(connections int, more func() bool) int64 {
	p.t.Helper()
	var (
		callers  sync.WaitGroup
		accepted atomic.Int64
	)
	for range connections {
		callers.Go(func() {
			conn, err := net.Dial("tcp", p.address)
			if err != nil {
				p.t.Error(err)
				return
			}
			defer conn.Close()
			answers := bufio.NewReader(conn)
			for more() {
				if err := submitOver(conn, answers); err != nil {
					p.t.Error(err)
					return
				}
				accepted.Add(1)
			}
		})
	}
	callers.Wait()
	return accepted.Load()
}

// submitOver posts one lead with a new key.
func submitOver(conn net.Conn, answers *bufio.Reader) error {
	id := uuid.NewString()
	text := fmt.Sprintf(`{"lead":{"email":"ada%s@example.com","firstName":"Ada","lastName":"Lovelace","phone":"+14155550132",`+
		`"company":"Analytical Engines","country":"US","message":"12 km each way, one steep hill.","custom":{"budget":"4000"}},`+
		`"idempotencyKey":"%s"}`, id[:8], id)
	if _, err := fmt.Fprintf(conn, "POST /v1/leads HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(text), text); err != nil {
		return err
	}
	a, err := http.ReadResponse(answers, nil)
	if err != nil {
		return err
	}
	content, err := io.ReadAll(a.Body)
	if err = errors.Join(err, a.Body.Close()); err != nil {
		return err
	}
	if a.StatusCode != http.StatusCreated {
		return fmt.Errorf("%s: %s", a.Status, content)
	}
	return nil
}
