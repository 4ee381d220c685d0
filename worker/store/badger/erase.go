package badger

import (
	"context"
	"errors"
	"fmt"

	badgerdb "github.com/dgraph-io/badger/v4"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	storev1 "github.com/leadgate/leadgate/gen/go/leadgate/store/v1"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/store"
)

// Erase implements store.Store. Overwritten data is unreadable at once; Badger removes it from the disk when it compacts.
func (s *Store) Erase(ctx context.Context, erasures ...*store.Erasure) ([]store.Erased, error) {
	results, err := doEach(ctx, s, erasures, func(r *store.Erased) *error { return &r.Err }, s.newEraseItem)
	if err != nil {
		return nil, err
	}
	for i := range results {
		if errors.Is(results[i].Err, store.ErrTooLarge) {
			results[i] = s.eraseLarge(ctx, erasures[i])
		}
	}
	var lines []listed
	for i, result := range results {
		if result.Err == nil && !result.Already {
			lines = append(lines, listed{s.now().UTC(), stageErased, erasures[i].LeadID})
		}
	}
	if err := writeErasures(s.dir, lines); err != nil { // the next start completes the list
		return nil, fmt.Errorf("the leads are erased, but %s could not be written: %w", erasureList, err)
	}
	return results, nil
}

// eraseLarge erases a lead with more attempts and events than a transaction can hold: in portions, the oldest first.
func (s *Store) eraseLarge(ctx context.Context, e *store.Erasure) (result store.Erased) {
	lead, err := parseLead(e.LeadID)
	if err == nil {
		err = s.thin(ctx, lead, func(keptLead) bool { return true }, forget)
	}
	if err != nil {
		return store.Erased{Err: err}
	}
	it, err := s.newEraseItem(e, &result)
	if err == nil {
		err = s.do(ctx, it)
	}
	if err != nil {
		return store.Erased{Err: err}
	}
	return result
}

type eraseItem struct {
	s      *Store
	lead   leadKey
	events []record
	result *store.Erased
}

func (s *Store) newEraseItem(e *store.Erasure, result *store.Erased) (item, error) {
	key, err := parseLead(e.LeadID)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", store.ErrNotFound, err)
	}
	events, err := encodeEvents(e.Events)
	return &eraseItem{s, key, events, result}, err
}

func (it *eraseItem) fail(err error) { *it.result = store.Erased{Err: err} }

func (it *eraseItem) stage(b *batch, c *change) error {
	r := &leadgatev1.LeadRecord{}
	if err := get(b, keyOfLead(it.lead), r); err != nil {
		return err
	}
	deliveries, err := b.deliveriesOf(it.lead)
	if err != nil {
		return err
	}
	if r.GetState() == leadgatev1.LeadState_LEAD_STATE_ERASED {
		*it.result = store.Erased{Deliveries: deliveries, Already: true}
		return nil
	}
	forgotten := store.ForgetRecord(r)
	if err := c.setMessage(keyOfLead(it.lead), forgotten); err != nil {
		return err
	}
	c.reindex(it.s, it.lead, r, forgotten)
	people := it.s.peopleOf(r)
	if err := c.setMessage(keyOfErasure(it.lead), &storev1.Erasure{Time: it.s.now().UnixNano(), Persons: people}); err != nil {
		return err
	}
	for _, d := range deliveries {
		if err := it.cancel(b, c, r, d); err != nil {
			return err
		}
	}
	if err := it.forgetEvents(b, c); err != nil {
		return err
	}
	for _, person := range people {
		if err := it.s.dropChains(b, c, person, it.lead); err != nil {
			return err
		}
	}
	c.tell(it.s, it.lead, it.events)
	return nil
}

// cancel cancels an unfinished delivery of an erased lead, and removes the content of any delivery and its attempts.
func (it *eraseItem) cancel(b *batch, c *change, r *leadgatev1.LeadRecord, d *leadgatev1.Delivery) error {
	key, err := parseDelivery(d.GetDeliveryId())
	if err != nil {
		return err
	}
	from, is := d.GetState(), store.ForgetDelivery(d, store.Addresses(r))
	is.UpdateTime = timestamppb.New(it.s.now())
	if from != leadgatev1.DeliveryState_DELIVERY_STATE_DELIVERED && from != leadgatev1.DeliveryState_DELIVERY_STATE_CANCELLED {
		is.State = leadgatev1.DeliveryState_DELIVERY_STATE_CANCELLED
		it.result.Cancelled++
		c.moved(key, is, from)
	}
	if from == leadgatev1.DeliveryState_DELIVERY_STATE_IN_FLIGHT {
		it.result.Interrupted = append(it.result.Interrupted, d.GetDeliveryId())
	}
	if waits(from) {
		l, err := linkOf(d, it.s.personOf(r))
		if err != nil {
			return err
		}
		if err := it.s.withdraw(b, c, l, from); err != nil {
			return err
		}
	}
	it.result.Deliveries = append(it.result.Deliveries, is)
	if err := c.setMessage(key.key(), is); err != nil {
		return err
	}
	return b.each(key.attemptsPrefix(), func(key, value []byte) error {
		it.result.Attempts++
		_, err := c.rewrite(key, value, forget)
		return err
	})
}

func (it *eraseItem) forgetEvents(b *batch, c *change) error {
	return b.each(join(prefixTimeline, 16, it.lead[:]), func(key, value []byte) error {
		told := &storev1.Told{}
		if err := proto.Unmarshal(value, told); err != nil {
			return err
		}
		it.result.Events += len(told.GetEvents())
		_, err := c.rewrite(key, value, forget)
		return err
	})
}

// dropChains removes what chains remember of a person, unless another lead names the person.
func (s *Store) dropChains(b *batch, c *change, person []byte, but leadKey) error {
	err := b.each(personPrefix(person), func(key, _ []byte) error {
		if string(key[17:]) != string(but[:]) {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, destination := range s.destinations() {
		l := link{delivery: deliveryKey{destination: destination}, person: person}
		if chain, err := readChain(b, l); err != nil {
			return err
		} else if chain.GetDelivered() > 0 {
			c.delete(keyOfChain(destination, person))
		}
	}
	return nil
}

// ErasedLeads implements store.Store.
func (s *Store) ErasedLeads(ctx context.Context, email string) ([]string, error) {
	person := string(s.hasher.Hash(email))
	var leads []string
	err := s.view(ctx, func(txn *badgerdb.Txn) error {
		return s.patient(in(txn))([]byte{prefixErasure}, func(key, value []byte) error {
			e := &storev1.Erasure{}
			if err := proto.Unmarshal(value, e); err != nil {
				return err
			}
			for _, p := range e.GetPersons() {
				if string(p) == person {
					leads = append(leads, leadKey(key[1:]).String())
				}
			}
			return nil
		})
	})
	return leads, err
}
