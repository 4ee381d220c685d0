package badger

import (
	"encoding/binary"
	"errors"
	"fmt"

	badgerdb "github.com/dgraph-io/badger/v4"
)

// last are the numbers that were given out last. They are written with every commit as three big-endian numbers.
type last struct {
	sequence uint64 // of an accepted lead
	event    uint64 // of a written event
	version  uint64 // of a State value
}

func (l last) bytes() []byte {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, 24), l.sequence)
	b = binary.BigEndian.AppendUint64(b, l.event)
	return binary.BigEndian.AppendUint64(b, l.version)
}

func (s *Store) loadLast() error {
	return s.db.View(func(txn *badgerdb.Txn) (err error) {
		s.last, err = readLast(txn)
		return err
	})
}

// readLast reads the numbers as of the last commit; all are 0 before the first.
func readLast(txn *badgerdb.Txn) (l last, err error) {
	item, err := txn.Get(keyLast)
	if errors.Is(err, badgerdb.ErrKeyNotFound) {
		return last{}, nil
	}
	if err != nil {
		return last{}, err
	}
	err = item.Value(func(b []byte) error {
		if len(b) != 24 {
			return fmt.Errorf("the record of the last numbers has %d bytes, not 24", len(b))
		}
		l = last{binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:]), binary.BigEndian.Uint64(b[16:])}
		return nil
	})
	return l, err
}
