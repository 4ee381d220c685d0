package badger

import "bytes"

// mark is a low-water mark of an index: no key of it is below. Looking from the mark, instead of from the beginning, skips what was
// deleted before, of which there may be millions. It is made anew after a restart.
type mark []byte

// lower notes that a key may be in the index from now on.
func (m *mark) lower(key []byte) {
	if bytes.Compare(key, *m) < 0 {
		*m = key
	}
}

// How many marks are remembered. Forgetting one costs a long look, nothing else.
const maxMarks = 4096

// marks are those of the lines behind persons, by the prefix of the line: without, each of 100,000 deliveries that wait behind one
// person would cost more than the one before. Only the writer touches them.
type marks map[string]mark

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
	if mark, ok := m[string(prefix)]; ok {
		mark.lower(key)
		m[string(prefix)] = mark
	}
}
