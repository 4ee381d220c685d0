package badger

import (
	"errors"
	"fmt"
	"strconv"

	badgerdb "github.com/dgraph-io/badger/v4"
	"google.golang.org/protobuf/proto"

	storev1 "github.com/leadgate/leadgate/gen/go/leadgate/store/v1"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/store"
)

// batch is one transaction in the making: the changes of all items that share a commit.
type batch struct {
	s   *Store
	txn *badgerdb.Txn

	entries int64 // in txn
	bytes   int64 // in txn, at most
	last    last
	events  []*leadgatev1.Event
	then    []func()
	counts  map[countKey]int64
}

// countKey names one of the counts: deliveries of a destination in a state, leads in a state, or leads held for a reason.
// Exactly one of the last three is set.
type countKey struct {
	destination string // empty for leads
	state       leadgatev1.DeliveryState
	lead        leadgatev1.LeadState
	hold        leadgatev1.HoldReason
}

// change is what one item changes. It reaches the batch as a whole or not at all.
type change struct {
	entries []entry
	last    last
	events  []*leadgatev1.Event
	then    []func() // run after the commit, before its callers go on
	undo    []func() // run when the item fails after all
	counts  []countChange
}

// entry is a key to set, or to delete if the value is nil.
type entry struct{ key, value []byte }

type countChange struct {
	countKey
	by int64
}

func newBatch(s *Store) *batch {
	b := &batch{s: s}
	b.begin()
	return b
}

func (b *batch) begin() {
	*b = batch{s: b.s, txn: b.s.db.NewTransaction(true), last: b.s.last, counts: map[countKey]int64{}}
}

// usualEntries is how many entries most changes have at most: a lead with a key, three events and a delivery has 15.
const usualEntries = 16

// add stages items. Its error concerns the whole batch.
func (b *batch) add(items []item) error {
	for _, it := range items {
		c := change{last: b.last, entries: make([]entry, 0, usualEntries)}
		if err := it.stage(b, &c); err != nil {
			c.failed(it, err)
			continue
		}
		if err := b.take(it, &c); err != nil {
			return err
		}
	}
	return nil
}

const (
	// Room that every commit needs beside the items: the last numbers and what Badger adds itself.
	reservedEntries = 64
	reservedBytes   = 16 << 10
	// Room for the counts of one destination: its name and a number for each state.
	countsBytes = 512
	// More than what Badger adds to the bytes of key and value.
	entryOverhead = 64
	// Badger takes no longer key.
	maxKey = 65_000
)

// take moves a change into the transaction, committing what is in it first where it would grow too big.
func (b *batch) take(it item, c *change) error {
	entries, bytes := int64(len(c.entries)), int64(0)
	for _, e := range c.entries {
		if len(e.key) > maxKey {
			c.failed(it, fmt.Errorf("a key of %d bytes is too long; %d are the most", len(e.key), maxKey))
			return nil
		}
		bytes += int64(len(e.key) + len(e.value) + entryOverhead)
	}
	counted := int64(len(b.counts) + len(c.counts)) // at least as many as destinations
	maxEntries := b.s.db.MaxBatchCount() - reservedEntries - counted
	maxBytes := b.s.db.MaxBatchSize() - reservedBytes - counted*countsBytes
	if entries >= maxEntries || bytes >= maxBytes {
		c.failed(it, fmt.Errorf("%d bytes in %d entries are more than one transaction can hold", bytes, entries))
		return nil
	}
	if b.entries+entries >= maxEntries || b.bytes+bytes >= maxBytes {
		if err := b.commit(); err != nil {
			return err
		}
		b.begin()
	}
	for _, e := range c.entries {
		if err := b.put(e); err != nil {
			return b.s.broken(err)
		}
	}
	b.entries += entries
	b.bytes += bytes
	b.last = c.last
	b.events = append(b.events, c.events...)
	b.then = append(b.then, c.then...)
	for _, n := range c.counts {
		b.counts[n.countKey] += n.by
	}
	return nil
}

func (b *batch) put(e entry) error {
	if e.value == nil {
		return b.txn.Delete(e.key)
	}
	return b.txn.Set(e.key, e.value)
}

// commit makes the batch durable, then lets memory and watchers know. A commit that fails leaves it unknown what is on
// disk, so the store refuses writes from then on; opening it again finds out.
func (b *batch) commit() error {
	defer b.discard()
	if b.entries == 0 {
		return nil
	}
	if err := b.finish(); err != nil {
		return b.s.broken(err)
	}
	if err := b.txn.Commit(); err != nil {
		return b.s.broken(err)
	}
	b.s.last = b.last
	b.s.addCounts(b.counts)
	for _, then := range b.then {
		then()
	}
	if len(b.events) > 0 {
		b.s.publish(b.events)
	}
	return nil
}

// discard ends the transaction; nothing happens to one that was committed. One left open would keep old versions on disk.
func (b *batch) discard() { b.txn.Discard() }

// finish adds what every commit carries.
func (b *batch) finish() error {
	if err := b.txn.Set(keyLast, b.last.bytes()); err != nil {
		return err
	}
	touched := map[string]bool{}
	for key := range b.counts {
		touched[key.destination] = true
	}
	for destination := range touched {
		value, err := proto.Marshal(b.s.countsOf(destination, b.counts))
		if err != nil {
			return err
		}
		if err := b.txn.Set(keyOfCounts(destination), value); err != nil {
			return err
		}
	}
	return nil
}

// broken remembers why a commit failed.
func (s *Store) broken(err error) error {
	err = fmt.Errorf("%w: a commit failed, and it is not known what of it is on disk; restart leadgate: %w", store.ErrUnavailable, err)
	s.failed.CompareAndSwap(nil, &err)
	return err
}

// failed undoes what the item changed in memory, and tells it.
func (c *change) failed(it item, err error) {
	for _, undo := range c.undo {
		undo()
	}
	it.fail(err)
}

// set stages a value.
func (c *change) set(key, value []byte) {
	if value == nil {
		value = []byte{}
	}
	c.entries = append(c.entries, entry{key, value})
}

// setMessage stages a message.
func (c *change) setMessage(key []byte, m proto.Message) error {
	value, err := proto.Marshal(m)
	if err != nil {
		return fmt.Errorf("encode what is under %q: %w", key[:1], err)
	}
	c.set(key, value)
	return nil
}

// delete stages a removal.
func (c *change) delete(key []byte) { c.entries = append(c.entries, entry{key: key}) }

// count notes that so many more deliveries of a destination are in a state.
func (c *change) count(destination string, state leadgatev1.DeliveryState, by int64) {
	c.counts = append(c.counts, countChange{countKey{destination: destination, state: state}, by})
}

// moved moves a delivery in the counts, and in the index of those that wait no more. Whoever changes a delivery's state calls
// it; the lines in which deliveries wait are chain.go's.
func (c *change) moved(key deliveryKey, d *leadgatev1.Delivery, from leadgatev1.DeliveryState) {
	to := d.GetState()
	if from == to {
		return
	}
	c.count(key.destination, from, -1)
	c.count(key.destination, to, 1)
	if !waits(from) {
		c.delete(keyOfEnded(key.destination, from, d.GetSequence()))
	}
	if !waits(to) {
		c.set(keyOfEnded(key.destination, to, d.GetSequence()), whenAndWho(d.GetCreateTime().AsTime().UnixNano(), key.lead))
	}
}

// countLead notes that so many more leads are like this one: in its state, and held for its reasons.
func (c *change) countLead(r *leadgatev1.LeadRecord, by int64) {
	c.counts = append(c.counts, countChange{countKey{lead: r.GetState()}, by})
	for _, reason := range holdReasons(r) {
		c.counts = append(c.counts, countChange{countKey{hold: reason}, by})
	}
}

// eventID is journal.ID's text for a written event.
func (s *Store) eventID(number uint64) string { return s.id + "-" + strconv.FormatUint(number, 10) }

// get reads a message. Error: store.ErrNotFound.
func get(txn *badgerdb.Txn, key []byte, into proto.Message) error {
	item, err := txn.Get(key)
	if errors.Is(err, badgerdb.ErrKeyNotFound) {
		return store.ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("read: %w", err)
	}
	return item.Value(func(value []byte) error { return decode(key, value, into) })
}

// countsOf returns the counts of a destination with changes applied.
func (s *Store) countsOf(destination string, changes map[countKey]int64) *storev1.Counts {
	s.countsMu.Lock()
	defer s.countsMu.Unlock()
	counts := &storev1.Counts{Deliveries: map[int32]int64{}, Leads: map[int32]int64{}, Holds: map[int32]int64{}}
	for key, n := range s.counts[destination] {
		key.addTo(counts, n)
	}
	for key, by := range changes {
		if key.destination == destination {
			key.addTo(counts, by)
		}
	}
	return counts
}
