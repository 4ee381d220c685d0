package badger_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/store"
	"github.com/leadgate/leadgate/worker/store/badger"
)

// victimDir is the environment variable with the data directory of a victim; it turns the test binary into one.
const victimDir = "LEADGATE_TEST_VICTIM_DIR"

// Lines that a victim prints once the store has acknowledged the action.
const (
	saidAccepted  = "accepted"
	saidDelivered = "delivered"
)

// victim accepts and delivers until it is killed. Each lead's idempotency key is its ID.
func victim(dir string) {
	s, err := badger.Open(badger.Options{Dir: dir})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	failed := make(chan error)
	for caller := range 8 {
		go func() { failed <- acceptForEver(s, fmt.Sprintf("p%d@example.com", caller)) }()
	}
	go func() { failed <- deliverForEver(s) }()
	fmt.Fprintln(os.Stderr, <-failed)
	os.Exit(1)
}

func acceptForEver(s store.Store, email string) error {
	for {
		a := withEvent(lead(email))
		a.Key = &store.Key{Scope: "contact", Value: a.Record.GetLeadId(), Expires: time.Now().Add(time.Hour)}
		results, err := s.Accept(context.Background(), a)
		if err != nil {
			return err
		}
		if err := results[0].Err; err != nil {
			return err
		}
		fmt.Println(saidAccepted, results[0].LeadID)
	}
}

func deliverForEver(s store.Store) error {
	for {
		claims, err := s.Claim(context.Background(), "crm", 5)
		if err != nil {
			return err
		}
		if len(claims.Items) == 0 {
			<-s.Notify("crm")
			continue
		}
		steps := make([]*store.Step, len(claims.Items))
		for i, claim := range claims.Items {
			steps[i] = begun(claim)
		}
		for _, move := range []func(context.Context, ...*store.Step) ([]store.Stepped, error){s.Begin, s.Settle} {
			results, err := move(context.Background(), steps...)
			for i, result := range results {
				err = errors.Join(err, result.Err)
				steps[i].Delivery.State = leadgatev1.DeliveryState_DELIVERY_STATE_DELIVERED
			}
			if err != nil {
				return err
			}
		}
		for _, step := range steps {
			fmt.Println(saidDelivered, step.Delivery.GetDeliveryId())
		}
	}
}

// begun returns the step that begins the next attempt of a claimed delivery.
func begun(claim *store.Claim) *store.Step {
	d := proto.CloneOf(claim.Delivery)
	d.AttemptCount++
	return &store.Step{Claim: claim, Delivery: d, Attempt: &leadgatev1.Attempt{
		Number: d.GetAttemptCount(), Revision: 1, StartTime: timestamppb.Now(), Payload: `{"email":"ada@example.com"}`,
	}}
}

// A kill loses what the process has not passed to the operating system; what is not on disk, only a power cut would lose.
//
// This test does not run in parallel with others: between fork and exec, a child holds all their locks.
func TestNothingAcknowledgedIsLostWhenTheProcessIsKilled(t *testing.T) {
	kills := 4
	if os.Getenv("LEADGATE_SOAK") != "" {
		kills = 100
	}
	dir := t.TempDir()
	accepted, delivered := map[string]bool{}, map[string]bool{}
	for range kills {
		for _, line := range killed(t, dir, 100+rand.IntN(2000)) {
			switch what, id, _ := strings.Cut(line, " "); what {
			case saidAccepted:
				accepted[id] = true
			case saidDelivered:
				delivered[id] = true
			}
		}
		expectAll(t, dir, accepted, delivered)
	}
	t.Logf("%d leads were accepted and %d delivered between %d kills", len(accepted), len(delivered), kills)
}

// killed starts a victim, kills it after a number of lines, and returns all its lines.
func killed(t *testing.T, dir string, after int) []string {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), victimDir+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var lines []string
	said := bufio.NewReader(out)
	for {
		line, err := said.ReadString('\n')
		if errors.Is(err, io.EOF) { // ignore an incomplete line
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if lines = append(lines, strings.TrimSpace(line)); len(lines) == after {
			_ = cmd.Process.Kill()
		}
	}
	if err := cmd.Wait(); err == nil || len(lines) < after {
		t.Fatalf("the victim ended by itself after %d lines: %v", len(lines), err)
	}
	return lines
}

func expectAll(t *testing.T, dir string, accepted, delivered map[string]bool) {
	t.Helper()
	s, err := badger.Open(badger.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	for id := range accepted {
		if _, err := s.Lead(t.Context(), id); err != nil {
			t.Fatalf("lead %s was accepted: %v", id, err)
		}
		if known, err := s.LookUp(t.Context(), &store.Key{Scope: "contact", Value: id}); err != nil || known.LeadID != id {
			t.Fatalf("the key of lead %s: %+v, %v", id, known, err)
		}
	}
	for id := range delivered {
		d, err := s.Delivery(t.Context(), id)
		if err != nil || d.GetState() != leadgatev1.DeliveryState_DELIVERY_STATE_DELIVERED {
			t.Fatalf("delivery %s was delivered: %v, %v", id, d, err)
		}
	}
	expectCountsOfScan(t, s)
}

// expectCountsOfScan expects that the counts match the deliveries, and that none is in flight.
func expectCountsOfScan(t *testing.T, s store.Store) {
	t.Helper()
	scanned := map[leadgatev1.DeliveryState]int64{}
	for token, first := "", true; first || token != ""; first = false {
		page, next, err := s.Deliveries(t.Context(), store.DeliveryQuery{Destination: "crm"}, 1000, token)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range page {
			scanned[d.GetState()]++
		}
		token = next
	}
	counts, err := s.Counts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	counted := counts["crm"].ByState
	maps.DeleteFunc(counted, func(_ leadgatev1.DeliveryState, n int64) bool { return n == 0 })
	if !maps.Equal(counted, scanned) || scanned[leadgatev1.DeliveryState_DELIVERY_STATE_IN_FLIGHT] != 0 {
		t.Errorf("counts are %v, a scan finds %v", counted, scanned)
	}
}
