package badger

import (
	"bytes"

	badgerdb "github.com/dgraph-io/badger/v4"
)

// backward walks the keys of a line from a place to its beginning, those that were deleted too.
//
// Badger's own walk backwards does not return before it has found a key that is not deleted, if need be far beyond the line:
// where the sweeper or Purge have removed much, the last page of a list would take seconds. This one looks at every version,
// so that it knows where the line begins, and whoever walks can count what it passes and end the page.
type backward struct {
	it *badgerdb.Iterator
	// key is where it stands; value is what stands there. Both are valid until the next step.
	key, value []byte
	// live says that the key is not deleted.
	live bool
	// err is why the walk ended early.
	err error
}

func newBackward(txn *badgerdb.Txn, prefix []byte) *backward {
	// Values are in the tables beside their keys, so that nothing is gained by fetching them ahead.
	return &backward{it: txn.NewIterator(badgerdb.IteratorOptions{Prefix: prefix, AllVersions: true, Reverse: true})}
}

func (w *backward) close() { w.it.Close() }

// seek goes to a key, or to the next before it; false if there is none.
func (w *backward) seek(from []byte) bool {
	w.it.Seek(from)
	return w.next()
}

// next goes to the next key; false if there is none. Of the versions of a key the newest comes last.
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
