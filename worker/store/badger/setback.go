package badger

import (
	"encoding/binary"
	"fmt"
	"time"

	badgerdb "github.com/dgraph-io/badger/v4"
	"google.golang.org/protobuf/types/known/timestamppb"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

// A clock that is set back by less is taken as it is: what waits goes out that much later.
const smallSetback = time.Minute

// catchUp makes due what was due by the clock of the process before this one, where that has been set back since: else it
// would wait until the clock is there again. It runs before the writer.
func (s *Store) catchUp() error {
	now := s.now()
	var late []deliveryKey
	err := s.db.View(func(txn *badgerdb.Txn) error {
		was := newestLead(txn)
		if !was.After(now.Add(smallSetback)) {
			return nil
		}
		if err := each(txn, []byte{prefixDue}, func(key, value []byte) error {
			if due := dueOf(key); due.After(now) && !due.After(was) {
				late = append(late, deliveryKey{leadKey(value), string(key[1 : len(key)-17])})
			}
			return nil
		}); err != nil {
			return err
		}
		return each(txn, []byte{prefixBehind}, func(key, value []byte) error {
			late = append(late, deliveryKey{leadKey(value), string(key[1 : len(key)-25])})
			return nil
		})
	})
	if err != nil || len(late) == 0 {
		return err
	}
	problems := make([]error, len(late))
	items := make([]item, len(late))
	for i, d := range late {
		items[i] = &dueNowItem{s: s, key: d, now: now, problem: &problems[i]}
	}
	if err := s.writeFirst(items...); err != nil {
		return err
	}
	for i, problem := range problems {
		if problem != nil {
			return fmt.Errorf("make delivery %s due: %w", late[i], problem)
		}
	}
	return nil
}

// newestLead is when the newest lead came, by its identifier.
func newestLead(txn *badgerdb.Txn) (at time.Time) {
	it := txn.NewIterator(badgerdb.IteratorOptions{Prefix: []byte{prefixLead}, Reverse: true})
	defer it.Close()
	if it.Seek(after([]byte{prefixLead})); it.Valid() {
		key := it.Item().Key()
		at = time.UnixMilli(int64(binary.BigEndian.Uint64(key[1:]) >> 16))
	}
	return at
}

// dueNowItem makes a waiting delivery due, wherever it stands in its chain.
type dueNowItem struct {
	s       *Store
	key     deliveryKey
	now     time.Time
	problem *error
}

func (it *dueNowItem) fail(err error) { *it.problem = err }

func (it *dueNowItem) stage(b *batch, c *change) error {
	d := &leadgatev1.Delivery{}
	if err := get(b, it.key.key(), d); err != nil {
		return err
	}
	was, err := linkOf(d, nil)
	if err != nil {
		return err
	}
	d.DueTime = timestamppb.New(it.now)
	if err := c.setMessage(it.key.key(), d); err != nil {
		return err
	}
	if _, err := b.Get(was.dueKey()); err != nil { // it waits behind another
		return nil
	}
	c.delete(was.dueKey())
	was.due = d.GetDueTime()
	c.setDue(it.s, was, nil)
	return nil
}
