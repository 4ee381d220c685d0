package main_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
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

// fillStore accepts leads in a data directory, all for one destination, as fast as it can.
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

// waiting is a lead as the gateway accepts it, with a key, for a destination named crm.
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

// backlog is how many leads wait in long tests, for which there are so many seconds to be ready: a million, or as many as
// LEADGATE_SOAK_LEADS says.
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

func TestSoakItIsSoonReadyWithABacklog(t *testing.T) {
	leads, allowed := backlog(t)
	crm := start(t, nil, "simulate", "hubspot", "--listen", "127.0.0.1:0", "--token", token)
	dir := t.TempDir()
	config, data := filepath.Join(dir, "leadgate.yaml"), filepath.Join(dir, "data")
	if err := os.WriteFile(config, fmt.Appendf(nil, footprintConfig, crm.address), 0o600); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	fillStore(t, data, leads)
	t.Logf("%d leads accepted in %v", leads, time.Since(began).Round(time.Second))
	for _, how := range []string{"after it was stopped", "after it was killed"} {
		began = time.Now()
		p := start(t, []string{"HUBSPOT_TOKEN=" + token}, "serve", "--config", config, "--listen", "127.0.0.1:0", "--data-dir", data)
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
