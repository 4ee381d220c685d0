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

// link is a waiting delivery in the indexes: all of a destination are in w; of a person's chain, the head is in q and those
// behind it are in c. This file adds and removes them, except that Begin removes its delivery from q.
type link struct {
	delivery deliveryKey
	person   []byte // nil: the lead has no person and no chain
	sequence uint64
	created  int64 // creation time of the lead, in Unix nanoseconds
	due      *timestamppb.Timestamp
}

func (l link) dueKey() []byte {
	return keyOfDue(l.delivery.destination, l.due.AsTime(), l.sequence)
}

func linkOf(d *leadgatev1.Delivery, person []byte) (link, error) {
	key, err := parseDelivery(d.GetDeliveryId())
	return link{key, person, d.GetSequence(), d.GetCreateTime().AsTime().UnixNano(), d.GetDueTime()}, err
}

// personOf returns the person that a lead belongs to; nil if there is none.
func (s *Store) personOf(r *leadgatev1.LeadRecord) []byte {
	if email := r.GetLead().GetEmail(); email != "" {
		return s.hasher.Hash(email)
	}
	return nil
}

// waits reports whether deliveries in a state are waiting or in flight.
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

// setDue adds a delivery to the due index and wakes its destination after the commit. If the chain is given, its state is noted
// in the index, so that claiming and settling need not read the chain, which with a million persons means a read from disk. A nil
// chain is unknown.
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

// Notes in the due index, after the lead. "Not late" stays true, because only the head of a chain is delivered, and this is the
// head; "alone" stays true until another delivery joins: see [Store.crowd].
const (
	dueInTime = 0 // others of the person may be behind it
	dueLate   = 1 // a newer delivery of the person has been delivered already
	dueAlone  = 2 // in time, and nothing is behind it
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

// enter puts a delivery in its place to wait: due if nothing of its person waits before it, otherwise behind the head.
func (s *Store) enter(b *batch, c *change, l link) error {
	waiting := keyOfWaiting(l.delivery.destination, l.sequence)
	c.set(waiting, whenAndWho(l.created, l.delivery.lead))
	if l.sequence <= b.last.sequence { // a lead accepted just now comes after every mark
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

// readHead returns the head of a chain, and whether its attempt is in flight.
func readHead(b *batch, chain *storev1.Chain, of link) (head link, underWay bool, err error) {
	d := &leadgatev1.Delivery{}
	key := deliveryKey{leadKey(chain.GetHeadLead()), of.delivery.destination}
	if err := get(b, key.key(), d); err != nil {
		return link{}, false, err
	}
	head, err = linkOf(d, of.person)
	return head, d.GetState() == leadgatev1.DeliveryState_DELIVERY_STATE_IN_FLIGHT, err
}

// crowd records that the head is no longer alone, for the first delivery that joins behind it.
func (s *Store) crowd(b *batch, c *change, chain *storev1.Chain, joining link) error {
	if chain.GetLength() > 2 {
		return nil // recorded already
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

// stepBack moves the head behind an older delivery, unless the head is in flight. A claim on the head that has not begun is
// revoked, so that the older one goes first.
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

// hurry changes the due time of a waiting delivery if it is the head of its chain; others become due in their turn.
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

// stay is for a head that waits again. It becomes due again, unless an older delivery has joined behind it meanwhile. If it is
// known to be alone, nothing is read.
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

// leave is for a head that no longer waits: the person's next delivery becomes due. If it was alone and delivered, nothing is
// read.
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

// withdraw removes a waiting delivery from its indexes, even if it is claimed.
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

// firstBehind returns the oldest delivery behind the head of a person's chain; nil if there is none. Errors: errUnderWay, and
// Badger's.
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
