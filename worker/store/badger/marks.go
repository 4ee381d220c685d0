package badger

import "bytes"

// mark is the low-water mark of an index: no key is below it. Seeking to the mark skips deleted keys, of which there may be
// millions at the beginning. It is rebuilt after a restart.
type mark []byte

// lower records that a key may be in the index from now on.
func (m *mark) lower(key []byte) {
	if bytes.Compare(key, *m) < 0 {
		*m = key
	}
}

// How many marks are kept. Dropping one only costs a slow seek.
const maxMarks = 4096

// marks holds the marks of the indexes of deliveries behind a chain's head, by prefix. Without them, each of 100,000 deliveries
// that wait for one person would cost more than the one before. Only the writer uses them.
type marks map[string]mark

// from returns where to seek the first key of an index.
func (m marks) from(prefix []byte) []byte {
	if mark, ok := m[string(prefix)]; ok {
		return mark
	}
	return prefix
}

// found records the first key of an index.
func (m marks) found(prefix, key []byte) {
	if len(m) >= maxMarks {
		clear(m)
	}
	m[string(prefix)] = key
}

// added records that a key may be in an index from now on.
func (m marks) added(prefix, key []byte) {
	if mark, ok := m[string(prefix)]; ok {
		mark.lower(key)
		m[string(prefix)] = mark
	}
}
