package badger

import "bytes"

// How many marks are remembered. Forgetting one costs a long look, nothing else.
const maxMarks = 4096

// marks are low-water marks of the lines behind persons, by the prefix of the line: no key of the line is below its mark.
// Looking from the mark skips those that were promoted before; without it, each of 100,000 deliveries that wait behind one
// person would cost more than the one before. Only the writer touches them.
type marks map[string][]byte

// from is where to look for the first key of a line.
func (m marks) from(prefix []byte) []byte {
	if mark, ok := m[string(prefix)]; ok {
		return mark
	}
	return prefix
}

// found notes that a key is the first of its line.
func (m marks) found(prefix, key []byte) {
	if len(m) >= maxMarks {
		clear(m)
	}
	m[string(prefix)] = key
}

// added notes that a key may be in a line from now on.
func (m marks) added(prefix, key []byte) {
	if mark, ok := m[string(prefix)]; ok && bytes.Compare(key, mark) < 0 {
		m[string(prefix)] = key
	}
}
