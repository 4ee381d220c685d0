package store

import (
	"crypto/hmac"
	"crypto/sha256"
	"hash"
	"sync"
)

// hashSize is the length of a truncated hash in bytes: 128 bits distinguish payloads and reveal nothing.
const hashSize = 16

// Hasher makes keyed hashes of personal data and payloads: HMAC-SHA256, truncated to half. Without the key, a hash reveals
// nothing about its value. It is safe for concurrent use.
type Hasher struct {
	macs sync.Pool // of *mac: making one costs more than using it
}

type mac struct {
	hash    hash.Hash
	message []byte
	sum     [sha256.Size]byte
}

// NewHasher returns a Hasher with the given key.
func NewHasher(key []byte) *Hasher {
	return &Hasher{sync.Pool{New: func() any { return &mac{hash: hmac.New(sha256.New, key)} }}}
}

// Hash returns the hash of one value, such as a person's address.
func (h *Hasher) Hash(value string) []byte {
	m := h.macs.Get().(*mac)
	defer h.macs.Put(m)
	m.message = append(m.message[:0], value...)
	hashed := m.hashed()
	return hashed[:]
}

// Fingerprint returns the fingerprint of a payload. Of several fields with the same name, the last counts.
func (h *Hasher) Fingerprint(payload []Field) Fingerprint {
	m := h.macs.Get().(*mac)
	defer h.macs.Put(m)
	f := make(Fingerprint, len(payload))
	for i, field := range payload {
		m.message = append(append(append(m.message[:0], field.Name...), 0), field.Value...)
		f[i] = FieldHash{field.Name, m.hashed()}
	}
	return f.sorted()
}

func (m *mac) hashed() [hashSize]byte {
	m.hash.Reset()
	m.hash.Write(m.message)
	return [hashSize]byte(m.hash.Sum(m.sum[:0]))
}
