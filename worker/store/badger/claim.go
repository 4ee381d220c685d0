package badger

import (
	"context"
	"fmt"
	"time"

	badgerdb "github.com/dgraph-io/badger/v4"
	"google.golang.org/protobuf/proto"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/store"
)

// held is a claim as the store remembers it, by its token.
type held struct {
	link   link
	dueKey []byte // in the due index until Begin
	state  leadgatev1.DeliveryState
	begun  bool
}

// Claim implements store.Store.
func (s *Store) Claim(ctx context.Context, destination string, limit int) (store.Claims, error) {
	dues, next, err := s.reserve(ctx, destination, limit)
	if err != nil {
		return store.Claims{}, err
	}
	claims := store.Claims{Next: next, Items: make([]*store.Claim, 0, len(dues))}
	err = s.view(ctx, func(txn *badgerdb.Txn) error {
		for _, due := range dues {
			claim, h, err := s.readClaim(txn, due)
			if err != nil {
				return err
			}
			claims.Items = append(claims.Items, claim)
			s.hold(claim.Token, h)
		}
		return nil
	})
	if err != nil {
		for _, claim := range claims.Items {
			s.drop(claim.Token)
		}
		for _, due := range dues {
			s.lane(destination).free(due.delivery)
		}
		return store.Claims{}, err
	}
	return claims, nil
}

// reserved is a delivery that was found in the due index and is now claimed.
type reserved struct {
	delivery deliveryKey
	key      []byte
}

// reserve claims what is due, oldest first, and says when the next falls due.
func (s *Store) reserve(ctx context.Context, destination string, limit int) (dues []reserved, next time.Time, err error) {
	l := s.lane(destination)
	l.mu.Lock()
	defer l.mu.Unlock()
	err = s.view(ctx, func(txn *badgerdb.Txn) error {
		now := s.now()
		it := txn.NewIterator(badgerdb.IteratorOptions{Prefix: l.duePrefix})
		defer it.Close()
		first := true
		for it.Seek(l.dueMark); it.Valid(); it.Next() {
			key := it.Item().KeyCopy(nil)
			if first {
				l.dueMark, first = key, false
			}
			delivery := deliveryKey{destination: destination}
			if err := it.Item().Value(func(value []byte) error {
				copy(delivery.lead[:], value)
				return nil
			}); err != nil {
				return err
			}
			if l.claimed[delivery] {
				continue
			}
			due, _ := dueOf(key)
			if due.After(now) || len(dues) == limit {
				next = due
				return nil
			}
			dues = append(dues, reserved{delivery, key})
		}
		return nil
	})
	if err != nil {
		return nil, time.Time{}, err
	}
	for _, due := range dues {
		l.claimed[due.delivery] = true
	}
	return dues, next, nil
}

func (s *Store) readClaim(txn *badgerdb.Txn, due reserved) (*store.Claim, held, error) {
	key := due.delivery
	claim := &store.Claim{Token: s.tokens.Add(1), Delivery: &leadgatev1.Delivery{}, Record: &leadgatev1.LeadRecord{}}
	if err := get(txn, key.key(), claim.Delivery); err != nil {
		return nil, held{}, fmt.Errorf("delivery %s: %w", key, err)
	}
	if err := get(txn, keyOfLead(key.lead), claim.Record); err != nil {
		return nil, held{}, fmt.Errorf("lead of delivery %s: %w", key, err)
	}
	if n := claim.Delivery.GetAttemptCount(); n > 0 {
		claim.Last = &leadgatev1.Attempt{}
		if err := get(txn, key.attemptKey(n), claim.Last); err != nil {
			return nil, held{}, fmt.Errorf("attempt %d of delivery %s: %w", n, key, err)
		}
	}
	l, err := linkOf(claim.Delivery, s.personOf(claim.Record))
	if err != nil {
		return nil, held{}, err
	}
	if l.person != nil {
		chain, err := readChain(txn, l)
		if err != nil {
			return nil, held{}, err
		}
		claim.Late = chain.GetDelivered() > l.sequence
	}
	return claim, held{link: l, dueKey: due.key, state: claim.Delivery.GetState()}, nil
}

func (s *Store) hold(token uint64, h held) {
	s.claimsMu.Lock()
	defer s.claimsMu.Unlock()
	s.claims[token] = h
}

// holding returns the claim with a token; false if it is held no more.
func (s *Store) holding(token uint64) (held, bool) {
	s.claimsMu.Lock()
	defer s.claimsMu.Unlock()
	h, ok := s.claims[token]
	return h, ok
}

func (s *Store) drop(token uint64) {
	s.claimsMu.Lock()
	defer s.claimsMu.Unlock()
	delete(s.claims, token)
}

// Unclaim implements store.Store. Nothing is written: what is not begun is claimed in memory only.
func (s *Store) Unclaim(_ context.Context, claims ...*store.Claim) error {
	for _, claim := range claims {
		if h, ok := s.holding(claim.Token); ok && !h.begun {
			s.drop(claim.Token)
			s.lane(h.link.delivery.destination).free(h.link.delivery)
		}
	}
	return nil
}

// Begin implements store.Store.
func (s *Store) Begin(ctx context.Context, steps ...*store.Step) ([]store.Stepped, error) {
	for _, step := range steps {
		step.Delivery.State = leadgatev1.DeliveryState_DELIVERY_STATE_IN_FLIGHT
		step.Delivery.DueTime = nil
	}
	return s.step(ctx, steps, func(it *stepItem) item { return (*beginItem)(it) })
}

// Settle implements store.Store.
func (s *Store) Settle(ctx context.Context, steps ...*store.Step) ([]store.Stepped, error) {
	return s.step(ctx, steps, func(it *stepItem) item { return (*settleItem)(it) })
}

func (s *Store) step(ctx context.Context, steps []*store.Step, as func(*stepItem) item) ([]store.Stepped, error) {
	results := make([]store.Stepped, len(steps))
	items := make([]item, 0, len(steps))
	for i, step := range steps {
		it, err := s.newStepItem(step, &results[i])
		if err != nil {
			results[i].Err = err
			continue
		}
		items = append(items, as(it))
	}
	if err := s.do(ctx, items...); err != nil {
		return nil, err
	}
	return results, nil
}

// stepItem is one step of a claimed delivery, encoded by its caller.
type stepItem struct {
	s        *Store
	token    uint64
	delivery *leadgatev1.Delivery
	encoded  []byte
	number   int32 // of the attempt
	attempt  []byte
	events   []record
	result   *store.Stepped
}

func (s *Store) newStepItem(step *store.Step, result *store.Stepped) (*stepItem, error) {
	was, is := step.Claim.Delivery, step.Delivery
	if was.GetDeliveryId() != is.GetDeliveryId() || was.GetSequence() != is.GetSequence() || was.GetDestination() != is.GetDestination() {
		return nil, fmt.Errorf("the step of %s names another delivery, %s", was.GetDeliveryId(), is.GetDeliveryId())
	}
	it := &stepItem{s: s, token: step.Claim.Token, delivery: is, result: result}
	attempts := is.Attempts
	is.Attempts = nil
	encoded, err := proto.Marshal(is)
	is.Attempts = attempts
	if err != nil {
		return nil, fmt.Errorf("encode delivery: %w", err)
	}
	it.encoded = encoded
	if step.Attempt != nil {
		it.number = step.Attempt.GetNumber()
		if it.attempt, err = proto.Marshal(step.Attempt); err != nil {
			return nil, fmt.Errorf("encode attempt: %w", err)
		}
	}
	it.events, err = encodeEvents(step.Events)
	return it, err
}

// claim returns the claim of the step; ErrStale if it is held no more, also by what this batch is about to write.
func (it *stepItem) claim(b *batch) (held, error) {
	h, ok := it.s.holding(it.token)
	if !ok || b.used[it.token] {
		return held{}, store.ErrStale
	}
	return h, nil
}

// write stages what begin and settle have in common.
func (it *stepItem) write(c *change, h held, from leadgatev1.DeliveryState) {
	c.set(h.link.delivery.key(), it.encoded)
	if it.attempt != nil {
		c.set(h.link.delivery.attemptKey(it.number), it.attempt)
	}
	if to := it.delivery.GetState(); from != to {
		c.count(h.link.delivery.destination, from, -1)
		c.count(h.link.delivery.destination, to, 1)
	}
	c.tell(it.s, h.link.delivery.lead, it.events)
}

type beginItem stepItem

func (it *beginItem) fail(err error) { it.result.Err = err }

func (it *beginItem) stage(b *batch, c *change) error {
	h, err := (*stepItem)(it).claim(b)
	if err != nil {
		return err
	}
	if h.begun {
		return fmt.Errorf("%w: its attempt has begun", store.ErrState)
	}
	(*stepItem)(it).write(c, h, h.state)
	c.delete(h.dueKey)
	c.set(h.link.delivery.inFlightKey(), nil)
	h.begun, h.state = true, leadgatev1.DeliveryState_DELIVERY_STATE_IN_FLIGHT
	c.then = append(c.then, func() { it.s.hold(it.token, h) })
	return nil
}

type settleItem stepItem

func (it *settleItem) fail(err error) { it.result.Err = err }

func (it *settleItem) stage(b *batch, c *change) error {
	h, err := (*stepItem)(it).claim(b)
	if err != nil {
		return err
	}
	(*stepItem)(it).write(c, h, h.state)
	if h.begun {
		c.delete(h.link.delivery.inFlightKey())
	} else {
		c.delete(h.dueKey)
	}
	after := h.link
	after.due = it.delivery.GetDueTime()
	switch it.delivery.GetState() {
	case leadgatev1.DeliveryState_DELIVERY_STATE_PENDING, leadgatev1.DeliveryState_DELIVERY_STATE_RETRY_WAIT:
		if after.due == nil {
			return fmt.Errorf("a delivery that waits needs a due time")
		}
		err = it.s.stayInChain(b, c, after)
	case leadgatev1.DeliveryState_DELIVERY_STATE_IN_FLIGHT:
		return fmt.Errorf("%w: a settled delivery is not in flight", store.ErrState)
	default:
		c.delete(keyOfWaiting(after.delivery.destination, after.sequence))
		err = it.s.leaveChain(b, c, after, it.delivery.GetState() == leadgatev1.DeliveryState_DELIVERY_STATE_DELIVERED)
	}
	if err != nil {
		return err
	}
	c.used = it.token
	c.then = append(c.then, func() {
		it.s.drop(it.token)
		it.s.lane(after.delivery.destination).free(after.delivery)
	})
	return nil
}
