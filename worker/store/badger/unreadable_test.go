package badger_test

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	badgerdb "github.com/dgraph-io/badger/v4"
	"github.com/google/uuid"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/store"
	"github.com/leadgate/leadgate/worker/store/badger"
)

// garble makes the record of one lead and the delivery of another unreadable.
func garble(t *testing.T, o badger.Options, lead, ofDelivery string) {
	t.Helper()
	record, delivery := uuid.MustParse(lead), uuid.MustParse(ofDelivery)
	edit(t, o.Dir, func(txn *badgerdb.Txn) error {
		return errors.Join(
			txn.Set(append([]byte{'l'}, record[:]...), []byte("\xff nonsense")),
			txn.Set(append(append([]byte{'d'}, delivery[:]...), "crm"...), []byte("\xff nonsense")),
		)
	})
}

func TestRetentionPassesOverWhatCannotBeRead(t *testing.T) {
	t.Parallel()
	o := badger.Options{Dir: t.TempDir()}
	s := open(t, o)
	var ids []string
	for i := range 6 {
		ids = append(ids, accept(t, s, lead(fmt.Sprintf("p%d@example.com", i)))[0].LeadID)
	}
	end(t, s, "crm", 6, leadgatev1.DeliveryState_DELIVERY_STATE_DELIVERED)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	garble(t, o, ids[0], ids[2])
	s = open(t, o)
	later := time.Now().Add(time.Hour)
	removed, failed := 0, ""
	for token := ""; ; {
		purged, err := s.Purge(t.Context(), store.Retention{Delivered: later, Undelivered: later}, 2, token)
		if err != nil {
			t.Fatal(err)
		}
		removed += purged.Delivered
		failed += fmt.Sprintln(purged.Failed)
		if token = purged.Next; token == "" {
			break
		}
	}
	if removed != 4 || !strings.Contains(failed, ids[0]) || !strings.Contains(failed, ids[2]) {
		t.Errorf("%d of 4 were removed; failed: %s", removed, failed)
	}
}

// One lead that cannot be read costs no other its delivery.
func TestWhatCannotBeReadHoldsUpNoClaim(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	o := badger.Options{Dir: t.TempDir(), Logger: slog.New(slog.NewTextHandler(&log, nil))}
	s := open(t, o)
	var ids []string
	for i := range 6 {
		ids = append(ids, accept(t, s, lead(fmt.Sprintf("p%d@example.com", i)))[0].LeadID)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	garble(t, o, ids[0], ids[2])
	s = open(t, o)
	var claimed []string
	for range 10 {
		claims, err := s.Claim(t.Context(), "crm", 1)
		if err != nil {
			t.Fatal(err)
		}
		for _, claim := range claims.Items {
			claimed = append(claimed, claim.Record.GetLeadId())
		}
	}
	if want := []string{ids[1], ids[3], ids[4], ids[5]}; !slices.Equal(claimed, want) {
		t.Errorf("claimed %v, want %v", claimed, want)
	}
	for _, i := range []int{0, 2} {
		if n := strings.Count(log.String(), ids[i]); n != 1 {
			t.Errorf("lead %d is told of %d times: %s", i, n, log.String())
		}
	}
}
