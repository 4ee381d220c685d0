package badger

import (
	"encoding/binary"
	"fmt"
	"time"
)

// In indexes that are only walked, the additions of one commit share a few entries, because each entry costs Badger more than its
// bytes.
const (
	maxPointers = 64  // steps whose events share an entry
	maxExpiring = 256 // idempotency keys that share an entry
)

// pointer points from the index of events to an entry of the timeline.
type pointer struct {
	first uint64 // number of the first event
	lead  leadKey
	count byte
}

// pointerSize is the size of a pointer in an entry: lead and count. The event numbers continue from one pointer to the next.
const pointerSize = len(leadKey{}) + 1

func encodePointers(pointers []pointer) []byte {
	value := make([]byte, 0, len(pointers)*pointerSize)
	for _, p := range pointers {
		value = append(append(value, p.lead[:]...), p.count)
	}
	return value
}

// decodePointers decodes an entry of the index of events.
func decodePointers(key, value []byte) ([]pointer, error) {
	if len(key) != 9 || len(value)%pointerSize != 0 {
		return nil, fmt.Errorf("the index of events is damaged at %x", key)
	}
	pointers := make([]pointer, 0, len(value)/pointerSize)
	first := binary.BigEndian.Uint64(key[1:])
	for ; len(value) > 0; value = value[pointerSize:] {
		p := pointer{first, leadKey(value), value[pointerSize-1]}
		pointers = append(pointers, p)
		first += uint64(p.count)
	}
	return pointers, nil
}

// expiring is an idempotency key with the second in which it expires, rounded up.
type expiring struct {
	second int64
	name   []byte
}

func newExpiring(expires int64, name []byte) expiring {
	return expiring{(expires + int64(time.Second) - 1) / int64(time.Second), name}
}

// encodeExpiring encodes the names of keys that expire in the same second.
func encodeExpiring(keys []expiring) []byte {
	size := 0
	for _, k := range keys {
		size += binary.MaxVarintLen32 + len(k.name)
	}
	value := make([]byte, 0, size)
	for _, k := range keys {
		value = append(binary.AppendUvarint(value, uint64(len(k.name))), k.name...)
	}
	return value
}

// decodeExpiring calls fn with each name in an entry of the expiry index. The name is only valid during the call.
func decodeExpiring(value []byte, fn func(name []byte) error) error {
	for len(value) > 0 {
		size, n := binary.Uvarint(value)
		if n <= 0 || size > uint64(len(value)-n) {
			return fmt.Errorf("an entry of the expiry index is damaged")
		}
		if err := fn(value[n : n+int(size)]); err != nil {
			return err
		}
		value = value[n+int(size):]
	}
	return nil
}

// share writes the shared entries of a commit. Number makes their keys unique: it must not be used twice.
func share(pointers []pointer, keys []expiring, number uint64, set func(key, value []byte) error) error {
	for len(pointers) > 0 {
		n := min(len(pointers), maxPointers)
		if err := set(keyOfEvent(pointers[0].first), encodePointers(pointers[:n])); err != nil {
			return err
		}
		pointers = pointers[n:]
	}
	bySecond := map[int64][]expiring{}
	for _, k := range keys {
		bySecond[k.second] = append(bySecond[k.second], k)
	}
	for second, keys := range bySecond {
		for part := uint16(0); len(keys) > 0; part++ {
			n := min(len(keys), maxExpiring)
			if err := set(keyOfExpiry(second, number, part), encodeExpiring(keys[:n])); err != nil {
				return err
			}
			keys = keys[n:]
		}
	}
	return nil
}
