package badger

import (
	"encoding/binary"
	"errors"

	badgerdb "github.com/dgraph-io/badger/v4"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	storev1 "github.com/leadgate/leadgate/gen/go/leadgate/store/v1"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/store"
)

// link is a waiting delivery as the indexes have it: all of a destination are in w, and of a person's chain the head is in q and
// those behind it are in c. This file puts deliveries in and takes them out, except that Begin takes what it begins out of q.
type link struct {
	delivery deliveryKey
	person   []byte // nil: the lead is its own person, and there is no chain
	sequence uint64
	created  int64 // the lead; Unix nanoseconds
	due      *timestamppb.Timestamp
}

func (l link) dueKey() []byte {
	return keyOfDue(l.delivery.destination, l.due.AsTime(), l.sequence)
}

func linkOf(d *leadgatev1.Delivery, person []byte) (link, error) {
	key, err := parseDelivery(d.GetDeliveryId())
	return link{key, person, d.GetSequence(), d.GetCreateTime().AsTime().UnixNano(), d.GetDueTime()}, err
}

// personOf is the person a lead belongs to; nil if it is its own.
func (s *Store) personOf(r *leadgatev1.LeadRecord) []byte {
	if email := r.GetLead().GetEmail(); email != "" {
		return s.hasher.Hash(email)
	}
	return nil
}

// waits reports whether deliveries in a state stand in line.
func waits(state leadgatev1.DeliveryState) bool {
	switch state {
	case leadgatev1.DeliveryState_DELIVERY_STATE_PENDING, leadgatev1.DeliveryState_DELIVERY_STATE_IN_FLIGHT, leadgatev1.DeliveryState_DELIVERY_STATE_RETRY_WAIT:
		return true
	}
	return false
}

func readChain(from getter, l link) (*storev1.Chain, error) {
	chain := &storev1.Chain{}
	if err := get(from, keyOfChain(l.delivery.destination, l.person), chain); err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	return chain, nil
}

func (c *change) setChain(l link, chain *storev1.Chain) error {
	key := keyOfChain(l.delivery.destination, l.person)
	if chain.GetLength() == 0 && chain.GetDelivered() == 0 {
		c.delete(key)
		return nil
	}
	value, err := proto.Marshal(chain)
	if err != nil {
		return err
	}
	c.set(key, value)
	return nil
}

// setDue puts a delivery into the due index, and wakes its destination after the commit. Where its chain is at hand, its place in it
// is noted there, so that neither claiming nor settling has to look the chain up: where a million people are remembered, that takes
// a read from disk. A nil chain is not at hand.
func (c *change) setDue(s *Store, l link, chain *storev1.Chain) {
	key, value := l.dueKey(), make([]byte, 0, len(l.delivery.lead)+1)
	value = append(value, l.delivery.lead[:]...)
	switch {
	case chain.GetDelivered() > l.sequence:
		value = append(value, dueLate)
	case chain.GetLength() > 1:
		value = append(value, dueInTime)
	case chain != nil:
		value = append(value, dueAlone)
	}
	c.set(key, value)
	c.then = append(c.then, func() { s.lane(l.delivery.destination).put(key) })
}

// The notes, which stand behind the lead in the due index. That a delivery is not late stays true, because only the head of a chain
// is delivered, and this is the head; that it is alone stays true until another joins: see [Store.crowd].
const (
	dueInTime = 0 // others of the person may wait behind it
	dueLate   = 1 // a newer delivery of the person was delivered already
	dueAlone  = 2 // in time, and nobody waits behind it
)

func (c *change) setHead(s *Store, chain *storev1.Chain, l link) {
	chain.Head, chain.HeadLead = l.sequence, l.delivery.lead[:]
	c.setDue(s, l, chain)
}

func (c *change) setBehind(s *Store, l link) {
	key := keyOfBehind(l.delivery.destination, l.person, l.sequence)
	c.set(key, l.delivery.lead[:])
	s.behind.added(behindPrefix(l.delivery.destination, l.person), key)
}

// enter puts a delivery that is to wait in its place: due if nobody of its person waits before it, else behind the head.
func (s *Store) enter(b *batch, c *change, l link) error {
	waiting := keyOfWaiting(l.delivery.destination, l.sequence)
	c.set(waiting, whenAndWho(l.created, l.delivery.lead))
	if l.sequence <= b.last.sequence { // what is accepted just now stands behind every mark
		c.then = append(c.then, func() { s.lane(l.delivery.destination).putWaiting(waiting) })
	}
	if l.person == nil {
		c.setDue(s, l, &storev1.Chain{})
		return nil
	}
	chain, err := readChain(b, l)
	if err != nil {
		return err
	}
	chain.Length++
	switch {
	case chain.GetLength() == 1:
		c.setHead(s, chain, l)
	case l.sequence > chain.GetHead():
		if err := s.crowd(b, c, chain, l); err != nil {
			return err
		}
		c.setBehind(s, l)
	default:
		moved, err := s.stepBack(b, c, chain, l)
		if err != nil {
			return err
		}
		if moved {
			c.setHead(s, chain, l)
		} else {
			c.setBehind(s, l)
		}
	}
	return c.setChain(l, chain)
}

// readHead reads the head of a chain, and whether an attempt of it is under way.
func readHead(b *batch, chain *storev1.Chain, of link) (head link, underWay bool, err error) {
	d := &leadgatev1.Delivery{}
	key := deliveryKey{leadKey(chain.GetHeadLead()), of.delivery.destination}
	if err := get(b, key.key(), d); err != nil {
		return link{}, false, err
	}
	head, err = linkOf(d, of.person)
	return head, d.GetState() == leadgatev1.DeliveryState_DELIVERY_STATE_IN_FLIGHT, err
}

// crowd takes back that the head is alone, for the first delivery that joins behind it.
func (s *Store) crowd(b *batch, c *change, chain *storev1.Chain, joining link) error {
	if chain.GetLength() > 2 {
		return nil // it has been
	}
	head, underWay, err := readHead(b, chain, joining)
	if err != nil {
		return err
	}
	c.crowd(s, head.delivery)
	if !underWay {
		c.setDue(s, head, chain)
	}
	return nil
}

// stepBack moves the head behind an older delivery, unless an attempt of the head is under way. A claim to it that has
// not begun is revoked, so that the older one goes first.
func (s *Store) stepBack(b *batch, c *change, chain *storev1.Chain, older link) (bool, error) {
	head, underWay, err := readHead(b, chain, older)
	if err != nil {
		return false, err
	}
	if underWay {
		c.crowd(s, head.delivery)
		return false, nil
	}
	c.revoke(s, head.delivery)
	c.delete(head.dueKey())
	c.setBehind(s, head)
	return true, nil
}

// hurry makes a waiting delivery due at another time, if it is the head of its chain; else its turn comes when it is.
func (s *Store) hurry(b *batch, c *change, l link, due *timestamppb.Timestamp) error {
	if l.person != nil {
		chain, err := readChain(b, l)
		if err != nil {
			return err
		}
		if chain.GetHead() != l.sequence {
			return nil
		}
	}
	c.delete(l.dueKey())
	l.due = due
	c.setDue(s, l, nil)
	return nil
}

// stay is for a head that waits again: it is due once more, unless an older delivery joined behind it meanwhile. Of one
// that is known to be alone nothing has to be read.
func (s *Store) stay(b *batch, c *change, l link, alone bool) error {
	if l.person == nil || alone {
		c.setDue(s, l, &storev1.Chain{Length: 1})
		return nil
	}
	chain, err := readChain(b, l)
	if err != nil {
		return err
	}
	if chain.GetLength() > 1 {
		next, err := s.firstBehind(b, l)
		if err != nil {
			return err
		}
		if next != nil && next.sequence < l.sequence {
			c.setBehind(s, l)
			c.delete(keyOfBehind(l.delivery.destination, l.person, next.sequence))
			c.setHead(s, chain, *next)
			return c.setChain(l, chain)
		}
	}
	c.setDue(s, l, chain)
	return nil
}

// leave is for a head that waits no more: the next of its person becomes due. Of one that is known to be alone and was
// delivered nothing has to be read.
func (s *Store) leave(b *batch, c *change, l link, delivered, alone bool) error {
	c.delete(keyOfWaiting(l.delivery.destination, l.sequence))
	if l.person == nil {
		return nil
	}
	if delivered && alone {
		return c.setChain(l, &storev1.Chain{Delivered: l.sequence})
	}
	chain, err := readChain(b, l)
	if err != nil {
		return err
	}
	if delivered {
		chain.Delivered = max(chain.GetDelivered(), l.sequence)
	}
	chain.Length--
	chain.Head, chain.HeadLead = 0, nil
	if chain.GetLength() > 0 {
		next, err := s.firstBehind(b, l)
		if err != nil {
			return err
		}
		if next != nil {
			c.delete(keyOfBehind(l.delivery.destination, l.person, next.sequence))
			c.setHead(s, chain, *next)
		}
	}
	return c.setChain(l, chain)
}

// withdraw takes a waiting delivery out of every line that it stands in, whoever has claimed it.
func (s *Store) withdraw(b *batch, c *change, l link, from leadgatev1.DeliveryState) error {
	c.revoke(s, l.delivery)
	if from == leadgatev1.DeliveryState_DELIVERY_STATE_IN_FLIGHT {
		c.delete(l.delivery.inFlightKey())
		return s.leave(b, c, l, false, false)
	}
	if l.person != nil {
		chain, err := readChain(b, l)
		if err != nil {
			return err
		}
		if chain.GetHead() != l.sequence {
			c.delete(keyOfWaiting(l.delivery.destination, l.sequence))
			c.delete(keyOfBehind(l.delivery.destination, l.person, l.sequence))
			chain.Length--
			return c.setChain(l, chain)
		}
	}
	c.delete(l.dueKey())
	return s.leave(b, c, l, false, false)
}

// firstBehind returns the oldest delivery that waits behind the head of a person's chain; nil if there is none. Errors:
// errUnderWay, and Badger's.
func (s *Store) firstBehind(b *batch, of link) (*link, error) {
	if b.before != nil {
		return nil, errUnderWay
	}
	prefix := behindPrefix(of.delivery.destination, of.person)
	it := b.txn.NewIterator(badgerdb.IteratorOptions{Prefix: prefix})
	defer it.Close()
	if it.Seek(s.behind.from(prefix)); !it.Valid() {
		return nil, nil
	}
	next := link{delivery: deliveryKey{destination: of.delivery.destination}, person: of.person}
	key := it.Item().KeyCopy(nil)
	s.behind.found(prefix, key)
	next.sequence = binary.BigEndian.Uint64(key[len(key)-8:])
	if err := it.Item().Value(func(value []byte) error {
		copy(next.delivery.lead[:], value)
		return nil
	}); err != nil {
		return nil, err
	}
	d := &leadgatev1.Delivery{}
	if err := get(b, next.delivery.key(), d); err != nil {
		return nil, err
	}
	next.due = d.GetDueTime()
	return &next, nil
}
