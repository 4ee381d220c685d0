package badger

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	badgerdb "github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/fb"
	"github.com/dgraph-io/badger/v4/table"
	"github.com/dgraph-io/ristretto/v2"
)

const (
	// The shortest secret that a key is made from, in bytes.
	minSecret = 32
	// How long Badger uses a data key. It makes these keys itself, and stores them encrypted with ours.
	dataKeyLife = 10 * 24 * time.Hour
)

// errWrongKey means that the database is encrypted with another key, or encrypted although no key was given, or not encrypted.
var errWrongKey = errors.New("the encryption key is not the one it was encrypted with")

// EncryptionKey derives a key for Options from a secret.
func EncryptionKey(secret string) ([]byte, error) {
	if len(secret) < minSecret {
		return nil, fmt.Errorf("the secret for encryption has %d characters, fewer than %d: make one with openssl rand -base64 32", len(secret), minSecret)
	}
	sum := sha256.Sum256([]byte("leadgate store\x00" + secret))
	return sum[:], nil
}

// keyRegistry returns the options for Badger's file of data keys.
func keyRegistry(dir string, key []byte) badgerdb.KeyRegistryOptions {
	return badgerdb.KeyRegistryOptions{Dir: dir, EncryptionKey: key, EncryptionKeyRotationDuration: dataKeyLife}
}

// opens reports whether a database was written with a key; nil means not encrypted.
func opens(dir string, key []byte) (bool, error) {
	o := keyRegistry(dir, key)
	o.ReadOnly = true
	r, err := badgerdb.OpenKeyRegistry(o)
	if errors.Is(err, badgerdb.ErrEncryptionKeyMismatch) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, r.Close()
}

// rotate makes a database that was written with the previous key readable with the present one. It takes no time, because only
// the data keys are re-encrypted. A crash leaves the database readable with one of the two.
func rotate(o Options) error {
	dir := filepath.Join(o.Dir, databaseDir)
	if _, err := os.Stat(filepath.Join(dir, badgerdb.KeyRegistryFileName)); err != nil {
		return nil // there is nothing yet
	}
	ok, err := opens(dir, o.EncryptionKey)
	if ok || err != nil {
		return err
	}
	if o.PreviousKey == nil || o.EncryptionKey == nil {
		return errWrongKey
	}
	registry, err := badgerdb.OpenKeyRegistry(keyRegistry(dir, o.PreviousKey))
	if errors.Is(err, badgerdb.ErrEncryptionKeyMismatch) {
		return errWrongKey
	}
	if err != nil {
		return err
	}
	return errors.Join(badgerdb.WriteKeyRegistry(registry, keyRegistry(dir, o.EncryptionKey)), registry.Close())
}

// readable returns the options with the key that a database was written with: the present one, the previous one, or none. Compact
// uses it to read what it rewrites with the present one.
func readable(o Options, dir string) (Options, error) {
	for _, key := range [][]byte{o.EncryptionKey, o.PreviousKey, nil} {
		ok, err := opens(dir, key)
		if err != nil {
			return o, err
		}
		if ok {
			o.EncryptionKey = key
			return o, nil
		}
	}
	return o, errWrongKey
}

// decryption is what reading an encrypted database's files takes; the zero value is for a plain one.
type decryption struct {
	registry *badgerdb.KeyRegistry
	tables   map[uint64]badgerdb.TableManifest
	indexes  *ristretto.Cache[uint64, *fb.TableIndex] // Badger reads indexes of encrypted tables only through a cache
}

// newDecryption opens a database's data keys with whichever key they were written with. Tables come from the manifest; nil if
// that is unreadable.
func newDecryption(o Options, dir string, tables map[uint64]badgerdb.TableManifest) (d decryption, err error) {
	encrypted := slices.ContainsFunc(slices.Collect(maps.Values(tables)), func(t badgerdb.TableManifest) bool { return t.KeyID > 0 })
	switch o, err = readable(o, dir); {
	case errors.Is(err, errWrongKey) && !encrypted && len(tables) > 0: // the file of data keys is damaged, but nothing needs it
		return d, nil
	case err != nil || o.EncryptionKey == nil:
		return d, err
	}
	options := keyRegistry(dir, o.EncryptionKey)
	options.ReadOnly = true
	if d.registry, err = badgerdb.OpenKeyRegistry(options); err != nil {
		return decryption{}, err
	}
	d.tables = tables
	d.indexes, err = ristretto.NewCache(&ristretto.Config[uint64, *fb.TableIndex]{NumCounters: 1000, MaxCost: 8 << 20, BufferItems: 64})
	return d, err
}

// ofTable returns the options to read a table with, one for each key that it may be encrypted with. The manifest says which key
// that is; without it, any may be.
func (d decryption) ofTable(id uint64, o table.Options) (ways []table.Options) {
	if d.registry == nil {
		return []table.Options{o}
	}
	o.IndexCache = d.indexes
	if listed, ok := d.tables[id]; ok {
		if key, err := d.registry.DataKey(listed.KeyID); err == nil {
			o.DataKey = key
		}
		return []table.Options{o}
	}
	ways = append(ways, o)
	for n := uint64(1); ; n++ { // Badger numbers them from 1
		key, err := d.registry.DataKey(n)
		if err != nil {
			return ways
		}
		o.DataKey = key
		ways = append(ways, o)
	}
}

// ofLog returns a function that decrypts, in place, the content of the entry at an offset of a *.mem file.
func (d decryption) ofLog(id uint64, vector []byte) (decrypt func(content []byte, at int), err error) {
	if d.registry == nil {
		return nil, errWrongKey
	}
	key, err := d.registry.DataKey(id)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key.GetData())
	if err != nil {
		return nil, err
	}
	return func(content []byte, at int) {
		start := binary.BigEndian.AppendUint32(slices.Clone(vector), uint32(at))
		cipher.NewCTR(block, start).XORKeyStream(content, content)
	}, nil
}

func (d decryption) close() {
	if d.registry != nil {
		_ = d.registry.Close() // it was only read
		d.indexes.Close()
	}
}
