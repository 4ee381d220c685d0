package worker

import (
	"context"
	"encoding/binary"
	"errors"
	"time"

	"github.com/leadgate/leadgate/worker/store"
)

// budgetNamespace holds how many requests of a day a destination has taken, in eight bytes, by day/destination. It expires after
// two days.
const budgetNamespace = "budget"

const budgetKept = 48 * time.Hour

// ledger implements pace.Ledger for one destination.
type ledger struct {
	destination string
	state       store.State
	now         func() time.Time
}

// Read implements pace.Ledger.
func (l ledger) Read(ctx context.Context, day string) (int, error) {
	value, _, err := l.state.Get(ctx, day+"/"+l.destination)
	if errors.Is(err, store.ErrNotFound) || err == nil && len(value) != 8 {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return int(binary.BigEndian.Uint64(value)), nil
}

// Write implements pace.Ledger.
func (l ledger) Write(ctx context.Context, day string, given int) error {
	value := binary.BigEndian.AppendUint64(nil, uint64(given))
	return l.state.Put(ctx, day+"/"+l.destination, value, l.now().Add(budgetKept))
}
