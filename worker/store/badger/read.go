package badger

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	badgerdb "github.com/dgraph-io/badger/v4"
	"google.golang.org/protobuf/proto"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/store"
)

// view runs a short read transaction. A long one would keep old versions on disk and hold up Close, which must wait because
// Badger then unmaps its files, even under a reader.
func (s *Store) view(ctx context.Context, fn func(*badgerdb.Txn) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.reading.RLock()
	defer s.reading.RUnlock()
	if s.closed.Load() {
		return errClosing
	}
	return s.db.View(fn)
}

// each calls fn for every key with a prefix, in order. Key and value are only valid during the call.
func each(txn *badgerdb.Txn, prefix []byte, fn func(key, value []byte) error) error {
	it := txn.NewIterator(badgerdb.IteratorOptions{Prefix: prefix, PrefetchValues: true, PrefetchSize: 100})
	defer it.Close()
	for it.Rewind(); it.Valid(); it.Next() {
		if err := it.Item().Value(func(value []byte) error { return fn(it.Item().Key(), value) }); err != nil {
			return err
		}
	}
	return nil
}

// Lead implements store.Store.
func (s *Store) Lead(ctx context.Context, leadID string) (*leadgatev1.LeadRecord, error) {
	key, err := parseLead(leadID)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", store.ErrNotFound, err)
	}
	r := &leadgatev1.LeadRecord{}
	err = s.view(ctx, func(txn *badgerdb.Txn) error { return get(txn, keyOfLead(key), r) })
	if err != nil {
		return nil, err
	}
	return r, nil
}

// LeadDeliveries implements store.Store.
func (s *Store) LeadDeliveries(ctx context.Context, leadID string) ([]*leadgatev1.Delivery, error) {
	key, err := parseLead(leadID)
	if err != nil {
		return nil, nil
	}
	var deliveries []*leadgatev1.Delivery
	err = s.view(ctx, func(txn *badgerdb.Txn) error {
		if deliveries, err = readDeliveries(key, s.patient(in(txn))); err != nil {
			return err
		}
		for _, d := range deliveries {
			if err := s.readAttempts(txn, d); err != nil {
				return err
			}
		}
		return nil
	})
	return deliveries, err
}

// DeliveriesOf implements store.Store.
func (s *Store) DeliveriesOf(ctx context.Context, leadIDs ...string) ([]*leadgatev1.Delivery, error) {
	var leads []leadKey
	for _, id := range leadIDs {
		if lead, err := parseLead(id); err == nil {
			leads = append(leads, lead)
		}
	}
	ascending := slices.SortedFunc(slices.Values(leads), func(a, b leadKey) int { return bytes.Compare(a[:], b[:]) })
	of := map[leadKey][]*leadgatev1.Delivery{}
	err := s.view(ctx, func(txn *badgerdb.Txn) (err error) {
		r := newNearby(txn, prefixDelivery, len(leads))
		defer r.close()
		for _, lead := range ascending {
			if of[lead], err = readDeliveries(lead, s.patient(r.each)); err != nil {
				return err
			}
		}
		return nil
	})
	var deliveries []*leadgatev1.Delivery
	for _, lead := range leads {
		deliveries = append(deliveries, of[lead]...)
	}
	return deliveries, err
}

// readDeliveries returns the deliveries of a lead without their attempts.
func readDeliveries(lead leadKey, each walk) (deliveries []*leadgatev1.Delivery, err error) {
	err = each(join(prefixDelivery, 16, lead[:]), func(_, value []byte) error {
		d := &leadgatev1.Delivery{}
		if err := proto.Unmarshal(value, d); err != nil {
			return err
		}
		deliveries = append(deliveries, d)
		return nil
	})
	return deliveries, err
}

// walk calls fn for every key with a prefix, in order. Key and value are only valid during the call.
type walk func(prefix []byte, fn func(key, value []byte) error) error

// in returns a walk through a transaction.
func in(txn *badgerdb.Txn) walk {
	return func(prefix []byte, fn func(key, value []byte) error) error { return each(txn, prefix, fn) }
}

// patient returns a walk that continues when fn fails, leaving out what cannot be read.
func (s *Store) patient(w walk) walk {
	return func(prefix []byte, fn func(key, value []byte) error) error {
		return w(prefix, func(key, value []byte) error {
			s.leaveOut(key, fn(key, value))
			return nil
		})
	}
}

// Delivery implements store.Store.
func (s *Store) Delivery(ctx context.Context, deliveryID string) (*leadgatev1.Delivery, error) {
	key, err := parseDelivery(deliveryID)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", store.ErrNotFound, err)
	}
	d := &leadgatev1.Delivery{}
	err = s.view(ctx, func(txn *badgerdb.Txn) error {
		if err := get(txn, key.key(), d); err != nil {
			return err
		}
		return s.readAttempts(txn, d)
	})
	if err != nil {
		return nil, err
	}
	return d, nil
}

func (s *Store) readAttempts(txn *badgerdb.Txn, d *leadgatev1.Delivery) error {
	key, err := parseDelivery(d.GetDeliveryId())
	if err != nil {
		return err
	}
	return s.patient(in(txn))(key.attemptsPrefix(), func(_, value []byte) error {
		a := &leadgatev1.Attempt{}
		if err := proto.Unmarshal(value, a); err != nil {
			return err
		}
		d.Attempts = append(d.Attempts, a)
		return nil
	})
}
