package badger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	badgerdb "github.com/dgraph-io/badger/v4"
	"google.golang.org/protobuf/proto"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/store"
)

// Claim implements store.Store. It writes nothing: a claim lives in memory until its attempt begins.
func (s *Store) Claim(ctx context.Context, destination string, limit int) (store.Claims, error) {
	l := s.lane(destination)
	var (
		claims store.Claims
		dues   []reserved
	)
	l.mu.Lock() // before the transaction begins, so that it sees the deliveries released until then
	unlock := sync.OnceFunc(l.mu.Unlock)
	defer unlock()
	err := s.view(ctx, func(txn *badgerdb.Txn) (err error) { // a single one, because beginning one waits for the commit under way
		if dues, claims.Next, err = s.reserve(txn, l, destination, limit); err != nil {
			return err
		}
		unlock()
		claims.Items = make([]*store.Claim, len(dues))
		return s.readClaims(txn, l, dues, claims.Items)
	})
	unlock()
	if err != nil {
		for _, due := range dues {
			l.giveBack(due.token)
		}
		return store.Claims{}, err
	}
	claims.Items = slices.DeleteFunc(claims.Items, func(claim *store.Claim) bool { return claim == nil }) // revoked meanwhile
	return claims, nil
}

// readClaims reads the reserved deliveries, each into its place. It leaves out those that were revoked meanwhile.
func (s *Store) readClaims(txn *badgerdb.Txn, l *lane, dues []reserved, into []*store.Claim) error {
	places := make([]int, len(dues))
	for i := range places {
		places[i] = i
	}
	slices.SortFunc(places, func(i, j int) int { return bytes.Compare(dues[i].delivery.lead[:], dues[j].delivery.lead[:]) })
	leads, deliveries := newNearby(txn, prefixLead, len(dues)), newNearby(txn, prefixDelivery, len(dues))
	defer leads.close()
	defer deliveries.close()
	for _, i := range places {
		claim, h, err := s.readClaim(txn, leads, deliveries, dues[i])
		if errors.Is(err, proto.Error) {
			if s.log != nil {
				s.log.Error("what is due cannot be read, and waits until leadgate starts again; others go on", "error", err)
			}
			continue // it stays claimed, so that it does not block others
		}
		if err != nil {
			return err
		}
		if l.fill(claim.Token, h) {
			into[i] = claim
		}
	}
	return nil
}

// reserved is a delivery found in the due index and now claimed.
type reserved struct {
	token    uint64
	delivery deliveryKey
	key      []byte
	note     []byte // its position in the chain; empty if the index does not say
}

func (r reserved) noted(what byte) bool { return len(r.note) > 0 && r.note[0] == what }

// reserve claims due deliveries, earliest first, and returns when the next one becomes due. The caller holds the lane's mu.
func (s *Store) reserve(txn *badgerdb.Txn, l *lane, destination string, limit int) (dues []reserved, next time.Time, err error) {
	now := s.now()
	it := txn.NewIterator(badgerdb.IteratorOptions{Prefix: l.duePrefix})
	defer it.Close()
	first := true
	for it.Seek(l.dueMark); it.Valid(); it.Next() {
		key := it.Item().KeyCopy(nil)
		if first {
			l.dueMark, first = key, false
		}
		delivery, note := deliveryKey{destination: destination}, []byte(nil)
		if err := it.Item().Value(func(value []byte) error {
			note = bytes.Clone(value[copy(delivery.lead[:], value):])
			return nil
		}); err != nil {
			return nil, time.Time{}, err
		}
		if l.taken(delivery) {
			continue
		}
		if due := dueOf(key); due.After(now) || len(dues) >= limit {
			next = due
			break
		}
		dues = append(dues, reserved{s.tokens.Add(1), delivery, key, note})
	}
	for _, due := range dues {
		l.claims[due.token] = held{link: link{delivery: due.delivery}, dueKey: due.key, alone: due.noted(dueAlone)}
		l.claimed[due.delivery] = due.token
	}
	return dues, next, nil
}

func (s *Store) readClaim(txn *badgerdb.Txn, leads, deliveries *nearby, due reserved) (*store.Claim, held, error) {
	key := due.delivery
	claim := &store.Claim{Token: due.token, Delivery: &leadgatev1.Delivery{}, Record: &leadgatev1.LeadRecord{}}
	if err := deliveries.get(key.key(), claim.Delivery); err != nil {
		return nil, held{}, fmt.Errorf("delivery %s: %w", key, err)
	}
	if err := leads.get(keyOfLead(key.lead), claim.Record); err != nil {
		return nil, held{}, fmt.Errorf("lead of delivery %s: %w", key, err)
	}
	if n := claim.Delivery.GetAttemptCount(); n > 0 {
		last := &leadgatev1.Attempt{}
		switch err := get(txn, key.attemptKey(n), last); {
		case err == nil:
			claim.Last = last
		case !lost(err): // a delivery goes on without a lost attempt, so that it does not block others
			return nil, held{}, fmt.Errorf("attempt %d of delivery %s: %w", n, key, err)
		}
	}
	l, err := linkOf(claim.Delivery, s.personOf(claim.Record))
	if err != nil {
		return nil, held{}, err
	}
	switch {
	case len(due.note) > 0:
		claim.Late = due.noted(dueLate)
	case l.person != nil:
		chain, err := readChain(txn, l)
		if err != nil {
			return nil, held{}, err
		}
		claim.Late = chain.GetDelivered() > l.sequence
	}
	return claim, held{link: l, dueKey: due.key, state: claim.Delivery.GetState()}, nil
}

// Unclaim implements store.Store.
func (s *Store) Unclaim(_ context.Context, claims ...*store.Claim) error {
	if s.closed.Load() {
		return errClosing
	}
	for _, claim := range claims {
		s.lane(claim.Delivery.GetDestination()).giveBack(claim.Token)
	}
	return nil
}
