package badger

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	badgerdb "github.com/dgraph-io/badger/v4"

	"github.com/leadgate/leadgate/worker/store"
)

// The limits of State, in bytes.
const (
	maxStateKey   = 255
	maxStateValue = 64 << 10
)

// State implements store.Store.
func (s *Store) State(namespace string) store.State { return state{s, namespace} }

// state is one namespace. A stored value is its version (8), its expiry (8, 0 for none), then the value itself.
type state struct {
	s         *Store
	namespace string
}

func (st state) read(txn *badgerdb.Txn, key string) (value []byte, version uint64, err error) {
	item, err := txn.Get(keyOfState(st.namespace, key))
	if errors.Is(err, badgerdb.ErrKeyNotFound) {
		return nil, 0, store.ErrNotFound
	}
	if err != nil {
		return nil, 0, err
	}
	b, err := item.ValueCopy(nil)
	if err != nil {
		return nil, 0, err
	}
	if st.s.expired(b) {
		return nil, 0, store.ErrNotFound
	}
	return b[16:], binary.BigEndian.Uint64(b), nil
}

// expired reports whether an encoded value has expired.
func (s *Store) expired(b []byte) bool {
	expires := int64(binary.BigEndian.Uint64(b[8:]))
	return expires != 0 && s.now().UnixNano() >= expires
}

// Get implements store.State.
func (st state) Get(ctx context.Context, key string) (value []byte, version uint64, err error) {
	err = st.s.view(ctx, func(txn *badgerdb.Txn) (err error) {
		value, version, err = st.read(txn, key)
		return err
	})
	return value, version, err
}

// Put implements store.State.
func (st state) Put(ctx context.Context, key string, value []byte, expires time.Time) error {
	return st.write(ctx, &stateItem{st: st, key: key, value: value, expires: expires})
}

// CompareAndSet implements store.State.
func (st state) CompareAndSet(ctx context.Context, key string, version uint64, value []byte, expires time.Time) error {
	return st.write(ctx, &stateItem{st: st, key: key, value: value, expires: expires, compare: true, version: version})
}

// Delete implements store.State.
func (st state) Delete(ctx context.Context, key string) error {
	return st.write(ctx, &stateItem{st: st, key: key, delete: true})
}

func (st state) write(ctx context.Context, it *stateItem) error {
	if len(it.key) == 0 || len(it.key) > maxStateKey || len(it.value) > maxStateValue || strings.ContainsRune(st.namespace, 0) {
		return fmt.Errorf("state %s/%q: keys are 1 to %d bytes, values at most %d", st.namespace, it.key, maxStateKey, maxStateValue)
	}
	if !it.expires.IsZero() {
		if err := checkTime("the expiry", it.expires); err != nil {
			return fmt.Errorf("state %s/%q: %w", st.namespace, it.key, err)
		}
	}
	if err := st.s.do(ctx, it); err != nil {
		return err
	}
	return it.err
}

type stateItem struct {
	st      state
	key     string
	value   []byte
	expires time.Time
	compare bool
	version uint64
	delete  bool
	err     error
}

func (it *stateItem) fail(err error) { it.err = err }

func (it *stateItem) stage(b *batch, c *change) error {
	key := keyOfState(it.st.namespace, it.key)
	if it.delete {
		c.delete(key)
		return nil
	}
	if it.compare {
		_, version, err := it.st.read(b.txn, it.key)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		if version != it.version {
			return store.ErrConflict
		}
	}
	c.last.version++
	value := binary.BigEndian.AppendUint64(make([]byte, 0, 16+len(it.value)), c.last.version)
	var expires int64
	if !it.expires.IsZero() {
		expires = it.expires.UnixNano()
	}
	value = binary.BigEndian.AppendUint64(value, uint64(expires))
	c.set(key, append(value, it.value...))
	return nil
}

// Keys implements store.State.
func (st state) Keys(ctx context.Context) ([]string, error) {
	var keys []string
	prefix := keyOfState(st.namespace, "")
	err := st.s.view(ctx, func(txn *badgerdb.Txn) error {
		return each(txn, prefix, func(key, value []byte) error {
			if !st.s.expired(value) {
				keys = append(keys, string(key[len(prefix):]))
			}
			return nil
		})
	})
	return keys, err
}
