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
	b := &broom{s: s, expiries: []byte{prefixExpiry}, events: []byte{prefixEvent}}
	for {
		select {
		case <-s.closing:
			return
		case <-look.C:
			_ = s.space.check() // remembered, and told to whoever writes
			s.space.loadBallast()
		case <-sweep.C:
			_ = b.sweep(context.Background()) // what is not removed now is removed next time
		}
	}
}

// broom removes what has expired: idempotency keys, pointers to old events, values of State. It belongs to the sweeper.
type broom struct {
	s *Store
	// Low-water marks: no key is below. Looking from a mark skips what was deleted before, of which there may be millions.
	expiries, events []byte
}

func (b *broom) sweep(ctx context.Context) error {
	for _, step := range []func(context.Context) (removed int, err error){b.sweepKeys, b.sweepEvents, b.sweepStates} {
		for removed := sweepStep; removed == sweepStep; {
			var err error
			if removed, err = step(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *broom) sweepKeys(ctx context.Context) (removed int, err error) {
	end := binary.BigEndian.AppendUint64([]byte{prefixExpiry}, uint64(b.s.now().UnixNano())+1)
	keys, err := b.s.collect(ctx, []byte{prefixExpiry}, b.expiries, func(key, _ []byte) (take, more bool) {
		due := bytes.Compare(key, end) < 0
		return due, due
	})
	if err != nil || len(keys) == 0 {
		return 0, err
	}
	if err := b.s.do(ctx, &sweepItem{keys, removeExpiry}); err != nil {
		return 0, err
	}
	b.expiries = keys[len(keys)-1]
	return len(keys), nil
}

// removeExpiry removes an entry of the expiry index with its idempotency key, unless that was claimed anew since, with
// another expiry.
func removeExpiry(txn *badgerdb.Txn, c *change, key []byte) error {
	c.delete(key)
	expires, name := int64(binary.BigEndian.Uint64(key[1:9])), key[9:]
	known := &storev1.IdempotencyKey{}
	err := get(txn, join(prefixKey, len(name), name), known)
	if err == nil && known.GetExpiresAt() == expires {
		c.delete(join(prefixKey, len(name), name))
	}
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}

func (b *broom) sweepEvents(ctx context.Context) (removed int, err error) {
	newest, err := b.s.newestEvent(ctx)
	if err != nil || newest <= keptEvents {
		return 0, err
	}
	keys, err := b.s.collect(ctx, []byte{prefixEvent}, b.events, func(key, value []byte) (take, more bool) {
		first, count := binary.BigEndian.Uint64(key[1:]), uint64(value[len(value)-1])
		old := first+count <= newest-keptEvents+1
		return old, old
	})
	if err != nil || len(keys) == 0 {
		return 0, err
	}
	if err := b.s.do(ctx, &sweepItem{keys, removeKey}); err != nil {
		return 0, err
	}
	b.events = keys[len(keys)-1]
	return len(keys), nil
}

// newestEvent returns the number of the newest event that was written; 0 if there is none.
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
	keys, err := b.s.collect(ctx, []byte{prefixState}, []byte{prefixState}, func(_, value []byte) (take, more bool) {
		return b.s.expired(value), true
	})
	if err != nil || len(keys) == 0 {
		return 0, err
	}
	return len(keys), b.s.do(ctx, &sweepItem{keys, b.s.removeState})
}

// removeState removes a value of State, unless it has been set anew since it was found expired.
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

// sweepItem removes keys that have expired, each as its kind wants it.
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
