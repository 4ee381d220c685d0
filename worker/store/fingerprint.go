package store

import (
	"crypto/sha256"
	"slices"
	"strings"
)

// Field is one field of a payload.
type Field struct {
	Name  string
	Value []byte
}

// Fingerprint holds a keyed hash of each field of a payload, sorted by name; see [Hasher]. It may be kept after the content is
// erased.
type Fingerprint []FieldHash

// FieldHash is the keyed hash of one field.
type FieldHash struct {
	Name string
	Hash [hashSize]byte
}

// sorted sorts by name. Among fields with the same name, it keeps the last.
func (f Fingerprint) sorted() Fingerprint {
	slices.Reverse(f)
	slices.SortStableFunc(f, func(a, b FieldHash) int { return strings.Compare(a.Name, b.Name) })
	return slices.CompactFunc(f, func(a, b FieldHash) bool { return a.Name == b.Name })
}

// Differing returns the sorted names of the fields in which two fingerprints differ.
func (f Fingerprint) Differing(other Fingerprint) []string {
	var names []string
	for len(f) > 0 && len(other) > 0 {
		switch strings.Compare(f[0].Name, other[0].Name) {
		case -1:
			names, f = append(names, f[0].Name), f[1:]
		case 1:
			names, other = append(names, other[0].Name), other[1:]
		default:
			if f[0].Hash != other[0].Hash {
				names = append(names, f[0].Name)
			}
			f, other = f[1:], other[1:]
		}
	}
	for _, alone := range slices.Concat(f, other) {
		names = append(names, alone.Name)
	}
	return names
}

// Digest returns one hash of the whole fingerprint.
func (f Fingerprint) Digest() []byte {
	hash := sha256.New()
	for _, field := range f {
		hash.Write([]byte(field.Name))
		hash.Write([]byte{0})
		hash.Write(field.Hash[:])
	}
	return hash.Sum(nil)[:hashSize]
}
