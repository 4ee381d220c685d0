package main

import (
	"context"
	"encoding/binary"
	"errors"
	"os"

	badgerdb "github.com/dgraph-io/badger/v4"
)

// keeper puts each thing that it is given into Badger, as one entry, and is done when that is on disk. Things that come at the
// same time share a transaction. A bare server with a keeper is the least that a durable accept can be on Badger: no rules, no
// idempotency, no queue, no log. It lives as long as the process; nothing is read back.
type keeper struct {
	db   *badgerdb.DB
	asks chan ask
}

type ask struct {
	content []byte
	kept    chan<- error
}

// serveKept serves a bare server that keeps what comes in the working directory: over HTTP if kept-http is asked for, else gRPC.
func serveKept(ctx context.Context, which string) error {
	dir, err := os.MkdirTemp(".", "kept-") // below the measurement's directory, which is removed
	if err != nil {
		return err
	}
	k, err := newKeeper(dir)
	if err != nil {
		return err
	}
	if which == "kept-http" {
		return serveBareHTTP(ctx, k.keep)
	}
	return serveBareGRPC(ctx, k.keep)
}

func newKeeper(dir string) (*keeper, error) {
	// What the gateway has, too: nobody else writes, and a small value log costs less to sync.
	options := badgerdb.DefaultOptions(dir).WithSyncWrites(true).WithDetectConflicts(false).
		WithValueLogFileSize(1 << 20).WithMetricsEnabled(false).WithLogger(nil)
	db, err := badgerdb.Open(options)
	if err != nil {
		return nil, err
	}
	k := &keeper{db: db, asks: make(chan ask, 1024)}
	go k.write()
	return k, nil
}

// keep returns when content is on disk. It is safe for concurrent use.
func (k *keeper) keep(content []byte) error {
	kept := make(chan error, 1)
	k.asks <- ask{content, kept}
	return <-kept
}

// write takes whatever waits and commits it together.
func (k *keeper) write() {
	var number uint64
	for first := range k.asks {
		asks := []ask{first}
		for range len(k.asks) {
			asks = append(asks, <-k.asks)
		}
		txn := k.db.NewTransaction(true)
		var problems []error
		for _, a := range asks {
			number++
			problems = append(problems, txn.Set(binary.BigEndian.AppendUint64(nil, number), a.content))
		}
		err := errors.Join(append(problems, txn.Commit())...)
		for _, a := range asks {
			a.kept <- err
		}
	}
}
