package badger

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	badgerdb "github.com/dgraph-io/badger/v4"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	storev1 "github.com/leadgate/leadgate/gen/go/leadgate/store/v1"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/store"
)

// How many differing payloads are remembered for one key. Any others are stored again each time they come.
const maxVariants = 16

// Accept implements store.Store.
func (s *Store) Accept(ctx context.Context, acceptances ...*store.Acceptance) ([]store.Accepted, error) {
	results, err := doEach(ctx, s, acceptances, func(r *store.Accepted) *error { return &r.Err }, s.newAcceptItem)
	if err != nil {
		return nil, err
	}
	if len(results) > 0 && !slices.ContainsFunc(results, func(a store.Accepted) bool { return !errors.Is(a.Err, store.ErrUnavailable) }) {
		return nil, results[0].Err
	}
	return results, nil
}

// acceptItem is one acceptance, encoded by its caller to take work off the writer.
type acceptItem struct {
	s       *Store
	key     *store.Key
	name    []byte // hash of the key
	known   []byte // encoded record of the key
	lead    *encodedLead
	onReuse *encodedLead
	result  *store.Accepted
}

// encodedLead is a lead record with its deliveries and events. Sequence numbers are missing: protobuf allows the writer to append
// them to the encoding.
type encodedLead struct {
	id         string
	key        leadKey
	person     []byte // nil for a lead without an address, which has no chain
	record     *leadgatev1.LeadRecord
	encoded    []byte
	created    int64
	index      [][]byte // keys without values
	deliveries []encodedDelivery
	due        *timestamppb.Timestamp // of the deliveries
	events     []record
}

type encodedDelivery struct {
	destination string
	encoded     []byte
}

func (s *Store) newAcceptItem(a *store.Acceptance, result *store.Accepted) (item, error) {
	lead, err := s.encodeLead(a)
	if err != nil {
		return nil, err
	}
	it := &acceptItem{s: s, key: a.Key, lead: lead, result: result}
	if a.Key != nil {
		if err := checkTime("the expiry of the idempotency key", a.Key.Expires); err != nil {
			return nil, err
		}
		if strings.ContainsRune(a.Key.Scope, 0) {
			return nil, fmt.Errorf("%q is not the scope of an idempotency key", a.Key.Scope)
		}
		it.name = s.keyName(a.Key)
		if it.known, err = proto.Marshal(remember(lead.id, a.Key)); err != nil {
			return nil, fmt.Errorf("encode idempotency key: %w", err)
		}
	}
	if a.OnReuse != nil {
		if a.OnReuse.Record.GetState() != leadgatev1.LeadState_LEAD_STATE_HELD {
			return nil, fmt.Errorf("a lead that comes under a used key is HELD, not %s", a.OnReuse.Record.GetState())
		}
		if it.onReuse, err = s.encodeLead(a.OnReuse); err != nil {
			return nil, err
		}
	}
	return it, nil
}

func (s *Store) encodeLead(a *store.Acceptance) (*encodedLead, error) {
	r := a.Record
	key, err := parseLead(r.GetLeadId())
	if err != nil {
		return nil, err
	}
	switch {
	case r.GetState() != leadgatev1.LeadState_LEAD_STATE_OPEN && r.GetState() != leadgatev1.LeadState_LEAD_STATE_HELD:
		return nil, fmt.Errorf("a lead is accepted OPEN or HELD, not %s", r.GetState())
	case r.GetState() == leadgatev1.LeadState_LEAD_STATE_HELD && len(a.Destinations) > 0:
		return nil, errors.New("a held lead has no deliveries")
	}
	if err := checkTime("the creation time", r.GetCreateTime().AsTime()); err != nil {
		return nil, err
	}
	e := &encodedLead{id: r.GetLeadId(), key: key, record: r, created: r.GetCreateTime().AsTime().UnixNano()}
	e.due = r.GetCreateTime()
	if a.NotBefore.After(e.due.AsTime()) {
		if err := checkTime("the due time", a.NotBefore); err != nil {
			return nil, err
		}
		e.due = timestamppb.New(a.NotBefore)
	}
	r.Sequence = 0
	if e.encoded, err = encodeFor(r); err != nil {
		return nil, fmt.Errorf("encode lead: %w", err)
	}
	people := s.peopleOf(r)
	e.index = indexOf(r, key, people)
	if r.GetLead().GetEmail() != "" && len(a.Destinations) > 0 {
		e.person = people[0]
	}
	for i, destination := range a.Destinations {
		if destination == "" || strings.ContainsRune(destination, 0) {
			return nil, fmt.Errorf("%q is not the name of a destination", destination)
		}
		if slices.Contains(a.Destinations[:i], destination) {
			return nil, fmt.Errorf("destination %s is named twice", destination)
		}
		encoded, err := encodeFor(&leadgatev1.Delivery{
			DeliveryId: deliveryKey{key, destination}.String(), LeadId: r.GetLeadId(), Destination: destination,
			Form: r.GetLead().GetSource().GetForm(), State: leadgatev1.DeliveryState_DELIVERY_STATE_PENDING, Mode: leadgatev1.DeliveryMode_DELIVERY_MODE_UPSERT,
			CreateTime: r.GetCreateTime(), UpdateTime: r.GetCreateTime(), DueTime: e.due,
		})
		if err != nil {
			return nil, fmt.Errorf("encode delivery: %w", err)
		}
		e.deliveries = append(e.deliveries, encodedDelivery{destination, encoded})
	}
	if e.events, err = encodeEvents(a.Events); err != nil {
		return nil, err
	}
	return e, nil
}

// The field numbers of sequence in LeadRecord and Delivery.
const (
	recordSequence   = protowire.Number(2)
	deliverySequence = protowire.Number(5)
)

// encodeFor encodes a message, leaving room for its sequence.
func encodeFor(m proto.Message) ([]byte, error) {
	const room = 1 + binary.MaxVarintLen64
	encoded := make([]byte, 0, proto.Size(m)+room)
	return proto.MarshalOptions{UseCachedSize: true}.MarshalAppend(encoded, m)
}

func withSequence(encoded []byte, field protowire.Number, sequence uint64) []byte {
	encoded = protowire.AppendTag(encoded, field, protowire.VarintType)
	return protowire.AppendVarint(encoded, sequence)
}

func (*acceptItem) overlaps() {}

func (it *acceptItem) fail(err error) { *it.result = store.Accepted{Err: err} }

func (it *acceptItem) stage(b *batch, c *change) error {
	if it.key != nil {
		known, err := it.s.knownKey(b, it.name)
		if err != nil {
			return err
		}
		if known != nil {
			return it.stageSeen(b, c, known)
		}
		c.set(keyOfKey(it.name), it.known)
		c.expiring = append(c.expiring, newExpiring(it.key.Expires.UnixNano(), it.name))
	}
	*it.result = store.Accepted{LeadID: it.lead.id}
	return it.s.stageLead(b, c, it.lead)
}

// remember returns the record of a key that came with a lead.
func remember(leadID string, key *store.Key) *storev1.IdempotencyKey {
	known := &storev1.IdempotencyKey{LeadId: leadID, ExpiresAt: key.Expires.UnixNano(), Fields: make([]*storev1.IdempotencyKey_FieldHash, len(key.Fields))}
	hashes := make([]storev1.IdempotencyKey_FieldHash, len(key.Fields)) // in one allocation
	for i := range key.Fields {
		hashes[i].Name, hashes[i].Hash = key.Fields[i].Name, key.Fields[i].Hash[:]
		known.Fields[i] = &hashes[i]
	}
	return known
}

// stageSeen answers for a known key. It writes only if the payload is new.
func (it *acceptItem) stageSeen(b *batch, c *change, known *storev1.IdempotencyKey) error {
	*it.result = seen(known, it.key.Fields)
	if len(it.result.Differing) == 0 || it.result.HeldLeadID != "" || it.onReuse == nil {
		return nil
	}
	if len(known.GetVariants()) < maxVariants {
		known.Variants = append(known.Variants, &storev1.IdempotencyKey_Variant{
			Digest: it.key.Fields.Digest(), LeadId: it.onReuse.id,
		})
		if err := c.setMessage(keyOfKey(it.name), known); err != nil {
			return err
		}
	}
	held := it.onReuse
	held.record.LinkedLeadId = known.GetLeadId()
	encoded, err := proto.Marshal(held.record)
	if err != nil {
		return fmt.Errorf("encode lead: %w", err)
	}
	held.encoded = encoded
	it.result.HeldLeadID = held.id
	return it.s.stageLead(b, c, held)
}

// seen returns the answer for a known key with a payload.
func seen(known *storev1.IdempotencyKey, fields store.Fingerprint) store.Accepted {
	a := store.Accepted{LeadID: known.GetLeadId(), Replayed: true, Differing: fingerprintOf(known).Differing(fields)}
	if len(a.Differing) > 0 {
		digest := fields.Digest()
		for _, v := range known.GetVariants() {
			if bytes.Equal(v.GetDigest(), digest) {
				a.HeldLeadID = v.GetLeadId()
			}
		}
	}
	return a
}

// fingerprintOf returns the fingerprint stored with a key.
func fingerprintOf(known *storev1.IdempotencyKey) store.Fingerprint {
	f := make(store.Fingerprint, len(known.GetFields()))
	for i, field := range known.GetFields() {
		f[i].Name = field.GetName()
		copy(f[i].Hash[:], field.GetHash())
	}
	return f
}

// knownKey returns what is stored for a key; nil if nothing is, or if it has expired.
func (s *Store) knownKey(from getter, name []byte) (*storev1.IdempotencyKey, error) {
	known := &storev1.IdempotencyKey{}
	err := get(from, keyOfKey(name), known)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if s.now().UnixNano() >= known.GetExpiresAt() {
		return nil, nil
	}
	return known, nil
}

// stageLead writes a lead record with its deliveries and events.
func (s *Store) stageLead(b *batch, c *change, lead *encodedLead) error {
	if err := s.space.last(); err != nil {
		return err
	}
	if _, err := b.Get(keyOfLead(lead.key)); err == nil {
		return fmt.Errorf("lead %s exists already", lead.id)
	} else if !errors.Is(err, badgerdb.ErrKeyNotFound) {
		return err
	}
	c.last.sequence++
	sequence := c.last.sequence
	lead.record.Sequence = sequence
	c.set(keyOfLead(lead.key), withSequence(lead.encoded, recordSequence, sequence))
	for _, key := range lead.index {
		c.set(key, nil)
	}
	c.countLead(lead.record, 1)
	for _, d := range lead.deliveries {
		key := deliveryKey{lead.key, d.destination}
		c.set(key.key(), withSequence(d.encoded, deliverySequence, sequence))
		c.count(d.destination, leadgatev1.DeliveryState_DELIVERY_STATE_PENDING, 1)
		if err := s.enter(b, c, link{key, lead.person, sequence, lead.created, lead.due}); err != nil {
			return err
		}
	}
	c.tell(s, lead.key, lead.events)
	return nil
}

// LookUp implements store.Store.
func (s *Store) LookUp(ctx context.Context, key *store.Key) (store.Accepted, error) {
	var a store.Accepted
	err := s.view(ctx, func(txn *badgerdb.Txn) error {
		known, err := s.knownKey(txn, s.keyName(key))
		if err != nil || known == nil {
			return err
		}
		a = seen(known, key.Fields)
		return nil
	})
	return a, err
}
