package badger

import (
	"context"
	"encoding/binary"
	"maps"
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
			counts = map[leadgatev1.DeliveryState]int64{}
			s.counts[key.destination] = counts
		}
		counts[key.state] += by
	}
}

func (s *Store) loadCounts() error {
	return s.db.View(func(txn *badgerdb.Txn) error {
		return each(txn, []byte{prefixCounts}, func(key, value []byte) error {
			counts := &storev1.Counts{}
			if err := proto.Unmarshal(value, counts); err != nil {
				return err
			}
			byState := map[leadgatev1.DeliveryState]int64{}
			for state, n := range counts.GetDeliveries() {
				byState[leadgatev1.DeliveryState(state)] = n
			}
			s.counts[string(key[1:])] = byState
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
		all[destination] = store.Counts{ByState: maps.Clone(counts)}
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

// oldestWaiting is when the lead of the oldest waiting delivery was accepted.
func (s *Store) oldestWaiting(ctx context.Context, destination string) (oldest time.Time, err error) {
	l := s.lane(destination)
	l.mu.Lock()
	defer l.mu.Unlock()
	err = s.view(ctx, func(txn *badgerdb.Txn) error {
		it := txn.NewIterator(badgerdb.IteratorOptions{Prefix: l.waitingPrefix, PrefetchValues: false})
		defer it.Close()
		it.Seek(l.waitingMark)
		if !it.Valid() {
			return nil
		}
		l.waitingMark = it.Item().KeyCopy(nil)
		return it.Item().Value(func(value []byte) error {
			oldest = time.Unix(0, int64(binary.BigEndian.Uint64(value))).UTC()
			return nil
		})
	})
	return oldest, err
}
