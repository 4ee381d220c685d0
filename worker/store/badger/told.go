package badger

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	badgerdb "github.com/dgraph-io/badger/v4"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	storev1 "github.com/leadgate/leadgate/gen/go/leadgate/store/v1"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

// maxTold is how many events an entry of the timeline may hold. Events of one step share an entry: an accepted lead has three,
// and each entry costs Badger more than its bytes.
const maxTold = 16

// The field of storev1.Told that holds the events.
const toldEvents = protowire.Number(1)

// record is an event with its encoding as part of storev1.Told, made before the writer takes over. The commit assigns its number.
type record struct {
	event   *leadgatev1.Event
	encoded []byte
}

// encodeEvents encodes events without what their keys contain: the numbers of event and lead.
func encodeEvents(events []*leadgatev1.Event) ([]record, error) {
	records := make([]record, len(events))
	for i, e := range events {
		e.Id = ""
		lead := e.GetLead().GetLeadId()
		if lead != "" {
			e.GetLead().LeadId = ""
		}
		size := proto.Size(e)
		encoded := make([]byte, 0, size+protowire.SizeTag(toldEvents)+protowire.SizeVarint(uint64(size)))
		encoded = protowire.AppendVarint(protowire.AppendTag(encoded, toldEvents, protowire.BytesType), uint64(size))
		encoded, err := proto.MarshalOptions{UseCachedSize: true}.MarshalAppend(encoded, e)
		if lead != "" {
			e.GetLead().LeadId = lead
		}
		if err != nil {
			return nil, fmt.Errorf("encode event: %w", err)
		}
		records[i] = record{e, encoded}
	}
	return records, nil
}

// tell writes events about a lead. They are published after the commit.
func (c *change) tell(s *Store, lead leadKey, records []record) {
	for told := range slices.Chunk(records, maxTold) {
		first, size := c.last.event+1, 0
		for _, r := range told {
			size += len(r.encoded)
		}
		value := make([]byte, 0, size)
		for _, r := range told {
			c.last.event++
			r.event.Id = s.eventID(c.last.event)
			value = append(value, r.encoded...)
			c.events = append(c.events, r.event)
		}
		c.set(keyOfTimeline(lead, first), value)
		c.pointers = append(c.pointers, pointer{first, lead, byte(len(told))})
	}
}

// decodeTold decodes an entry of the timeline.
func (s *Store) decodeTold(key, value []byte) ([]*leadgatev1.Event, error) {
	told := &storev1.Told{}
	if err := proto.Unmarshal(value, told); err != nil {
		return nil, fmt.Errorf("the record under %q is damaged: %w", key[:1], err)
	}
	first := binary.BigEndian.Uint64(key[len(key)-8:])
	lead := leadKey(key[1:17]).String()
	for i, e := range told.GetEvents() {
		e.Id = s.eventID(first + uint64(i))
		if e.GetLead() != nil {
			e.GetLead().LeadId = lead
		}
	}
	return told.GetEvents(), nil
}

// Timeline implements store.Store.
func (s *Store) Timeline(ctx context.Context, leadID string) ([]*leadgatev1.Event, error) {
	key, err := parseLead(leadID)
	if err != nil {
		return nil, nil
	}
	var events []*leadgatev1.Event
	err = s.view(ctx, func(txn *badgerdb.Txn) error {
		return s.patient(in(txn))(join(prefixTimeline, 16, key[:]), func(key, value []byte) error {
			told, err := s.decodeTold(key, value)
			events = append(events, told...)
			return err
		})
	})
	return events, err
}

// Recent implements store.Store.
func (s *Store) Recent(ctx context.Context, limit int) ([]*leadgatev1.Event, error) {
	var events []*leadgatev1.Event // newest first
	err := s.view(ctx, func(txn *badgerdb.Txn) error {
		it := txn.NewIterator(badgerdb.IteratorOptions{Prefix: []byte{prefixEvent}, PrefetchValues: true, PrefetchSize: 100, Reverse: true})
		defer it.Close()
		for it.Seek(after([]byte{prefixEvent})); it.Valid() && len(events) < limit; it.Next() {
			pointers, err := pointersIn(it.Item())
			s.leaveOut(it.Item().Key(), err)
			for _, p := range slices.Backward(pointers) {
				told, err := s.toldAt(txn, p)
				s.leaveOut(keyOfTimeline(p.lead, p.first), err)
				slices.Reverse(told)
				events = append(events, told...)
			}
		}
		return nil
	})
	events = events[:min(len(events), limit)]
	slices.Reverse(events)
	return events, err
}

func pointersIn(item *badgerdb.Item) (pointers []pointer, err error) {
	err = item.Value(func(value []byte) error {
		pointers, err = decodePointers(item.Key(), value)
		return err
	})
	return pointers, err
}

// toldAt returns the events that a pointer points to; none if the lead was removed since.
func (s *Store) toldAt(txn *badgerdb.Txn, p pointer) (told []*leadgatev1.Event, err error) {
	key := keyOfTimeline(p.lead, p.first)
	item, err := txn.Get(key)
	if errors.Is(err, badgerdb.ErrKeyNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("event %d: %w", p.first, err)
	}
	err = item.Value(func(value []byte) error {
		told, err = s.decodeTold(key, value)
		return err
	})
	return told, err
}
