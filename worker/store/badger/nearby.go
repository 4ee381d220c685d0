package badger

import (
	"bytes"
	"fmt"

	badgerdb "github.com/dgraph-io/badger/v4"
	"google.golang.org/protobuf/proto"

	"github.com/leadgate/leadgate/worker/store"
)

const (
	// So many keys are read one by one; more of them are worth an iterator.
	fewKeys = 4
	// An iterator steps over so many keys in between before it looks for the next one anew.
	mostSteps = 8
)

// nearby reads messages whose keys are asked for in ascending order and mostly lie close together, as leads that were accepted one
// after the other do. Reading a key by itself has a whole block of others unpacked for it; stepping to it does not.
type nearby struct {
	txn *badgerdb.Txn
	it  *badgerdb.Iterator // nil: the keys are few
	set bool               // it stands somewhere
}

// newNearby is for n keys of a prefix. close is to be called before the transaction ends.
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

// get reads a message. Error: store.ErrNotFound.
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

// each calls fn for every key with a prefix, in order. Key and value are valid during the call only.
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

// stepTo steps to a key, and reports whether the iterator stands there or, as there is none, at the one behind it.
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
