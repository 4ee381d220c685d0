package badger

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/google/uuid"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/store"
)

// formatNumber is the format on disk that this table describes. Once a version with this format is released, a change to the
// table or to the content of a value needs a new number; until then the number stays 1.
//
//	key                                     value                     written by                 deleted by, when
//	!meta                                   store.v1.Meta             first Open                 never
//	!last                                   see last.go               every commit               never
//	k key(16)                               store.v1.IdempotencyKey   Accept                     sweeper, when expired
//	x second(8) sequence(8) part(2)         keys of a commit that     Accept                     sweeper, when expired
//	                                        have expired by then
//	l lead(16)                              v1.LeadRecord             Accept, Amend, Erase       Purge
//	d lead(16) destination                  v1.Delivery, no attempts  any change                 Delete, Purge; Amend, when withdrawn
//	a lead(16) destination 0 number(4)      v1.Attempt                Begin, Settle, Erase       Delete, Purge
//	t lead(16) event(8)                     store.v1.Told             with its change, Erase     Purge
//	e event(8)                              lead(16) count(1), for    with its t                 sweeper, all but the newest
//	                                        each t of a commit
//	m destination 0 person(16)              store.v1.Chain            with a delivery            when empty
//	c destination 0 person(16) sequence(8)  lead(16)                  Accept, Amend, Redrive,    when promoted to head or withdrawn
//	                                                                  Move
//	q destination 0 due(8) sequence(8)      lead(16) note(1)          when head and due          Begin, Settle; Redrive; when withdrawn
//	f lead(16) destination                  -                         Begin                      Settle, Open; when withdrawn
//	w destination 0 sequence(8)             creation(8) lead(16)      Accept, Amend, Redrive,    Settle; when withdrawn
//	                                                                  Move
//	y destination 0 state(1) sequence(8)    creation(8) lead(16)      when no longer waiting     Redrive, Amend, Delete, Move, Purge
//	n destination                           store.v1.Counts           every change               never
//	n                                       store.v1.Counts, leads    every change               never
//	p person(16) lead(16)                   -                         Accept, Amend              Erase, Amend, Purge
//	i form 0 lead(16)                       -                         Accept, Amend              Amend, Purge
//	h state(1) reason(1) lead(16)           -                         Accept, Amend, Erase       when the state changes; Purge
//	r lead(16)                              store.v1.Erasure          Erase                      never
//	s namespace 0 key                       see state.go              State                      State, sweeper
//
// Numbers are big endian, so that keys sort like numbers. Times are Unix nanoseconds. A lead is its UUID, which is version 7 and
// so sorts by time. An event in a key is the first of those written in one step. A person is a keyed hash of the normalised
// e-mail address. An idempotency key is stored as a keyed hash of its scope and value, because it may be an e-mail address and
// outlives the erasure of its lead.
//
// A lead is in p under each person that it names: its own or, if it has none, those named in its submission. A lead that is not
// OPEN is in h under its state with reason 0, and if HELD, also under each of its reasons. OPEN leads, which are nearly all, are
// found in l.
//
// The head of a chain is in q and not in c; the deliveries behind it are in c and not in q. A delivery in flight is in f and not
// in q. The note in q says whether the delivery is late or alone in its chain; if it is missing, see the chain. Deliveries in q,
// c or f are also in w; all others are in y under their state. Erase and Purge withdraw deliveries from these indexes.
const formatNumber = 1

const (
	prefixKey      = 'k'
	prefixExpiry   = 'x'
	prefixLead     = 'l'
	prefixDelivery = 'd'
	prefixAttempt  = 'a'
	prefixTimeline = 't'
	prefixEvent    = 'e'
	prefixChain    = 'm'
	prefixBehind   = 'c'
	prefixDue      = 'q'
	prefixInFlight = 'f'
	prefixWaiting  = 'w'
	prefixCounts   = 'n'
	prefixState    = 's'
	prefixPerson   = 'p'
	prefixForm     = 'i'
	prefixAside    = 'h'
	prefixErasure  = 'r'
	prefixEnded    = 'y'
)

var (
	keyMeta = []byte("!meta")
	keyLast = []byte("!last")
)

// leadKey is a lead's UUID as bytes.
type leadKey [16]byte

func parseLead(leadID string) (leadKey, error) {
	id, err := uuid.Parse(leadID)
	if err != nil || id.String() != leadID {
		return leadKey{}, fmt.Errorf("lead id %q is not a UUID", leadID)
	}
	return leadKey(id), nil
}

func (l leadKey) String() string { return uuid.UUID(l).String() }

// deliveryKey names a delivery.
type deliveryKey struct {
	lead        leadKey
	destination string
}

func parseDelivery(deliveryID string) (deliveryKey, error) {
	leadID, destination, ok := strings.Cut(deliveryID, ".")
	lead, err := parseLead(leadID)
	if !ok || err != nil || destination == "" {
		return deliveryKey{}, fmt.Errorf("delivery id %q is not LEAD.DESTINATION", deliveryID)
	}
	return deliveryKey{lead, destination}, nil
}

func (d deliveryKey) String() string { return d.lead.String() + "." + d.destination }

func join(prefix byte, size int, parts ...[]byte) []byte {
	key := make([]byte, 1, 1+size)
	key[0] = prefix
	for _, p := range parts {
		key = append(key, p...)
	}
	return key
}

func scoped(scope, value string) []byte {
	key := make([]byte, 0, len(scope)+1+len(value))
	key = append(key, scope...)
	key = append(key, 0)
	return append(key, value...)
}

// keyName returns the hash that an idempotency key is stored as. It differs from every person's, because no address contains a 0.
func (s *Store) keyName(key *store.Key) []byte { return s.hasher.Hash(key.Scope + "\x00" + key.Value) }

func keyOfKey(name []byte) []byte { return join(prefixKey, len(name), name) }

func keyOfExpiry(second int64, sequence uint64, part uint16) []byte {
	key := binary.BigEndian.AppendUint64(join(prefixExpiry, 8+8+2), uint64(second))
	return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint64(key, sequence), part)
}

func keyOfLead(l leadKey) []byte { return join(prefixLead, 16, l[:]) }

func (d deliveryKey) key() []byte {
	return join(prefixDelivery, 16+len(d.destination), d.lead[:], []byte(d.destination))
}

func (d deliveryKey) inFlightKey() []byte {
	return join(prefixInFlight, 16+len(d.destination), d.lead[:], []byte(d.destination))
}

func (d deliveryKey) attemptsPrefix() []byte {
	return join(prefixAttempt, 16+len(d.destination)+5, d.lead[:], []byte(d.destination), []byte{0})
}

func (d deliveryKey) attemptKey(number int32) []byte {
	return binary.BigEndian.AppendUint32(d.attemptsPrefix(), uint32(number))
}

func keyOfTimeline(l leadKey, event uint64) []byte {
	return binary.BigEndian.AppendUint64(join(prefixTimeline, 24, l[:]), event)
}

func keyOfEvent(event uint64) []byte {
	return binary.BigEndian.AppendUint64(join(prefixEvent, 8), event)
}

func destinationPrefix(prefix byte, destination string, extra int) []byte {
	return join(prefix, len(destination)+1+extra, []byte(destination), []byte{0})
}

func keyOfChain(destination string, person []byte) []byte {
	return append(destinationPrefix(prefixChain, destination, len(person)), person...)
}

func behindPrefix(destination string, person []byte) []byte {
	return append(destinationPrefix(prefixBehind, destination, len(person)+8), person...)
}

func keyOfBehind(destination string, person []byte, sequence uint64) []byte {
	return binary.BigEndian.AppendUint64(behindPrefix(destination, person), sequence)
}

func keyOfDue(destination string, due time.Time, sequence uint64) []byte {
	key := binary.BigEndian.AppendUint64(destinationPrefix(prefixDue, destination, 16), uint64(due.UnixNano()))
	return binary.BigEndian.AppendUint64(key, sequence)
}

// dueOf returns the time in a key made by keyOfDue.
func dueOf(key []byte) time.Time {
	return time.Unix(0, int64(binary.BigEndian.Uint64(key[len(key)-16:]))).UTC()
}

// checkTime refuses times that cannot be stored: a key holds nanoseconds since 1970 in 63 bits, which end in 2262. 1970 itself is
// refused because 0 means no time.
func checkTime(what string, t time.Time) error {
	if s := t.Unix(); s < 1 || s >= math.MaxInt64/int64(time.Second) {
		return fmt.Errorf("%s %s cannot be stored; only times between 1970 and 2262 can", what, t.UTC().Format(time.RFC3339))
	}
	return nil
}

func keyOfWaiting(destination string, sequence uint64) []byte {
	return binary.BigEndian.AppendUint64(destinationPrefix(prefixWaiting, destination, 8), sequence)
}

// whenAndWho returns the value under keyOfWaiting and keyOfEnded.
func whenAndWho(created int64, lead leadKey) []byte {
	value := binary.BigEndian.AppendUint64(make([]byte, 0, 24), uint64(created))
	return append(value, lead[:]...)
}

func endedPrefix(destination string, state leadgatev1.DeliveryState) []byte {
	return append(destinationPrefix(prefixEnded, destination, 9), byte(state))
}

func keyOfEnded(destination string, state leadgatev1.DeliveryState, sequence uint64) []byte {
	return binary.BigEndian.AppendUint64(endedPrefix(destination, state), sequence)
}

func keyOfCounts(destination string) []byte {
	return join(prefixCounts, len(destination), []byte(destination))
}

func keyOfState(namespace, key string) []byte {
	return join(prefixState, len(namespace)+1+len(key), scoped(namespace, key))
}

func personPrefix(person []byte) []byte { return join(prefixPerson, 32, person) }

func keyOfPerson(person []byte, l leadKey) []byte { return append(personPrefix(person), l[:]...) }

func formPrefix(form string) []byte { return join(prefixForm, len(form)+17, []byte(form), []byte{0}) }

func keyOfForm(form string, l leadKey) []byte { return append(formPrefix(form), l[:]...) }

func asidePrefix(state leadgatev1.LeadState, reason leadgatev1.HoldReason) []byte {
	return join(prefixAside, 18, []byte{byte(state), byte(reason)})
}

func keyOfAside(state leadgatev1.LeadState, reason leadgatev1.HoldReason, l leadKey) []byte {
	return append(asidePrefix(state, reason), l[:]...)
}

func keyOfErasure(l leadKey) []byte { return join(prefixErasure, 16, l[:]) }

// after returns the smallest key that is larger than every key that begins with the prefix.
func after(prefix []byte) []byte {
	end := append([]byte(nil), prefix...)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i] < 0xff {
			end[i]++
			return end[:i+1]
		}
	}
	return nil
}
