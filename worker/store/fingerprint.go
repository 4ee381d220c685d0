package store

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"slices"
)

// hashSize is what is kept of a hash: 128 bits tell payloads apart and give nothing away.
const hashSize = 16

// Fingerprint returns a keyed hash for each field of a payload, by the field's name. With the key unknown, nothing about
// a value can be told from its hash, so that fingerprints may be kept when the content is erased.
func Fingerprint(hashKey []byte, fields map[string][]byte) map[string][]byte {
	mac := hmac.New(sha256.New, hashKey)
	hashes := make(map[string][]byte, len(fields))
	sums := make([]byte, 0, (len(fields)+1)*sha256.Size)
	for name, value := range fields {
		mac.Reset()
		mac.Write([]byte(name))
		mac.Write([]byte{0})
		mac.Write(value)
		start := len(sums)
		sums = mac.Sum(sums)[:start+hashSize]
		hashes[name] = sums[start : start+hashSize : start+hashSize]
	}
	return hashes
}

// Hash returns a keyed hash of one value, such as a person's address.
func Hash(hashKey []byte, value string) []byte {
	mac := hmac.New(sha256.New, hashKey)
	mac.Write([]byte(value))
	return mac.Sum(nil)[:hashSize]
}

// Differing returns the names of the fields that two fingerprints do not have in common, sorted.
func Differing(a, b map[string][]byte) []string {
	var names []string
	for name, hash := range a {
		if !bytes.Equal(hash, b[name]) {
			names = append(names, name)
		}
	}
	for name := range b {
		if _, both := a[name]; !both {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Digest is one hash for a whole fingerprint.
func Digest(fields map[string][]byte) []byte {
	names := make([]string, 0, len(fields))
	for name := range fields {
		names = append(names, name)
	}
	slices.Sort(names)
	hash := sha256.New()
	for _, name := range names {
		hash.Write([]byte(name))
		hash.Write([]byte{0})
		hash.Write(fields[name])
	}
	return hash.Sum(nil)[:hashSize]
}
