package badger

import (
	"bytes"
	"context"
	"encoding/binary"
	"time"

	badgerdb "github.com/dgraph-io/badger/v4"
	"google.golang.org/protobuf/proto"

	storev1 "github.com/leadgate/leadgate/gen/go/leadgate/store/v1"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/store"
)

// addCounts applies the changes of a commit to the counts in memory.
func (s *Store) addCounts(changes map[countKey]int64) {
	s.countsMu.Lock()
	defer s.countsMu.Unlock()
	for key, by := range changes {
		counts := s.counts[key.destination]
		if counts == nil {
			counts = map[countKey]int64{}
			s.counts[key.destination] = counts
		}
		counts[key] += by
	}
}

// addTo adds n to the count that the key names.
func (k countKey) addTo(counts *storev1.Counts, n int64) {
	switch {
	case k.hold != 0:
		counts.Holds[int32(k.hold)] += n
	case k.lead != 0:
		counts.Leads[int32(k.lead)] += n
	default:
		counts.Deliveries[int32(k.state)] += n
	}
}

func (s *Store) loadCounts() error {
	return s.db.View(func(txn *badgerdb.Txn) error {
		return each(txn, []byte{prefixCounts}, func(key, value []byte) error {
			counts := &storev1.Counts{}
			if err := proto.Unmarshal(value, counts); err != nil {
				return err
			}
			destination := string(key[1:])
			loaded := map[countKey]int64{}
			for state, n := range counts.GetDeliveries() {
				loaded[countKey{destination: destination, state: leadgatev1.DeliveryState(state)}] = n
			}
			for state, n := range counts.GetLeads() {
				loaded[countKey{lead: leadgatev1.LeadState(state)}] = n
			}
			for reason, n := range counts.GetHolds() {
				loaded[countKey{hold: leadgatev1.HoldReason(reason)}] = n
			}
			s.counts[destination] = loaded
			return nil
		})
	})
}

// Counts implements store.Store.
func (s *Store) Counts(ctx context.Context) (map[string]store.Counts, error) {
	if s.closed.Load() {
		return nil, errClosing
	}
	all := map[string]store.Counts{}
	s.countsMu.Lock()
	for destination, counts := range s.counts {
		if destination == "" { // leads
			continue
		}
		byState := map[leadgatev1.DeliveryState]int64{}
		for key, n := range counts {
			byState[key.state] = n
		}
		all[destination] = store.Counts{ByState: byState}
	}
	s.countsMu.Unlock()
	for destination, counts := range all {
		oldest, err := s.oldestWaiting(ctx, destination)
		if err != nil {
			return nil, err
		}
		counts.OldestWaiting = oldest
		all[destination] = counts
	}
	return all, nil
}

// destinations returns the names of all destinations that ever had a delivery.
func (s *Store) destinations() []string {
	s.countsMu.Lock()
	defer s.countsMu.Unlock()
	names := make([]string, 0, len(s.counts))
	for name := range s.counts {
		if name != "" {
			names = append(names, name)
		}
	}
	return names
}

// LeadCounts implements store.Store.
func (s *Store) LeadCounts(context.Context) (store.LeadCounts, error) {
	if s.closed.Load() {
		return store.LeadCounts{}, errClosing
	}
	all := store.LeadCounts{ByState: map[leadgatev1.LeadState]int64{}, Held: map[leadgatev1.HoldReason]int64{}}
	s.countsMu.Lock()
	defer s.countsMu.Unlock()
	for key, n := range s.counts[""] {
		if key.hold != 0 {
			all.Held[key.hold] = n
		} else {
			all.ByState[key.lead] = n
		}
	}
	return all, nil
}

// oldestWaiting returns when the lead of the oldest waiting delivery was accepted.
func (s *Store) oldestWaiting(ctx context.Context, destination string) (oldest time.Time, err error) {
	oldest, _, err = s.firstWaiting(ctx, destination)
	return oldest, err
}

// firstWaiting returns when the lead of the oldest waiting delivery was accepted, and the mark of the index.
func (s *Store) firstWaiting(ctx context.Context, destination string) (oldest time.Time, from mark, err error) {
	l := s.lane(destination)
	l.mu.Lock()
	defer l.mu.Unlock()
	err = s.view(ctx, func(txn *badgerdb.Txn) error {
		it := txn.NewIterator(badgerdb.IteratorOptions{Prefix: l.waitingPrefix, PrefetchValues: false})
		defer it.Close()
		it.Seek(l.waitingMark)
		if !it.Valid() { // leads accepted from now on come after all earlier ones
			last, err := readLast(txn)
			if next := keyOfWaiting(destination, last.sequence+1); err == nil && bytes.Compare(next, l.waitingMark) > 0 {
				l.waitingMark = next
			}
			return err
		}
		l.waitingMark = it.Item().KeyCopy(nil)
		return it.Item().Value(func(value []byte) error {
			oldest = time.Unix(0, int64(binary.BigEndian.Uint64(value))).UTC()
			return nil
		})
	})
	return oldest, l.waitingMark, err
}
