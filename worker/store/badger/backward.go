package badger

import (
	"bytes"

	badgerdb "github.com/dgraph-io/badger/v4"
)

// backward walks the keys of an index backwards from a position, including deleted keys.
//
// Badger's reverse iterator does not return until it has found a key that is not deleted, even far beyond the index: where the
// sweeper or Purge has removed much, the last page of a list would take seconds. backward looks at every version, so that it
// stops where the index begins, and callers can count the keys they pass and end the page.
type backward struct {
	it *badgerdb.Iterator
	// key is the current key and value its value. Both are valid until the next step.
	key, value []byte
	// live means that the key is not deleted.
	live bool
	// err is why the walk ended early, if it did.
	err error
}

func newBackward(txn *badgerdb.Txn, prefix []byte) *backward {
	// Values are stored in the tables beside their keys, so prefetching gains nothing.
	return &backward{it: txn.NewIterator(badgerdb.IteratorOptions{Prefix: prefix, AllVersions: true, Reverse: true})}
}

func (w *backward) close() { w.it.Close() }

// seek moves to a key or, if it is missing, to the one before it. It returns false if there is none.
func (w *backward) seek(from []byte) bool {
	w.it.Seek(from)
	return w.next()
}

// next moves to the next key. It returns false if there is none. Of a key's versions, the newest comes last.
func (w *backward) next() bool {
	if !w.it.Valid() {
		return false
	}
	w.key = append(w.key[:0], w.it.Item().Key()...)
	for ; w.it.Valid() && bytes.Equal(w.it.Item().Key(), w.key); w.it.Next() {
		item := w.it.Item()
		if w.live = !item.IsDeletedOrExpired(); !w.live {
			continue
		}
		if w.err = item.Value(func(value []byte) error {
			w.value = append(w.value[:0], value...)
			return nil
		}); w.err != nil {
			return false
		}
	}
	return true
}
