package badger

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	badgerdb "github.com/dgraph-io/badger/v4"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	storev1 "github.com/leadgate/leadgate/gen/go/leadgate/store/v1"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/store"
)

// rebuild makes what backups do not include, and holds unfinished deliveries. An unreadable record is left out with everything
// that belongs to it: it was unreadable when it was backed up, and must not prevent the restore.
func (r *restoration) rebuild(ctx context.Context) error {
	txn := r.db.NewTransaction(false)
	defer txn.Discard()
	meta := &storev1.Meta{}
	switch err := get(txn, keyMeta, meta); {
	case errors.Is(err, store.ErrNotFound) && r.salvaging:
		meta = newMeta() // with a new hash key, idempotency keys and the persons of erased leads are no longer found
	case err != nil:
		return fmt.Errorf("the backup lacks the store's own record: %w", err)
	case meta.GetFormat() != formatNumber:
		return fmt.Errorf("it has format %d, and this leadgate knows format %d", meta.GetFormat(), formatNumber)
	}
	b := &rebuilding{
		r:   r,
		s:   &Store{hasher: store.NewHasher(meta.GetHashKey()), now: r.o.Now, behind: marks{}},
		txn: txn, batch: r.db.NewWriteBatch(), counts: map[countKey]int64{}, delivered: map[string]uint64{}, people: map[string]bool{},
		unreadable: map[string]bool{},
	}
	defer b.batch.Cancel()
	meta.StoreId = newMeta().GetStoreId()
	b.s.id = meta.GetStoreId()
	var err error
	if b.last, err = readLast(txn); err != nil {
		return err
	}
	for _, step := range []func() error{
		func() error { return b.set(keyMeta, meta) },
		func() error { return b.leads(ctx) },
		b.keys, b.chains, b.attempts, b.events, b.total,
		func() error { return b.batch.Set(keyLast, b.last.bytes()) },
		b.batch.Flush,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	r.restored.Leads, r.restored.Deliveries, r.restored.Held = b.nLeads, b.nDeliveries, b.nHeld
	for _, key := range slices.Sorted(maps.Keys(b.unreadable)) {
		r.restored.LeftOut = append(r.restored.LeftOut, nameOf([]byte(key)))
	}
	return nil
}

// rebuilding completes a database that contains only what backups include.
type rebuilding struct {
	r                          *restoration
	s                          *Store // provides hash key, clock and ID
	txn                        *badgerdb.Txn
	batch                      *badgerdb.WriteBatch
	last                       last
	counts                     map[countKey]int64
	delivered                  map[string]uint64 // the largest delivered sequence, by chain key
	people                     map[string]bool   // persons that leads name
	told                       []pointer         // to the newest events
	unreadable                 map[string]bool   // keys of records left out
	nLeads, nDeliveries, nHeld int64
}

func (b *rebuilding) set(key []byte, m proto.Message) error {
	value, err := proto.Marshal(m)
	if err != nil {
		return err
	}
	return b.batch.Set(key, value)
}

// leaveOut removes an unreadable record.
func (b *rebuilding) leaveOut(key []byte) error {
	b.unreadable[string(key)] = true
	return b.batch.Delete(slices.Clone(key))
}

// About how many bytes are written for a lead: index keys, and its deliveries if held.
const aroundLead = 4 << 10

// leads rebuilds leads and their deliveries, which sort alike.
func (b *rebuilding) leads(ctx context.Context) error {
	leads := b.txn.NewIterator(badgerdb.IteratorOptions{Prefix: []byte{prefixLead}, PrefetchValues: true, PrefetchSize: 100})
	defer leads.Close()
	deliveries := b.txn.NewIterator(badgerdb.IteratorOptions{Prefix: []byte{prefixDelivery}, PrefetchValues: true, PrefetchSize: 100})
	defer deliveries.Close()
	deliveries.Rewind()
	for leads.Rewind(); leads.Valid(); leads.Next() {
		if err := errors.Join(ctx.Err(), b.r.wrote(aroundLead)); err != nil {
			return err
		}
		lead, r := leadKey(leads.Item().Key()[1:]), &leadgatev1.LeadRecord{}
		if unmarshal(leads.Item(), r) != nil { // its deliveries are removed below, like those of a missing lead
			if err := b.leaveOut(leads.Item().Key()); err != nil {
				return err
			}
			continue
		}
		b.nLeads++
		b.last.sequence = max(b.last.sequence, r.GetSequence())
		people := b.s.peopleOf(r)
		for _, person := range people {
			b.people[string(person)] = true
		}
		for _, key := range indexOf(r, lead, people) {
			if err := b.batch.Set(key, []byte{}); err != nil {
				return err
			}
		}
		b.counts[countKey{lead: r.GetState()}]++
		for _, reason := range holdReasons(r) {
			b.counts[countKey{hold: reason}]++
		}
		for ; deliveries.Valid() && string(deliveries.Item().Key()[1:17]) <= string(lead[:]); deliveries.Next() {
			key := deliveries.Item().KeyCopy(nil)
			d := &leadgatev1.Delivery{}
			if unmarshal(deliveries.Item(), d) != nil {
				if err := b.leaveOut(key); err != nil {
					return err
				}
				continue
			}
			open := r.GetState() == leadgatev1.LeadState_LEAD_STATE_OPEN || r.GetState() == leadgatev1.LeadState_LEAD_STATE_ERASED
			if string(key[1:17]) != string(lead[:]) || !open { // the lead was removed, or the delivery withdrawn, after an earlier backup
				if err := b.batch.Delete(key); err != nil {
					return err
				}
				continue
			}
			if err := b.delivery(r, d, deliveryKey{lead, string(key[17:])}); err != nil {
				return err
			}
		}
	}
	for ; deliveries.Valid(); deliveries.Next() { // of missing leads
		if err := b.batch.Delete(deliveries.Item().KeyCopy(nil)); err != nil {
			return err
		}
	}
	return nil
}

// delivery holds an unfinished delivery, and adds it to indexes and counts.
func (b *rebuilding) delivery(r *leadgatev1.LeadRecord, d *leadgatev1.Delivery, key deliveryKey) error {
	b.nDeliveries++
	if waits(d.GetState()) {
		b.nHeld++
		if d.GetState() == leadgatev1.DeliveryState_DELIVERY_STATE_IN_FLIGHT {
			if err := b.loseAnswer(d, key); err != nil {
				return err
			}
		}
		d.State, d.Reason, d.DueTime = leadgatev1.DeliveryState_DELIVERY_STATE_HELD, restoredDetail, nil
		d.UpdateTime = timestamppb.New(b.s.now())
		if err := b.set(key.key(), d); err != nil {
			return err
		}
		if err := b.tellHeld(r, d, key); err != nil {
			return err
		}
	}
	if person := b.s.personOf(r); person != nil && d.GetState() == leadgatev1.DeliveryState_DELIVERY_STATE_DELIVERED {
		chain := string(keyOfChain(key.destination, person))
		b.delivered[chain] = max(b.delivered[chain], d.GetSequence())
	}
	b.counts[countKey{destination: key.destination, state: d.GetState()}]++
	return b.batch.Set(keyOfEnded(key.destination, d.GetState(), d.GetSequence()), whenAndWho(d.GetCreateTime().AsTime().UnixNano(), key.lead))
}

// loseAnswer ends an attempt that was in flight.
func (b *rebuilding) loseAnswer(d *leadgatev1.Delivery, key deliveryKey) error {
	attempt := &leadgatev1.Attempt{}
	switch err := get(b.txn, key.attemptKey(d.GetAttemptCount()), attempt); {
	case lost(err):
		return nil
	case err != nil:
		return err
	}
	attempt.Outcome, attempt.Error = leadgatev1.AttemptOutcome_ATTEMPT_OUTCOME_UNKNOWN, answerLost
	return b.set(key.attemptKey(d.GetAttemptCount()), attempt)
}

func (b *rebuilding) tellHeld(r *leadgatev1.LeadRecord, d *leadgatev1.Delivery, key deliveryKey) error {
	records, err := encodeEvents([]*leadgatev1.Event{{Time: d.GetUpdateTime(), Kind: &leadgatev1.Event_Lead{Lead: &leadgatev1.LeadEvent{
		Stage: leadgatev1.Stage_STAGE_HELD, LeadId: d.GetLeadId(), Form: d.GetForm(), Destination: d.GetDestination(), DeliveryId: d.GetDeliveryId(),
		Attempt: d.GetAttemptCount(), IdempotencyKey: r.GetIdempotencyKey(), Detail: restoredDetail,
	}}}})
	if err != nil {
		return err
	}
	c := change{last: b.last}
	c.tell(b.s, key.lead, records)
	b.last = c.last
	for _, e := range c.entries {
		if e.key[0] == prefixTimeline {
			b.remember(e.key, 1)
		}
		if err := b.batch.Set(e.key, e.value); err != nil {
			return err
		}
	}
	return nil
}

// keys rebuilds the expiry index of idempotency keys.
func (b *rebuilding) keys() error {
	var n uint64
	return each(b.txn, []byte{prefixKey}, func(key, value []byte) error {
		known := &storev1.IdempotencyKey{}
		if proto.Unmarshal(value, known) != nil {
			return b.leaveOut(key)
		}
		n++
		return share(nil, []expiring{newExpiring(known.GetExpiresAt(), key[1:])}, n, b.batch.Set)
	})
}

// chains keeps the last delivered sequence for each person that a lead names.
func (b *rebuilding) chains() error {
	if err := each(b.txn, []byte{prefixChain}, func(key, value []byte) error {
		chain := &storev1.Chain{}
		if proto.Unmarshal(value, chain) != nil {
			return b.leaveOut(key)
		}
		b.delivered[string(key)] = max(b.delivered[string(key)], chain.GetDelivered())
		return nil
	}); err != nil {
		return err
	}
	for key, sequence := range b.delivered {
		person := key[strings.IndexByte(key, 0)+1:]
		if sequence == 0 || !b.people[person] {
			if err := b.batch.Delete([]byte(key)); err != nil {
				return err
			}
		} else if err := b.set([]byte(key), &storev1.Chain{Delivered: sequence}); err != nil {
			return err
		}
	}
	return nil
}

// attempts removes attempts whose lead or delivery was removed after an earlier backup.
func (b *rebuilding) attempts() error {
	it := b.txn.NewIterator(badgerdb.IteratorOptions{Prefix: []byte{prefixAttempt}})
	defer it.Close()
	var last []byte // delivery
	there := false
	for it.Rewind(); it.Valid(); it.Next() {
		key := it.Item().KeyCopy(nil)
		delivery := key[1 : len(key)-5]
		if !bytes.Equal(delivery, last) {
			last, there = delivery, b.has(prefixLead, delivery[:16]) && b.has(prefixDelivery, delivery)
		}
		if !there {
			if err := b.batch.Delete(key); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *rebuilding) has(prefix byte, name []byte) bool {
	key := join(prefix, len(name), name)
	_, err := b.txn.Get(key)
	return !errors.Is(err, badgerdb.ErrKeyNotFound) && !b.unreadable[string(key)]
}

// remember keeps pointers to the newest timeline entries.
func (b *rebuilding) remember(key []byte, count byte) {
	b.told = append(b.told, pointer{binary.BigEndian.Uint64(key[17:]), leadKey(key[1:17]), count})
	if len(b.told) >= 2*keptEvents {
		b.forgetOld()
	}
}

func (b *rebuilding) forgetOld() {
	slices.SortFunc(b.told, func(x, y pointer) int { return cmp.Compare(y.first, x.first) })
	b.told = b.told[:min(len(b.told), keptEvents)]
}

// events rebuilds the index of the newest events, and removes events whose lead was removed after an earlier backup.
func (b *rebuilding) events() error {
	var last []byte // lead
	there := false
	err := each(b.txn, []byte{prefixTimeline}, func(key, value []byte) error {
		if !bytes.Equal(key[1:17], last) {
			last = slices.Clone(key[1:17])
			there = b.has(prefixLead, last)
		}
		if !there {
			return b.batch.Delete(slices.Clone(key))
		}
		told := &storev1.Told{}
		if proto.Unmarshal(value, told) != nil {
			return b.leaveOut(key)
		}
		if n := len(told.GetEvents()); n > 0 {
			b.remember(key, byte(n))
			b.last.event = max(b.last.event, binary.BigEndian.Uint64(key[17:])+uint64(n)-1)
		}
		return nil
	})
	if err != nil {
		return err
	}
	b.forgetOld()
	for _, e := range b.told {
		if err := share([]pointer{e}, nil, 0, b.batch.Set); err != nil {
			return err
		}
	}
	return nil
}

// total rebuilds the counts. Those of finished deliveries include deliveries of removed leads.
func (b *rebuilding) total() error {
	all := map[string]*storev1.Counts{}
	of := func(destination string) *storev1.Counts {
		if all[destination] == nil {
			all[destination] = &storev1.Counts{Deliveries: map[int32]int64{}, Leads: map[int32]int64{}, Holds: map[int32]int64{}}
		}
		return all[destination]
	}
	for key, n := range b.counts {
		key.addTo(of(key.destination), n)
	}
	err := each(b.txn, []byte{prefixCounts}, func(key, value []byte) error {
		before, now := &storev1.Counts{}, of(string(key[1:]))
		if proto.Unmarshal(value, before) != nil {
			return b.leaveOut(key)
		}
		for _, state := range []leadgatev1.DeliveryState{
			leadgatev1.DeliveryState_DELIVERY_STATE_DELIVERED, leadgatev1.DeliveryState_DELIVERY_STATE_SUPERSEDED, leadgatev1.DeliveryState_DELIVERY_STATE_CANCELLED,
		} {
			if n := max(now.GetDeliveries()[int32(state)], before.GetDeliveries()[int32(state)]); n > 0 {
				now.Deliveries[int32(state)] = n
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for destination, counts := range all {
		if err := b.set(keyOfCounts(destination), counts); err != nil {
			return err
		}
	}
	return nil
}
