package badger

import (
	"bytes"
	"context"
	"encoding/binary"
	"slices"
	"strings"
	"time"

	badgerdb "github.com/dgraph-io/badger/v4"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/store"
)

// The most indexes that are merged at once, because each keeps an iterator open. With more, all deliveries are scanned.
const maxLines = 64

// endStates are the states in which a delivery does not wait.
var endStates = [...]leadgatev1.DeliveryState{
	leadgatev1.DeliveryState_DELIVERY_STATE_DELIVERED, leadgatev1.DeliveryState_DELIVERY_STATE_DEAD, leadgatev1.DeliveryState_DELIVERY_STATE_HELD,
	leadgatev1.DeliveryState_DELIVERY_STATE_SUPERSEDED, leadgatev1.DeliveryState_DELIVERY_STATE_CANCELLED,
}

// line is an index of one destination's deliveries by sequence: those that wait, or those that ended in a state.
type line struct {
	destination string
	prefix      []byte
	// first is the index's low-water mark; nil if it has none.
	first mark
}

// linesOf returns the indexes that contain all deliveries that a query by state or destination may match, without those that are
// empty according to the counts.
func (s *Store) linesOf(q store.DeliveryQuery) (lines []line) {
	s.countsMu.Lock()
	defer s.countsMu.Unlock()
	if q.State == 0 { // all indexes, so as not to miss a delivery that changes its state meanwhile
		if s.counts[q.Destination] == nil { // it never had a delivery; do not create a lane for just any name
			return nil
		}
		for _, state := range endStates {
			lines = append(lines, line{destination: q.Destination, prefix: endedPrefix(q.Destination, state)})
		}
		return append(lines, line{destination: q.Destination, prefix: destinationPrefix(prefixWaiting, q.Destination, 0)})
	}
	for destination, counts := range s.counts {
		if destination == "" || q.Destination != "" && q.Destination != destination {
			continue
		}
		waiting := false
		for key, n := range counts {
			switch {
			case n == 0 || q.State != key.state:
			case waits(key.state):
				waiting = true
			default:
				lines = append(lines, line{destination: destination, prefix: endedPrefix(destination, key.state)})
			}
		}
		if waiting {
			lines = append(lines, line{destination: destination, prefix: destinationPrefix(prefixWaiting, destination, 0)})
		}
	}
	return lines
}

// place is a delivery's position among all: by the sequence of its lead, then by destination.
type place struct {
	sequence    uint64
	destination string
}

// compare sorts newest first.
func (p place) compare(other place) int {
	switch {
	case p.sequence > other.sequence:
		return -1
	case p.sequence < other.sequence:
		return 1
	}
	return -strings.Compare(p.destination, other.destination)
}

func (p place) bytes() []byte {
	return append(binary.BigEndian.AppendUint64(nil, p.sequence), p.destination...)
}

func placeOf(b []byte) (place, bool) {
	if len(b) < 8 {
		return place{}, false
	}
	return place{binary.BigEndian.Uint64(b), string(b[8:])}, true
}

// reader reads an index from newest to oldest.
type reader struct {
	line
	*backward
	valid bool // there is a current key, live or deleted
}

// next moves to the next older delivery.
func (r *reader) next() {
	r.valid = (r.first == nil || bytes.Compare(r.key, r.first) > 0) && r.backward.next()
}

func (r *reader) at() place {
	return place{binary.BigEndian.Uint64(r.key[len(r.key)-8:]), r.destination}
}

// seek moves to the newest delivery that is not newer than a place.
func (r *reader) seek(from place) {
	key := binary.BigEndian.AppendUint64(slices.Clone(r.prefix), from.sequence)
	r.valid = (r.first == nil || bytes.Compare(key, r.first) >= 0) && r.backward.seek(key)
	if r.valid && r.at().compare(from) < 0 {
		r.next()
	}
}

// newest returns the reader at the newest delivery; nil if all are at their end.
func newest(readers []*reader) (first *reader, err error) {
	for _, r := range readers {
		switch {
		case r.err != nil:
			return nil, r.err
		case r.valid && (first == nil || r.at().compare(first.at()) < 0):
			first = r
		}
	}
	return first, nil
}

// begin returns the place where a listing begins. Error: store.ErrPageToken.
func (l listing) begin() (place, error) {
	if l.token == "" {
		return place{^uint64(0), "\xff"}, nil
	}
	b, err := l.fromToken()
	if err != nil {
		return place{}, err
	}
	from, ok := placeOf(b)
	if !ok {
		return place{}, store.ErrPageToken
	}
	return from, nil
}

// mergeLines reads several indexes as if they were one, until take reports that the page is full.
func (s *Store) mergeLines(ctx context.Context, lines []line, l listing, take func(*leadgatev1.Delivery) (full bool)) (next string, err error) {
	from, err := l.begin()
	if err != nil {
		return "", err
	}
	for i := range lines {
		if lines[i].prefix[0] == prefixWaiting {
			if _, lines[i].first, err = s.firstWaiting(ctx, lines[i].destination); err != nil {
				return "", err
			}
		}
	}
	err = s.view(ctx, func(txn *badgerdb.Txn) error {
		if l.token == "" && !l.until.IsZero() {
			from.sequence = sequenceAt(txn, l.until)
		}
		readers := make([]*reader, len(lines))
		for i, line := range lines {
			readers[i] = &reader{line: line, backward: newBackward(txn, line.prefix)}
			defer readers[i].close()
			readers[i].seek(from)
		}
		full, effort, taken := false, 0, place{}
		for {
			first, err := newest(readers)
			if first == nil {
				return err
			}
			// The delivery just taken may also have a deleted key at this place, in the index that it was in before.
			if at := first.at(); (full && first.live || effort >= maxEffort) && at != taken {
				next = l.toToken(at.bytes())
				return nil
			}
			if effort += effortSkip; !first.live {
				first.next()
				continue
			}
			taken = first.at()
			created, key := first.delivery()
			if !l.since.IsZero() && created.Before(l.since.Add(-commitSlack)) {
				return nil // all others are older still
			}
			if effort += effortPass; l.until.IsZero() || created.Before(l.until) {
				effort += effortFetch
				d := &leadgatev1.Delivery{}
				if err := get(txn, key.key(), d); err != nil {
					s.leaveOut(key.key(), err)
				} else {
					full = take(d)
				}
			}
			first.next()
		}
	})
	return next, err
}

// delivery returns when the lead was accepted, and the delivery's key.
func (r *reader) delivery() (created time.Time, key deliveryKey) {
	key.destination = r.destination
	copy(key.lead[:], r.value[8:])
	return time.Unix(0, int64(binary.BigEndian.Uint64(r.value))), key
}

// sequenceAt returns a sequence greater than those of all leads accepted before a time. It skips unreadable leads.
func sequenceAt(txn *badgerdb.Txn, at time.Time) uint64 {
	it := txn.NewIterator(badgerdb.IteratorOptions{Prefix: []byte{prefixLead}})
	defer it.Close()
	for it.Seek(append([]byte{prefixLead}, timePrefix(at.Add(commitSlack))...)); it.Valid(); it.Next() {
		r := &leadgatev1.LeadRecord{}
		if err := unmarshal(it.Item(), r); err == nil {
			return r.GetSequence()
		}
	}
	return ^uint64(0)
}

// listOfForm lists the deliveries of a form's leads, newest lead first, and within a lead in reverse order of destination.
func (s *Store) listOfForm(ctx context.Context, form string, l listing, take func(*leadgatev1.Delivery) (full bool)) (next string, err error) {
	prefix := formPrefix(form)
	size := len(prefix) + len(leadKey{})
	from, destination := after(prefix), "\xff" // continue with this destination of the lead at from
	switch {
	case l.token != "":
		if from, err = l.fromToken(); err != nil {
			return "", err
		}
		if len(from) < size || !bytes.HasPrefix(from, prefix) {
			return "", store.ErrPageToken
		}
		from, destination = from[:size], string(from[size:])
	case !l.until.IsZero():
		from = slices.Concat(prefix, timePrefix(l.until.Add(time.Millisecond)))
	}
	err = s.view(ctx, func(txn *badgerdb.Txn) error {
		w := newBackward(txn, prefix)
		defer w.close()
		effort, full := 0, false
		for ok := w.seek(from); ok; ok = w.next() {
			key := w.key
			if effort >= maxEffort {
				next = l.toToken(append(slices.Clone(key), 0xff))
				return nil
			}
			if effort += effortSkip; !w.live {
				continue
			}
			deliveries, err := readDeliveries(leadKey(key[len(prefix):]), s.patient(in(txn)))
			if err != nil {
				return err
			}
			for _, d := range slices.Backward(deliveries) {
				if l.token != "" && bytes.Equal(key, from) && d.GetDestination() > destination {
					continue
				}
				if full {
					next = l.toToken(append(slices.Clone(key), d.GetDestination()...))
					return nil
				}
				if !l.since.IsZero() && d.GetCreateTime().AsTime().Before(l.since.Add(-idTimeSlack)) {
					return nil
				}
				full = take(d)
			}
			effort += effortFetch
		}
		return w.err
	})
	return next, err
}
