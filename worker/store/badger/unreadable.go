package badger

import (
	"encoding/binary"
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	storev1 "github.com/leadgate/leadgate/gen/go/leadgate/store/v1"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/store"
)

// leaveOut logs, once, that a record is left out because it cannot be read or is missing. Callers go on without it. If err is
// nil, leaveOut does nothing.
func (s *Store) leaveOut(key []byte, err error) {
	if err == nil {
		return
	}
	if _, told := s.leftOut.LoadOrStore(string(key), nil); !told && s.log != nil {
		s.log.Error("store: "+nameOf(key)+" cannot be read, and is left out; stop leadgate, and see leadgate doctor --data-dir "+s.dir, "error", err)
	}
}

// lost reports whether err means that a record is missing or unreadable, as opposed to a failure to read at all.
func lost(err error) bool {
	return errors.Is(err, store.ErrUnreadable) || errors.Is(err, store.ErrNotFound)
}

// nameOf describes the record under a key.
func nameOf(key []byte) string {
	const lead = 1 + len(leadKey{})
	if len(key) < lead {
		return fmt.Sprintf("a record under %q", key[:min(1, len(key))])
	}
	id, rest := leadKey(key[1:lead]), key[lead:]
	switch {
	case key[0] == prefixLead:
		return "lead " + id.String()
	case key[0] == prefixDelivery:
		return "delivery " + deliveryKey{id, string(rest)}.String()
	case key[0] == prefixAttempt && len(rest) > 5:
		return fmt.Sprintf("attempt %d of delivery %s", binary.BigEndian.Uint32(rest[len(rest)-4:]), deliveryKey{id, string(rest[:len(rest)-5])})
	case key[0] == prefixTimeline:
		return "an entry in the timeline of lead " + id.String()
	case key[0] == prefixErasure:
		return "the erasure of lead " + id.String()
	}
	return fmt.Sprintf("a record under %q", key[:1])
}

// check returns why a value cannot be decoded as the type that its key says. It checks only what backups include.
func check(key, value []byte) error {
	var m proto.Message
	switch key[0] {
	case prefixLead:
		m = &leadgatev1.LeadRecord{}
	case prefixDelivery:
		m = &leadgatev1.Delivery{}
	case prefixAttempt:
		m = &leadgatev1.Attempt{}
	case prefixTimeline:
		m = &storev1.Told{}
	case prefixKey:
		m = &storev1.IdempotencyKey{}
	case prefixChain:
		m = &storev1.Chain{}
	case prefixCounts:
		m = &storev1.Counts{}
	case prefixErasure:
		m = &storev1.Erasure{}
	default:
		return nil
	}
	return proto.Unmarshal(value, m)
}
