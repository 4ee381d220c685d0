package badger_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	badgerdb "github.com/dgraph-io/badger/v4"
	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	storev1 "github.com/leadgate/leadgate/gen/go/leadgate/store/v1"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/store"
	"github.com/leadgate/leadgate/worker/store/badger"
)

// tried makes a dead lead with more attempts and events than a transaction can hold.
func tried(t *testing.T, o badger.Options, attempts int, email string) (id string) {
	t.Helper()
	s, err := badger.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	id = accept(t, s, withEvent(lead(email)))[0].LeadID
	claims, err := s.Claim(t.Context(), "crm", 1)
	if err != nil {
		t.Fatal(err)
	}
	d := claims.Items[0].Delivery
	d.AttemptCount = int32(attempts)
	step := &store.Step{Claim: claims.Items[0], Delivery: d, Attempt: &leadgatev1.Attempt{Number: int32(attempts), Payload: email}}
	if results, err := s.Begin(t.Context(), step); err != nil || results[0].Err != nil {
		t.Fatal(results, err)
	}
	d.State = leadgatev1.DeliveryState_DELIVERY_STATE_DEAD
	if results, err := s.Settle(t.Context(), step); err != nil || results[0].Err != nil {
		t.Fatal(results, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	lead := uuid.MustParse(id)
	edit(t, o.Dir, func(txn *badgerdb.Txn) error {
		for n := range attempts - 1 {
			attempt, err1 := proto.Marshal(&leadgatev1.Attempt{Number: int32(n) + 1, Payload: email, Error: strings.Repeat("e", 100)})
			told, err2 := proto.Marshal(&storev1.Told{Events: []*leadgatev1.Event{{Kind: &leadgatev1.Event_Lead{Lead: &leadgatev1.LeadEvent{
				LeadId: id, Stage: leadgatev1.Stage_STAGE_RETRY, Person: email,
			}}}}})
			a := append(append([]byte{'a'}, lead[:]...), 'c', 'r', 'm', 0, 0, 0, byte((n+1)>>8), byte(n+1))
			e := append(append([]byte{'t'}, lead[:]...), 0, 0, 0, 0, 0, 1, byte(n>>8), byte(n))
			if err := errors.Join(err1, err2, txn.Set(a, attempt), txn.Set(e, told)); err != nil {
				return err
			}
		}
		return nil
	})
	return id
}

func TestALeadThatWasTriedThousandsOfTimesIsErased(t *testing.T) {
	t.Parallel()
	o := badger.Options{Dir: t.TempDir()}
	id := tried(t, o, 8000, "ada@example.com")
	s := open(t, o)
	results, err := s.Erase(t.Context(), &store.Erasure{LeadID: id})
	if err != nil || results[0].Err != nil || results[0].Attempts != 8000 || results[0].Events != 8000 {
		t.Fatalf("%+v, %v", results, err)
	}
	deliveries, err := s.LeadDeliveries(t.Context(), id)
	if err != nil || len(deliveries[0].GetAttempts()) != 8000 {
		t.Fatal(len(deliveries), err)
	}
	for _, a := range deliveries[0].GetAttempts() {
		if a.GetPayload() != "" || a.GetError() != "" {
			t.Fatalf("an attempt has %v", a)
		}
	}
	events, err := s.Timeline(t.Context(), id)
	if err != nil || strings.Contains(fmt.Sprint(events), "ada@") {
		t.Errorf("the events say of the person, or %v", err)
	}
}

func TestADeliveryThatWasTriedThousandsOfTimesIsDeleted(t *testing.T) {
	t.Parallel()
	o := badger.Options{Dir: t.TempDir()}
	id := tried(t, o, 15_000, "ada@example.com")
	s := open(t, o)
	results, err := s.Delete(t.Context(), &store.Deletion{DeliveryID: id + ".crm"})
	if err != nil || results[0].Err != nil {
		t.Fatalf("%+v, %v", results, err)
	}
	if deliveries, err := s.LeadDeliveries(t.Context(), id); err != nil || len(deliveries) > 0 {
		t.Errorf("%d deliveries are left, %v", len(deliveries), err)
	}
	if events, err := s.Timeline(t.Context(), id); err != nil || len(events) != 15_000 {
		t.Errorf("%d events are left, %v", len(events), err)
	}
}

func TestRetentionRemovesALeadThatWasTriedThousandsOfTimesAndPassesOverADamagedOne(t *testing.T) {
	t.Parallel()
	o := badger.Options{Dir: t.TempDir()}
	damaged := tried(t, o, 8000, "ada@example.com")
	edit(t, o.Dir, func(txn *badgerdb.Txn) error {
		lead := uuid.MustParse(damaged)
		value, err := proto.Marshal(&leadgatev1.Delivery{DeliveryId: "nonsense"})
		return errors.Join(err, txn.Set(append(append([]byte{'d'}, lead[:]...), "zoo"...), value))
	})
	tried(t, o, 8000, "bob@example.com")
	s := open(t, o)
	later := time.Now().Add(time.Hour)
	purged, err := s.Purge(t.Context(), store.Retention{Delivered: later, Undelivered: later}, 100, "")
	if err != nil || len(purged.Undelivered) != 1 || purged.Failed == nil || !strings.Contains(purged.Failed.Error(), damaged) {
		t.Fatalf("%+v, %v", purged, err)
	}
	if _, err := s.Lead(t.Context(), damaged); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if n := keys(t, o.Dir); n['l'] != 1 || n['a'] != 8000 {
		t.Errorf("%d leads and %d attempts are left", n['l'], n['a'])
	}
}
