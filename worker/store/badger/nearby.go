package badger

import (
	"bytes"
	"fmt"

	badgerdb "github.com/dgraph-io/badger/v4"
	"google.golang.org/protobuf/proto"

	"github.com/leadgate/leadgate/worker/store"
)

const (
	// Up to this many keys are read one by one; for more, an iterator is worthwhile.
	fewKeys = 4
	// How many keys an iterator steps over before it seeks instead.
	mostSteps = 8
)

// nearby reads messages whose keys are requested in ascending order and mostly lie close together, like leads that were accepted
// in succession. Reading a single key decompresses a whole block; stepping to it does not.
type nearby struct {
	txn *badgerdb.Txn
	it  *badgerdb.Iterator // nil: there are few keys
	set bool               // it is positioned
}

// newNearby returns a reader for n keys with a prefix. Call close before the transaction ends.
func newNearby(txn *badgerdb.Txn, prefix byte, n int) *nearby {
	r := &nearby{txn: txn}
	if n > fewKeys {
		r.it = txn.NewIterator(badgerdb.IteratorOptions{Prefix: []byte{prefix}})
	}
	return r
}

func (r *nearby) close() {
	if r.it != nil {
		r.it.Close()
	}
}

// get reads a message. Errors: store.ErrNotFound, store.ErrUnreadable.
func (r *nearby) get(key []byte, into proto.Message) error {
	if r.it == nil {
		return get(r.txn, key, into)
	}
	if !r.stepTo(key) {
		r.it.Seek(key)
		r.set = true
	}
	if !r.it.Valid() || !bytes.Equal(r.it.Item().Key(), key) {
		return store.ErrNotFound
	}
	return r.it.Item().Value(func(value []byte) error { return decode(key, value, into) })
}

// each calls fn for every key with a prefix, in order. Key and value are only valid during the call.
func (r *nearby) each(prefix []byte, fn func(key, value []byte) error) error {
	if r.it == nil {
		return each(r.txn, prefix, fn)
	}
	if !r.stepTo(prefix) {
		r.it.Seek(prefix)
		r.set = true
	}
	for ; r.it.ValidForPrefix(prefix); r.it.Next() {
		if err := r.it.Item().Value(func(value []byte) error { return fn(r.it.Item().Key(), value) }); err != nil {
			return err
		}
	}
	return nil
}

// stepTo steps to a key or, if it is missing, the next one. It reports whether that is the iterator's position now.
func (r *nearby) stepTo(key []byte) bool {
	if !r.set || !r.it.Valid() || bytes.Compare(r.it.Item().Key(), key) > 0 {
		return false
	}
	for range mostSteps {
		if !r.it.Valid() || bytes.Compare(r.it.Item().Key(), key) >= 0 {
			return true
		}
		r.it.Next()
	}
	return r.it.Valid() && bytes.Equal(r.it.Item().Key(), key)
}

func decode(key, value []byte, into proto.Message) error {
	if err := proto.Unmarshal(value, into); err != nil {
		return fmt.Errorf("%w: the record under %q: %w", store.ErrUnreadable, key[:1], err)
	}
	return nil
}
