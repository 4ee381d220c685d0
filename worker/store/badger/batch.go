package badger

import (
	"errors"
	"fmt"
	"hash/maphash"
	"strconv"
	"strings"
	"time"

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
	// before is the batch that was on its way to the disk when txn began, which therefore does not see it. Nil if there
	// was none.
	before *batch

	entries int64               // in txn
	bytes   int64               // in txn, at most
	keys    [][]byte            // in txn, of items
	written map[uint64]struct{} // hashes of those that are read again; see readAgain
	last    last
	events  []*leadgatev1.Event
	then    []func()
	counts  map[countKey]int64
	scratch []entry // of the change that is being staged

	pointers []pointer // to what was told
	expiring []expiring

	calls  []*write   // that are answered when it is durable
	began  time.Time  // when it was sent on its way
	landed chan error // receives what came of that
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

	pointers []pointer  // to what it tells
	expiring []expiring // idempotency keys that it claims
}

// entry is a key to set, or to delete if the value is nil.
type entry struct{ key, value []byte }

type countChange struct {
	countKey
	by int64
}

// newBatch begins a batch, behind one that is about to be committed, if any.
func newBatch(s *Store, before *batch) *batch {
	return &batch{
		s: s, txn: s.db.NewTransaction(true), before: before, written: map[uint64]struct{}{}, last: s.last, counts: map[countKey]int64{},
	}
}

// errUnderWay says that what an item has to read is being written by the batch before. It is staged again when that is done.
var errUnderWay = errors.New("what it reads is on its way to the disk")

// errFull says that a change does not fit into the batch any more.
var errFull = errors.New("the batch is full")

// overlapping is an item that can be staged while the batch before is on its way to the disk. All that it reads, it reads
// through [batch.Get] and [Store.firstBehind].
type overlapping interface {
	item
	overlaps()
}

// readAgain reports whether items that overlap look for a key in single reads. All other keys they only write.
func readAgain(key []byte) bool {
	switch key[0] {
	case prefixKey, prefixLead, prefixChain, prefixDelivery:
		return true
	}
	return false
}

// hash tells keys apart in memory; two that have the same only wait for each other.
func (s *Store) hash(key []byte) uint64 { return maphash.Bytes(s.seed, key) }

// getter reads single keys: a batch, or a transaction.
type getter interface {
	Get(key []byte) (*badgerdb.Item, error)
}

// Get reads what this batch and those before have written. Errors: errUnderWay, and Badger's.
func (b *batch) Get(key []byte) (*badgerdb.Item, error) {
	if b.before != nil {
		if _, ok := b.before.written[b.s.hash(key)]; ok || !readAgain(key) {
			return nil, errUnderWay
		}
	}
	return b.txn.Get(key)
}

// stage makes the change of an item. errUnderWay leaves it as if nothing had been tried.
func (b *batch) stage(it item) (*change, error) {
	if _, ok := it.(overlapping); !ok && b.before != nil {
		return nil, errUnderWay
	}
	c := &change{last: b.last, entries: b.scratch[:0]}
	err := it.stage(b, c)
	b.scratch = c.entries
	if err != nil {
		c.revert()
	}
	return c, err
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
	// A value of this size or more goes to the value log; see [tuned].
	maxValue = 1 << 20
)

// take moves a change into the transaction. Errors: errFull, and what makes the change impossible or ends the store.
func (b *batch) take(c *change) error {
	entries, bytes := int64(len(c.entries)), int64(0)
	for _, e := range c.entries {
		if len(e.key) > maxKey {
			return fmt.Errorf("%w: a key of %d bytes; %d are the most", store.ErrTooLarge, len(e.key), maxKey)
		}
		if len(e.value) >= maxValue {
			return fmt.Errorf("%w: %d bytes under %q; fewer than %d can be kept in one piece", store.ErrTooLarge, len(e.value), e.key[:1], maxValue)
		}
		bytes += int64(len(e.key) + len(e.value) + entryOverhead)
	}
	// At most, as they share entries.
	entries += int64(len(c.pointers) + len(c.expiring))
	for _, k := range c.expiring {
		bytes += int64(len(k.name) + entryOverhead)
	}
	bytes += int64(len(c.pointers) * (pointerSize + entryOverhead))
	counted := int64(len(b.counts) + len(c.counts)) // at least as many as destinations
	maxEntries := b.s.db.MaxBatchCount() - reservedEntries - counted
	maxBytes := b.s.db.MaxBatchSize() - reservedBytes - counted*countsBytes
	if entries >= maxEntries || bytes >= maxBytes {
		return fmt.Errorf("%w: %d bytes in %d entries are more than one transaction can hold", store.ErrTooLarge, bytes, entries)
	}
	if b.entries+entries >= maxEntries || b.bytes+bytes >= maxBytes {
		return errFull
	}
	for _, e := range c.entries {
		if err := b.put(e); err != nil {
			return b.s.broken(err)
		}
		b.keys = append(b.keys, e.key)
		if readAgain(e.key) {
			b.written[b.s.hash(e.key)] = struct{}{}
		}
	}
	b.entries += entries
	b.bytes += bytes
	b.last = c.last
	b.events = append(b.events, c.events...)
	b.pointers = append(b.pointers, c.pointers...)
	b.expiring = append(b.expiring, c.expiring...)
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

// answer tells the calls what came of the commit.
func (b *batch) answer(err error) {
	for _, w := range b.calls {
		w.answer(err)
	}
	b.calls = nil
}

// discard ends the transaction; nothing happens to one that was committed. One left open would keep old versions on disk.
func (b *batch) discard() { b.txn.Discard() }

// finish adds what every commit carries.
func (b *batch) finish() error {
	if err := b.txn.Set(keyLast, b.last.bytes()); err != nil {
		return err
	}
	if err := share(b.pointers, b.expiring, b.last.sequence, b.txn.Set); err != nil {
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

// broken remembers why a commit failed. Behind the first line of what Badger says may stand what it was given to write, which
// has no place in logs.
func (s *Store) broken(err error) error {
	why, _, _ := strings.Cut(err.Error(), "\n")
	err = fmt.Errorf("%w: a commit failed, and it is not known what of it is on disk; restart leadgate: %s", store.ErrUnavailable, why)
	s.failed.CompareAndSwap(nil, &err)
	return err
}

// revert undoes what a change that is not to be written has done in memory.
func (c *change) revert() {
	for _, undo := range c.undo {
		undo()
	}
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
func get(from getter, key []byte, into proto.Message) error {
	item, err := from.Get(key)
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
