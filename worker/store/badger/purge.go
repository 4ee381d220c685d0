package badger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	badgerdb "github.com/dgraph-io/badger/v4"
	"google.golang.org/protobuf/proto"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/store"
)

// Purge implements store.Store.
func (s *Store) Purge(ctx context.Context, r store.Retention, limit int, token string) (store.Purged, error) {
	var purged store.Purged
	l := listing{line: []byte{prefixLead}, query: "purge", token: token}
	from := l.line
	if token != "" {
		var err error
		if from, err = l.fromToken(); err != nil {
			return purged, err
		}
	}
	old, next, err := s.oldLeads(ctx, r, from, limit)
	if err != nil {
		return purged, err
	}
	var items []item
	for _, lead := range old {
		switch {
		case lead.unreadable != nil:
			purged.Failed = errors.Join(purged.Failed, fmt.Errorf("lead %s cannot be read: %w", lead.key, lead.unreadable))
		case lead.mayGo(r):
			items = append(items, &purgeItem{s: s, lead: lead.key, retention: r})
		case lead.isSoon(r):
			if purged.Soon++; purged.Oldest.IsZero() {
				purged.Oldest = lead.record.GetCreateTime().AsTime()
			}
		}
	}
	if err := s.do(ctx, items...); err != nil {
		return store.Purged{}, err
	}
	for _, it := range items {
		it := it.(*purgeItem)
		if errors.Is(it.err, store.ErrTooLarge) {
			if it, err = s.purgeLarge(ctx, it); err != nil {
				return store.Purged{}, err
			}
		}
		switch {
		case it.err != nil:
			purged.Failed = errors.Join(purged.Failed, fmt.Errorf("lead %s: %w", it.lead, it.err))
		case it.undelivered != nil:
			purged.Undelivered = append(purged.Undelivered, it.undelivered)
		case it.removed:
			purged.Delivered++
		}
	}
	if next != nil {
		purged.Next = l.toToken(next)
	}
	return purged, nil
}

// purgeLarge removes a lead with more attempts and events than a transaction can hold: in portions, the oldest first.
func (s *Store) purgeLarge(ctx context.Context, it *purgeItem) (*purgeItem, error) {
	it = &purgeItem{s: s, lead: it.lead, retention: it.retention}
	it.err = s.thin(ctx, it.lead, func(k keptLead) bool { return k.mayGo(it.retention) }, remove)
	if it.err != nil {
		return it, nil
	}
	return it, s.do(ctx, it)
}

// keptLead is what retention needs to know of a lead.
type keptLead struct {
	key        leadKey
	record     *leadgatev1.LeadRecord
	deliveries []*leadgatev1.Delivery
	unreadable error // set by oldLeads if record or deliveries cannot be read
}

// finished reports whether nothing is left to do with the lead, and since when.
func (k keptLead) finished() (since time.Time, finished bool) {
	since = k.record.GetCreateTime().AsTime()
	switch k.record.GetState() {
	case leadgatev1.LeadState_LEAD_STATE_HELD:
		return since, false
	case leadgatev1.LeadState_LEAD_STATE_OPEN:
		if len(k.deliveries) == 0 {
			return since, false
		}
	}
	for _, d := range k.deliveries {
		switch d.GetState() {
		case leadgatev1.DeliveryState_DELIVERY_STATE_DELIVERED, leadgatev1.DeliveryState_DELIVERY_STATE_SUPERSEDED,
			leadgatev1.DeliveryState_DELIVERY_STATE_CANCELLED:
		default:
			return since, false
		}
		if changed := d.GetUpdateTime().AsTime(); changed.After(since) {
			since = changed
		}
	}
	return since, true
}

func (k keptLead) mayGo(r store.Retention) bool {
	if since, finished := k.finished(); finished {
		return since.Before(r.Delivered)
	}
	return k.record.GetCreateTime().AsTime().Before(r.Undelivered)
}

func (k keptLead) isSoon(r store.Retention) bool {
	accepted := k.record.GetCreateTime().AsTime()
	_, finished := k.finished()
	return !finished && !accepted.Before(r.WarnedUntil) && accepted.Before(r.WarnUntil)
}

// oldLeads returns leads with their deliveries, oldest first, up to the first that is too young for any limit. Leads and
// deliveries sort alike, so that one walk reads both.
func (s *Store) oldLeads(ctx context.Context, r store.Retention, from []byte, limit int) (old []keptLead, next []byte, err error) {
	young := r.Delivered
	for _, t := range []time.Time{r.Undelivered, r.WarnUntil} {
		if t.After(young) {
			young = t
		}
	}
	end := append([]byte{prefixLead}, timePrefix(young.Add(idTimeSlack))...)
	err = s.view(ctx, func(txn *badgerdb.Txn) error {
		leads := txn.NewIterator(badgerdb.IteratorOptions{Prefix: []byte{prefixLead}, PrefetchValues: true, PrefetchSize: 100})
		defer leads.Close()
		deliveries := txn.NewIterator(badgerdb.IteratorOptions{Prefix: []byte{prefixDelivery}, PrefetchValues: true, PrefetchSize: 100})
		defer deliveries.Close()
		deliveries.Seek(slices.Concat([]byte{prefixDelivery}, from[1:]))
		for leads.Seek(from); leads.Valid() && bytes.Compare(leads.Item().Key(), end) < 0; leads.Next() {
			if len(old) == limit {
				next = leads.Item().KeyCopy(nil)
				return nil
			}
			lead := keptLead{key: leadKey(leads.Item().Key()[1:]), record: &leadgatev1.LeadRecord{}}
			lead.unreadable = unmarshal(leads.Item(), lead.record)
			for ; deliveries.Valid(); deliveries.Next() {
				of := bytes.Compare(deliveries.Item().Key()[1:17], lead.key[:])
				if of > 0 {
					break
				}
				if of < 0 {
					continue
				}
				d := &leadgatev1.Delivery{}
				if err := unmarshal(deliveries.Item(), d); err != nil {
					lead.unreadable = err
				}
				lead.deliveries = append(lead.deliveries, d)
			}
			old = append(old, lead)
		}
		return nil
	})
	return old, next, err
}

func unmarshal(item *badgerdb.Item, into proto.Message) error {
	return item.Value(func(value []byte) error { return proto.Unmarshal(value, into) })
}

// purgeItem removes one lead, if it may still be removed when it is staged.
type purgeItem struct {
	s           *Store
	lead        leadKey
	retention   store.Retention
	removed     bool
	undelivered *leadgatev1.LeadRecord
	err         error
}

func (it *purgeItem) fail(err error) { it.err = err }

func (it *purgeItem) stage(b *batch, c *change) error {
	r := &leadgatev1.LeadRecord{}
	if err := get(b, keyOfLead(it.lead), r); err != nil {
		return err
	}
	deliveries, err := b.deliveriesOf(it.lead)
	if err != nil {
		return err
	}
	kept := keptLead{key: it.lead, record: r, deliveries: deliveries}
	if !kept.mayGo(it.retention) {
		return nil
	}
	people := it.s.peopleOf(r)
	c.delete(keyOfLead(it.lead))
	for _, key := range indexOf(r, it.lead, people) {
		c.delete(key)
	}
	c.countLead(r, -1)
	for _, d := range deliveries {
		if err := it.s.removeDelivery(b, c, r, d); err != nil {
			return err
		}
	}
	if err := b.deleteAll(c, join(prefixTimeline, 16, it.lead[:])); err != nil {
		return err
	}
	for _, person := range people {
		if err := it.s.dropChains(b, c, person, it.lead); err != nil {
			return err
		}
	}
	it.removed = true
	if _, finished := kept.finished(); !finished {
		it.undelivered = store.ForgetRecord(r)
	}
	return nil
}

// removeDelivery removes a delivery with its attempts and index keys. The counts of finished deliveries keep it.
func (s *Store) removeDelivery(b *batch, c *change, r *leadgatev1.LeadRecord, d *leadgatev1.Delivery) error {
	l, err := linkOf(d, s.personOf(r))
	if err != nil {
		return err
	}
	switch state := d.GetState(); state {
	case leadgatev1.DeliveryState_DELIVERY_STATE_PENDING, leadgatev1.DeliveryState_DELIVERY_STATE_IN_FLIGHT, leadgatev1.DeliveryState_DELIVERY_STATE_RETRY_WAIT:
		if err := s.withdraw(b, c, l, state); err != nil {
			return err
		}
		c.count(d.GetDestination(), state, -1)
	case leadgatev1.DeliveryState_DELIVERY_STATE_DEAD, leadgatev1.DeliveryState_DELIVERY_STATE_HELD:
		c.count(d.GetDestination(), state, -1)
		fallthrough
	default:
		c.delete(keyOfEnded(d.GetDestination(), state, d.GetSequence()))
	}
	c.delete(l.delivery.key())
	return b.deleteAll(c, l.delivery.attemptsPrefix())
}
