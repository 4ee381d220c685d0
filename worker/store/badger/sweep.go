package badger

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"time"

	badgerdb "github.com/dgraph-io/badger/v4"
	"google.golang.org/protobuf/proto"

	storev1 "github.com/leadgate/leadgate/gen/go/leadgate/store/v1"
	"github.com/leadgate/leadgate/worker/store"
)

const (
	// How much the sweeper removes in one commit, so as not to delay others.
	sweepStep = 500
	// How many events can be resumed after a restart.
	keptEvents = 10_000
)

// sweeper removes expired entries and checks the disk, until the store is closed.
func (s *Store) sweeper(interval time.Duration) {
	sweep, look := time.NewTicker(interval), time.NewTicker(spaceInterval)
	defer sweep.Stop()
	defer look.Stop()
	b := &broom{s: s, expiries: []byte{prefixExpiry}, events: []byte{prefixEvent}}
	for {
		select {
		case <-s.closing:
			return
		case <-look.C:
			_ = s.space.check() // recorded for writers
			s.space.loadBallast()
		case <-sweep.C:
			_ = b.sweep(context.Background()) // what fails now is removed next time
		}
	}
}

// broom removes what has expired: idempotency keys, pointers to old events, values of State. Only the sweeper uses it.
type broom struct {
	s                *Store
	expiries, events mark // low-water marks of the two indexes
}

func (b *broom) sweep(ctx context.Context) error {
	for _, step := range []func(context.Context) (removed int, err error){b.sweepKeys, b.sweepEvents, b.sweepStates} {
		for removed := sweepStep; removed >= sweepStep; {
			var err error
			if removed, err = step(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *broom) sweepKeys(ctx context.Context) (removed int, err error) {
	end := binary.BigEndian.AppendUint64([]byte{prefixExpiry}, uint64(b.s.now().Unix())+1)
	keys, removed, err := b.s.collect(ctx, []byte{prefixExpiry}, b.expiries, func(key, value []byte) (size int, more bool) {
		if bytes.Compare(key, end) >= 0 {
			return 0, false
		}
		err := decodeExpiring(value, func([]byte) error { size++; return nil })
		return size, err == nil
	})
	if err != nil || len(keys) == 0 {
		return 0, err
	}
	if err := b.s.do(ctx, &sweepItem{keys, b.s.removeExpiring}); err != nil {
		return 0, err
	}
	b.expiries = keys[len(keys)-1]
	return removed, nil
}

// removeExpiring removes an entry of the expiry index with its idempotency keys, except those claimed again since.
func (s *Store) removeExpiring(txn *badgerdb.Txn, c *change, key []byte) error {
	c.delete(key)
	item, err := txn.Get(key)
	if err != nil {
		return err
	}
	var problem error
	err = item.Value(func(value []byte) error {
		s.leaveOut(key, decodeExpiring(value, func(name []byte) error {
			known, key := &storev1.IdempotencyKey{}, keyOfKey(name)
			switch err := get(txn, key, known); {
			case errors.Is(err, store.ErrNotFound):
			case err == nil && known.GetExpiresAt() <= s.now().UnixNano(), errors.Is(err, proto.Error):
				c.delete(key)
			case err != nil:
				problem = err
			}
			return nil
		}))
		return nil
	})
	return errors.Join(err, problem)
}

func (b *broom) sweepEvents(ctx context.Context) (removed int, err error) {
	newest, err := b.s.newestEvent(ctx)
	if err != nil || newest <= keptEvents {
		return 0, err
	}
	keys, removed, err := b.s.collect(ctx, []byte{prefixEvent}, b.events, func(key, value []byte) (size int, more bool) {
		pointers, err := decodePointers(key, value)
		if err != nil || len(pointers) == 0 {
			return 1, true
		}
		newer := pointers[len(pointers)-1]
		if newer.first+uint64(newer.count) > newest-keptEvents+1 {
			return 0, false
		}
		return 1, true
	})
	if err != nil || len(keys) == 0 {
		return 0, err
	}
	if err := b.s.do(ctx, &sweepItem{keys, removeKey}); err != nil {
		return 0, err
	}
	b.events = keys[len(keys)-1]
	return removed, nil
}

// newestEvent returns the number of the newest event written; 0 if there is none.
func (s *Store) newestEvent(ctx context.Context) (newest uint64, err error) {
	err = s.view(ctx, func(txn *badgerdb.Txn) error {
		l, err := readLast(txn)
		newest = l.event
		return err
	})
	return newest, err
}

func removeKey(_ *badgerdb.Txn, c *change, key []byte) error {
	c.delete(key)
	return nil
}

func (b *broom) sweepStates(ctx context.Context) (removed int, err error) {
	keys, removed, err := b.s.collect(ctx, []byte{prefixState}, []byte{prefixState}, func(_, value []byte) (size int, more bool) {
		if b.s.expired(value) {
			size = 1
		}
		return size, true
	})
	if err != nil || len(keys) == 0 {
		return 0, err
	}
	return removed, b.s.do(ctx, &sweepItem{keys, b.s.removeState})
}

// removeState removes a value of State, unless it was set again after it was found expired.
func (s *Store) removeState(txn *badgerdb.Txn, c *change, key []byte) error {
	item, err := txn.Get(key)
	if errors.Is(err, badgerdb.ErrKeyNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return item.Value(func(value []byte) error {
		if s.expired(value) {
			c.delete(key)
		}
		return nil
	})
}

// collect returns copies of the keys, from one on, that judge gives a size, and the total of the sizes. It stops when that reaches
// sweepStep. Judge returns size 0 to skip a key, and whether to continue.
func (s *Store) collect(ctx context.Context, prefix, from []byte, judge func(key, value []byte) (size int, more bool)) (keys [][]byte, total int, err error) {
	err = s.view(ctx, func(txn *badgerdb.Txn) error {
		it := txn.NewIterator(badgerdb.IteratorOptions{Prefix: prefix, PrefetchValues: true, PrefetchSize: 100})
		defer it.Close()
		for it.Seek(from); it.Valid() && total < sweepStep; it.Next() {
			var size int
			var more bool
			if err := it.Item().Value(func(value []byte) error {
				size, more = judge(it.Item().Key(), value)
				return nil
			}); err != nil {
				return err
			}
			if size > 0 {
				keys, total = append(keys, it.Item().KeyCopy(nil)), total+size
			}
			if !more {
				return nil
			}
		}
		return nil
	})
	return keys, total, err
}

// sweepItem removes expired keys with a function for their kind.
type sweepItem struct {
	keys   [][]byte
	remove func(txn *badgerdb.Txn, c *change, key []byte) error
}

func (*sweepItem) fail(error) {}

func (it *sweepItem) stage(b *batch, c *change) error {
	for _, key := range it.keys {
		if err := it.remove(b.txn, c, key); err != nil {
			return err
		}
	}
	return nil
}
