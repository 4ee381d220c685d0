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

// batch is a transaction in preparation: the changes of all items that share a commit.
type batch struct {
	s   *Store
	txn *badgerdb.Txn
	// before is the batch that was still being written when txn began, so that txn does not see it. Nil if there was none.
	before *batch

	entries int64               // in txn
	bytes   int64               // in txn, at most
	keys    [][]byte            // in txn, of items
	written map[uint64]struct{} // hashes of the keys that are read again; see readAgain
	last    last
	events  []*leadgatev1.Event
	then    []func()
	counts  map[countKey]int64
	scratch []entry // entries of the change that is being staged

	pointers []pointer // to the events
	expiring []expiring

	calls  []*write   // answered when the batch is durable
	began  time.Time  // when its commit began
	landed chan error // receives the result of the commit
}

// countKey names one of the counts: deliveries of a destination in a state, leads in a state, or leads held for a reason. Exactly
// one of the last three fields is set.
type countKey struct {
	destination string // empty for leads
	state       leadgatev1.DeliveryState
	lead        leadgatev1.LeadState
	hold        leadgatev1.HoldReason
}

// change is what one item changes. It is added to the batch as a whole or not at all.
type change struct {
	entries []entry
	last    last
	events  []*leadgatev1.Event
	then    []func() // run after the commit, before the callers are answered
	undo    []func() // run if the item fails after all
	counts  []countChange

	pointers []pointer  // to its events
	expiring []expiring // idempotency keys that it claims
}

// entry is a key to set, or to delete if the value is nil.
type entry struct{ key, value []byte }

type countChange struct {
	countKey
	by int64
}

// newBatch begins a batch, after one that is about to be committed, if any.
func newBatch(s *Store, before *batch) *batch {
	return &batch{
		s: s, txn: s.db.NewTransaction(true), before: before, written: map[uint64]struct{}{}, last: s.last, counts: map[countKey]int64{},
	}
}

// errUnderWay means that an item has to read what the previous batch is still writing. The item is staged again afterwards.
var errUnderWay = errors.New("what it reads is on its way to the disk")

// errFull means that a change no longer fits into the batch.
var errFull = errors.New("the batch is full")

// overlapping is an item that can be staged while the previous batch is being written. It reads only through [batch.Get] and
// [Store.firstBehind].
type overlapping interface {
	item
	overlaps()
}

// readAgain reports whether overlapping items read a key singly. They only write all other keys.
func readAgain(key []byte) bool {
	switch key[0] {
	case prefixKey, prefixLead, prefixChain, prefixDelivery:
		return true
	}
	return false
}

// hash identifies keys in memory. A collision only makes an item wait.
func (s *Store) hash(key []byte) uint64 { return maphash.Bytes(s.seed, key) }

// getter reads single keys: a batch, or a transaction.
type getter interface {
	Get(key []byte) (*badgerdb.Item, error)
}

// Get reads what this batch and earlier ones have written. Errors: errUnderWay, and Badger's.
func (b *batch) Get(key []byte) (*badgerdb.Item, error) {
	if b.before != nil {
		if _, ok := b.before.written[b.s.hash(key)]; ok || !readAgain(key) {
			return nil, errUnderWay
		}
	}
	return b.txn.Get(key)
}

// stage returns the change that an item makes. After errUnderWay, the item can be staged again.
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
	// Reserved in every commit: for the last numbers and what Badger itself adds.
	reservedEntries = 64
	reservedBytes   = 16 << 10
	// Reserved for the counts of one destination: its name and a number for each state.
	countsBytes = 512
	// More than Badger adds to each key and value.
	entryOverhead = 64
	// The longest key that Badger accepts.
	maxKey = 65_000
	// Values of this size or more would go to the value log; see [tuned].
	maxValue = 1 << 20
)

// take adds a change to the transaction. Errors: errFull, an error of the item, or one that ends the store.
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
	// Upper bounds, because they share entries.
	entries += int64(len(c.pointers) + len(c.expiring))
	for _, k := range c.expiring {
		bytes += int64(len(k.name) + entryOverhead)
	}
	bytes += int64(len(c.pointers) * (pointerSize + entryOverhead))
	counted := int64(len(b.counts) + len(c.counts)) // at least the number of destinations
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

// answer answers the calls with the result of the commit.
func (b *batch) answer(err error) {
	for _, w := range b.calls {
		w.answer(err)
	}
	b.calls = nil
}

// discard ends the transaction, unless it was committed. Left open, it would keep old versions on disk.
func (b *batch) discard() { b.txn.Discard() }

// finish adds what every commit contains.
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

// broken records why a commit failed. It keeps only the first line of Badger's error: the others may contain the data to be
// written, which must not get into logs.
func (s *Store) broken(err error) error {
	why, _, _ := strings.Cut(err.Error(), "\n")
	err = fmt.Errorf("%w: a commit failed, and it is not known what of it is on disk; restart leadgate: %s", store.ErrUnavailable, why)
	s.failed.CompareAndSwap(nil, &err)
	return err
}

// revert undoes the effects in memory of a change that is not written.
func (c *change) revert() {
	for _, undo := range c.undo {
		undo()
	}
}

func (c *change) set(key, value []byte) {
	if value == nil {
		value = []byte{}
	}
	c.entries = append(c.entries, entry{key, value})
}

func (c *change) setMessage(key []byte, m proto.Message) error {
	value, err := proto.Marshal(m)
	if err != nil {
		return fmt.Errorf("encode what is under %q: %w", key[:1], err)
	}
	c.set(key, value)
	return nil
}

func (c *change) delete(key []byte) { c.entries = append(c.entries, entry{key: key}) }

// count adds to the number of deliveries of a destination in a state.
func (c *change) count(destination string, state leadgatev1.DeliveryState, by int64) {
	c.counts = append(c.counts, countChange{countKey{destination: destination, state: state}, by})
}

// moved updates the counts and the index of ended deliveries after a change of state. Whoever changes a delivery's state calls
// it; the indexes of waiting deliveries are in chain.go.
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

// countLead adds to the counts that a lead belongs to: its state and its hold reasons.
func (c *change) countLead(r *leadgatev1.LeadRecord, by int64) {
	c.counts = append(c.counts, countChange{countKey{lead: r.GetState()}, by})
	for _, reason := range holdReasons(r) {
		c.counts = append(c.counts, countChange{countKey{hold: reason}, by})
	}
}

// eventID returns the text of a written event's journal.ID.
func (s *Store) eventID(number uint64) string { return s.id + "-" + strconv.FormatUint(number, 10) }

// get reads a message. Errors: store.ErrNotFound, store.ErrUnreadable.
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
