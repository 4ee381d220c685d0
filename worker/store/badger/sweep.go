package badger

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"time"

	badgerdb "github.com/dgraph-io/badger/v4"

	storev1 "github.com/leadgate/leadgate/gen/go/leadgate/store/v1"
	"github.com/leadgate/leadgate/worker/store"
)

const (
	// How much the sweeper removes in one commit, so that it never holds up those who wait for theirs.
	sweepStep = 500
	// How many events can be resumed after a restart.
	keptEvents = 10_000
)

// sweeper removes what has expired, and looks at the disk, until the store is closed.
func (s *Store) sweeper(interval time.Duration) {
	sweep, look := time.NewTicker(interval), time.NewTicker(spaceInterval)
	defer sweep.Stop()
	defer look.Stop()
	var mark []byte // no expiry is below
	for {
		select {
		case <-s.closing:
			return
		case <-look.C:
			_ = s.space.check() // remembered, and told to whoever writes
		case <-sweep.C:
			// What is not removed now is removed next time.
			mark, _ = s.sweep(mark)
		}
	}
}

// sweep removes what has expired by now, and returns how far it came.
func (s *Store) sweep(mark []byte) ([]byte, error) {
	ctx := context.Background()
	for {
		found, err := s.expiredKeys(ctx, mark)
		if err != nil {
			return mark, err
		}
		events, err := s.oldEvents(ctx)
		if err != nil {
			return mark, err
		}
		states, err := s.expiredState(ctx)
		if err != nil {
			return mark, err
		}
		if len(found)+len(events)+len(states) == 0 {
			return mark, nil
		}
		if err := s.do(ctx, &sweepItem{s, found, events, states}); err != nil {
			return mark, err
		}
		if len(found) > 0 {
			mark = found[len(found)-1]
		}
		if s.closed.Load() {
			return mark, nil
		}
	}
}

// expiredKeys returns expiry index keys whose time is up, at most sweepStep, from a mark on.
func (s *Store) expiredKeys(ctx context.Context, mark []byte) ([][]byte, error) {
	if mark == nil {
		mark = []byte{prefixExpiry}
	}
	end := binary.BigEndian.AppendUint64([]byte{prefixExpiry}, uint64(s.now().UnixNano())+1)
	return s.collect(ctx, []byte{prefixExpiry}, mark, func(key, _ []byte) (take, more bool) {
		due := bytes.Compare(key, end) < 0
		return due, due
	})
}

// oldEvents returns the pointers to all events but the newest.
func (s *Store) oldEvents(ctx context.Context) ([][]byte, error) {
	var newest uint64
	err := s.view(ctx, func(txn *badgerdb.Txn) error {
		it := txn.NewIterator(badgerdb.IteratorOptions{Prefix: []byte{prefixEvent}, Reverse: true})
		defer it.Close()
		if it.Seek(after([]byte{prefixEvent})); it.Valid() {
			newest = binary.BigEndian.Uint64(it.Item().Key()[1:])
		}
		return nil
	})
	if err != nil || newest <= keptEvents {
		return nil, err
	}
	end := keyOfEvent(newest - keptEvents + 1)
	return s.collect(ctx, []byte{prefixEvent}, []byte{prefixEvent}, func(key, _ []byte) (take, more bool) {
		old := bytes.Compare(key, end) < 0
		return old, old
	})
}

func (s *Store) expiredState(ctx context.Context) ([][]byte, error) {
	return s.collect(ctx, []byte{prefixState}, []byte{prefixState}, func(_, value []byte) (take, more bool) {
		return s.expired(value), true
	})
}

// collect returns copies of at most sweepStep keys that are to be taken, from one on.
func (s *Store) collect(ctx context.Context, prefix, from []byte, judge func(key, value []byte) (take, more bool)) ([][]byte, error) {
	var keys [][]byte
	err := s.view(ctx, func(txn *badgerdb.Txn) error {
		it := txn.NewIterator(badgerdb.IteratorOptions{Prefix: prefix, PrefetchValues: true, PrefetchSize: 100})
		defer it.Close()
		for it.Seek(from); it.Valid() && len(keys) < sweepStep; it.Next() {
			var take, more bool
			if err := it.Item().Value(func(value []byte) error {
				take, more = judge(it.Item().Key(), value)
				return nil
			}); err != nil {
				return err
			}
			if take {
				keys = append(keys, it.Item().KeyCopy(nil))
			}
			if !more {
				return nil
			}
		}
		return nil
	})
	return keys, err
}

// sweepItem removes expired idempotency keys with their index, pointers to old events, and expired values of State.
type sweepItem struct {
	s       *Store
	expired [][]byte
	events  [][]byte
	states  [][]byte
}

func (*sweepItem) fail(error) {}

func (it *sweepItem) stage(b *batch, c *change) error {
	for _, key := range it.expired {
		c.delete(key)
		expires, name := int64(binary.BigEndian.Uint64(key[1:9])), key[9:]
		// The key may have been claimed anew since; then it has another expiry.
		known := &storev1.IdempotencyKey{}
		err := get(b.txn, join(prefixKey, len(name), name), known)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		if err == nil && known.GetExpiresAt() == expires {
			c.delete(join(prefixKey, len(name), name))
		}
	}
	for _, key := range it.events {
		c.delete(key)
	}
	for _, key := range it.states {
		expired, err := it.s.stillExpired(b.txn, key)
		if err != nil {
			return err
		}
		if expired {
			c.delete(key)
		}
	}
	return nil
}

// stillExpired reports whether a value of State has not been set anew since it was found expired.
func (s *Store) stillExpired(txn *badgerdb.Txn, key []byte) (expired bool, err error) {
	item, err := txn.Get(key)
	if errors.Is(err, badgerdb.ErrKeyNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	err = item.Value(func(value []byte) error {
		expired = s.expired(value)
		return nil
	})
	return expired, err
}
