package badger

import (
	"encoding/binary"
	"errors"
	"fmt"

	badgerdb "github.com/dgraph-io/badger/v4"
)

// last holds the numbers assigned last, and the time. They are written with every commit as four big-endian numbers; older stores
// lack the clock and have three.
type last struct {
	sequence uint64 // of an accepted lead
	event    uint64 // of a written event
	version  uint64 // of a State value
	clock    uint64 // the store's clock, in nanoseconds since 1970; 0 if unknown
}

func (l last) bytes() []byte {
	b := make([]byte, 0, 32)
	for _, n := range []uint64{l.sequence, l.event, l.version, l.clock} {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	return b
}

func (s *Store) loadLast() error {
	return s.db.View(func(txn *badgerdb.Txn) (err error) {
		s.last, err = readLast(txn)
		return err
	})
}

// readLast returns the numbers as of the last commit; all are 0 before the first.
func readLast(txn *badgerdb.Txn) (l last, err error) {
	item, err := txn.Get(keyLast)
	if errors.Is(err, badgerdb.ErrKeyNotFound) {
		return last{}, nil
	}
	if err != nil {
		return last{}, err
	}
	err = item.Value(func(b []byte) error {
		if len(b) != 24 && len(b) != 32 {
			return fmt.Errorf("the record of the last numbers has %d bytes, not 32", len(b))
		}
		l = last{sequence: binary.BigEndian.Uint64(b), event: binary.BigEndian.Uint64(b[8:]), version: binary.BigEndian.Uint64(b[16:])}
		if len(b) == 32 {
			l.clock = binary.BigEndian.Uint64(b[24:])
		}
		return nil
	})
	return l, err
}
