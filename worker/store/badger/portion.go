package badger

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"google.golang.org/protobuf/proto"

	storev1 "github.com/leadgate/leadgate/gen/go/leadgate/store/v1"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/store"
)

// How many attempts and events one commit changes, and about how many of their bytes: it leaves room for other calls.
const (
	portionEntries = 2000
	portionBytes   = 256 << 10
)

// thin shrinks a lead with too many attempts and events for one transaction, a portion at a time. Change returns the new value of
// each, nil to remove it. The newest attempt of each delivery is skipped, because sending the delivery again reads it. A portion
// is written only if may still holds for the lead.
func (s *Store) thin(ctx context.Context, lead leadKey, may func(keptLead) bool, change func(key, value []byte) ([]byte, error)) error {
	for {
		it := &portionItem{s: s, lead: lead, may: may, change: change}
		if err := s.do(ctx, it); err != nil {
			return err
		}
		if it.err != nil || it.entries == 0 {
			return it.err
		}
	}
}

type portionItem struct {
	s              *Store
	lead           leadKey
	may            func(keptLead) bool
	change         func(key, value []byte) ([]byte, error)
	entries, bytes int
	err            error
}

func (it *portionItem) fail(err error) { it.err = err }

func (it *portionItem) stage(b *batch, c *change) error {
	kept := keptLead{key: it.lead, record: &leadgatev1.LeadRecord{}}
	err := get(b, keyOfLead(it.lead), kept.record)
	if err == nil {
		kept.deliveries, err = b.deliveriesOf(it.lead)
	}
	if err != nil || !it.may(kept) {
		return err
	}
	var newest [][]byte
	for _, d := range kept.deliveries {
		newest = append(newest, deliveryKey{it.lead, d.GetDestination()}.attemptKey(d.GetAttemptCount()))
	}
	for _, prefix := range []byte{prefixAttempt, prefixTimeline} {
		err := b.each(join(prefix, 16, it.lead[:]), func(key, value []byte) error {
			if slices.ContainsFunc(newest, func(k []byte) bool { return bytes.Equal(k, key) }) {
				return nil
			}
			changed, err := c.rewrite(key, value, it.change)
			if err != nil || !changed {
				return err
			}
			last := c.entries[len(c.entries)-1]
			it.entries, it.bytes = it.entries+1, it.bytes+len(last.key)+len(last.value)
			if it.entries >= portionEntries || it.bytes >= portionBytes {
				return errEnough
			}
			return nil
		})
		if err != nil {
			if errors.Is(err, errEnough) {
				err = nil
			}
			return err
		}
	}
	return nil
}

// rewrite stages the value that change returns, unless it is the same.
func (c *change) rewrite(key, value []byte, change func(key, value []byte) ([]byte, error)) (changed bool, err error) {
	left, err := change(key, value)
	if err != nil || bytes.Equal(left, value) {
		return false, err
	}
	c.entries = append(c.entries, entry{slices.Clone(key), left})
	return true, nil
}

// remove removes an attempt or events.
func remove([]byte, []byte) ([]byte, error) { return nil, nil }

// forget returns an attempt or events without personal data.
func forget(key, value []byte) ([]byte, error) {
	if key[0] == prefixAttempt {
		a := &leadgatev1.Attempt{}
		if err := proto.Unmarshal(value, a); err != nil {
			return nil, err
		}
		return encodeAnew(value, a, store.ForgetAttempt(a))
	}
	told := &storev1.Told{}
	if err := proto.Unmarshal(value, told); err != nil {
		return nil, err
	}
	forgotten := proto.CloneOf(told)
	for i, e := range told.GetEvents() {
		forgotten.Events[i] = store.Forget(e)
	}
	return encodeAnew(value, told, forgotten)
}

// encodeAnew encodes a changed message. If it has not changed, it returns the old encoding.
func encodeAnew(encoded []byte, was, is proto.Message) ([]byte, error) {
	if proto.Equal(was, is) {
		return encoded, nil
	}
	return proto.Marshal(is)
}
