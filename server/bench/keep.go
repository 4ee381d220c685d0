package main

import (
	"context"
	"encoding/binary"
	"errors"
	mathrand "math/rand/v2"
	"os"
	"strings"

	badgerdb "github.com/dgraph-io/badger/v4"
)

// keeper writes entries to Badger for each request and waits until they are on disk. Concurrent requests share a transaction. A
// bare server with a keeper is the least that a durable accept on Badger costs: no rules, no idempotency, no queue, no log. It
// lives as long as the process; nothing is read back.
type keeper struct {
	db      *badgerdb.DB
	entries []entry
	asks    chan chan<- error
}

// entry is the size of one key and its value. Keys of a kind are written in order or at random.
type entry struct {
	key, value int
	random     bool
}

// What the gateway writes for the lead submitted here: the entries k, l, d, t, m, q, w and p of worker/store/badger/keys.go.
var lead = []entry{{40, 287, true}, {17, 274, false}, {21, 135, false}, {25, 393, false}, {22, 22, true}, {22, 17, false}, {14, 24, false}, {33, 0, true}}

// serveKept serves a bare server that stores something for each request below the working directory. name says what, and the
// protocol: kept-http and kept-grpc write one small entry into Badger's default memory tables; lead-http and lead-grpc write what
// the gateway writes for a lead, into memory tables as small as the gateway's.
func serveKept(ctx context.Context, name string) error {
	dir, err := os.MkdirTemp(".", "kept-") // below the measurement's directory, which is removed
	if err != nil {
		return err
	}
	options := badgerdb.DefaultOptions(dir)
	k := &keeper{entries: []entry{{key: 17, value: 200}}, asks: make(chan chan<- error, 1024)}
	if strings.HasPrefix(name, "lead-") {
		k.entries = lead
		options = options.WithMemTableSize(8 << 20).WithNumLevelZeroTables(24).WithNumLevelZeroTablesStall(48)
	}
	// As in the gateway: there is a single writer, and a small value log is cheaper to sync.
	options = options.WithSyncWrites(true).WithDetectConflicts(false).WithValueLogFileSize(1 << 20).WithMetricsEnabled(false).WithLogger(nil)
	if k.db, err = badgerdb.Open(options); err != nil {
		return err
	}
	go k.write()
	if strings.HasSuffix(name, "-http") {
		return serveBareHTTP(ctx, k.keep)
	}
	return serveBareGRPC(ctx, k.keep)
}

// keep returns when a request's entries are on disk. It is safe for concurrent use.
func (k *keeper) keep() error {
	kept := make(chan error, 1)
	k.asks <- kept
	return <-kept
}

// write commits all waiting requests together.
func (k *keeper) write() {
	random := mathrand.NewChaCha8([32]byte{})
	var number uint64
	for first := range k.asks {
		asks := []chan<- error{first}
		for range len(k.asks) {
			asks = append(asks, <-k.asks)
		}
		txn := k.db.NewTransaction(true)
		var problems []error
		for range asks {
			number++
			for kind, e := range k.entries {
				key, value, order := make([]byte, e.key), make([]byte, e.value), number
				if e.random {
					order = random.Uint64()
				}
				key[0] = byte(kind)
				binary.BigEndian.PutUint64(key[1:], order)
				_, _ = random.Read(value)
				problems = append(problems, txn.Set(key, value))
			}
		}
		err := errors.Join(append(problems, txn.Commit())...)
		for _, kept := range asks {
			kept <- err
		}
	}
}
