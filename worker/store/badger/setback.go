package badger

import (
	"errors"
	"time"

	badgerdb "github.com/dgraph-io/badger/v4"
	"google.golang.org/protobuf/types/known/timestamppb"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

// A clock set back by less is ignored: waiting deliveries go out that much later.
const smallSetback = time.Minute

// catchUp moves the due times of waiting deliveries back if the clock was set back since the last process ran: otherwise they
// would wait until the clock has caught up. It runs before the writer.
func (s *Store) catchUp() error {
	now, was := s.now(), time.Unix(0, int64(s.last.clock))
	if !was.After(now.Add(smallSetback)) {
		return nil
	}
	var late []deliveryKey
	err := s.db.View(func(txn *badgerdb.Txn) error {
		if err := each(txn, []byte{prefixDue}, func(key, value []byte) error {
			if dueOf(key).After(now) {
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
	if err != nil {
		return err
	}
	return s.writeFirst(late, func(d deliveryKey, problem *error) item {
		return &sooner{s: s, key: d, now: now, by: was.Sub(now), problem: problem}
	})
}

// sooner makes a waiting delivery due earlier, but not before now, wherever it is in its chain.
type sooner struct {
	s       *Store
	key     deliveryKey
	now     time.Time
	by      time.Duration
	problem *error
}

func (it *sooner) fail(err error) { *it.problem = err }

func (it *sooner) stage(b *batch, c *change) error {
	d := &leadgatev1.Delivery{}
	if err := get(b, it.key.key(), d); err != nil {
		return err
	}
	was, err := linkOf(d, nil)
	if err != nil {
		return err
	}
	due := d.GetDueTime().AsTime()
	if !due.After(it.now) {
		return nil
	}
	if due = due.Add(-it.by); due.Before(it.now) {
		due = it.now
	}
	d.DueTime = timestamppb.New(due)
	if err := c.setMessage(it.key.key(), d); err != nil {
		return err
	}
	switch _, err := b.Get(was.dueKey()); {
	case errors.Is(err, badgerdb.ErrKeyNotFound): // it is not the head of its chain
		return nil
	case err != nil:
		return err
	}
	c.delete(was.dueKey())
	was.due = d.GetDueTime()
	c.setDue(it.s, was, nil)
	return nil
}
