package worker

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/leadgate/leadgate/worker/store"
)

// vaultNamespace holds what the kinds of CRMs store, such as access tokens, by destination/name. It is sealed with the store's
// secret, so that a copy of the values alone is useless.
const vaultNamespace = "vault"

// vault implements crm.Vault for one destination.
type vault struct {
	destination string
	state       store.State
	seal        cipher.AEAD
}

func newVault(s store.Store, destination string) (*vault, error) {
	key, err := hkdf.Key(sha256.New, s.HashKey(), nil, "leadgate vault", 32)
	if err != nil {
		return nil, fmt.Errorf("make the key of the vault: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("make the key of the vault: %w", err)
	}
	seal, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("make the key of the vault: %w", err)
	}
	return &vault{destination, s.State(vaultNamespace), seal}, nil
}

// Get implements crm.Vault. A value sealed by another store is treated as missing.
func (v *vault) Get(ctx context.Context, name string) ([]byte, error) {
	key := v.destination + "/" + name
	sealed, _, err := v.state.Get(ctx, key)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read %s from the vault: %w", key, err)
	case len(sealed) < v.seal.NonceSize():
		return nil, nil
	}
	nonce, sealed := sealed[:v.seal.NonceSize()], sealed[v.seal.NonceSize():]
	value, err := v.seal.Open(nil, nonce, sealed, []byte(key))
	if err != nil {
		return nil, nil //nolint:nilerr // another store's secret; the kind gets a new token
	}
	return value, nil
}

// Put implements crm.Vault.
func (v *vault) Put(ctx context.Context, name string, value []byte) error {
	key := v.destination + "/" + name
	if value == nil {
		return v.state.Delete(ctx, key)
	}
	nonce := make([]byte, v.seal.NonceSize())
	_, _ = rand.Read(nonce) // never fails
	if err := v.state.Put(ctx, key, v.seal.Seal(nonce, nonce, value, []byte(key)), time.Time{}); err != nil {
		return fmt.Errorf("write %s to the vault: %w", key, err)
	}
	return nil
}
