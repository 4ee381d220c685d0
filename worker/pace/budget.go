package pace

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// SpentError means that the requests of a day are used up.
type SpentError struct {
	// Limit is how many requests a day has.
	Limit int
	// Until is the start of the next day.
	Until time.Time
}

// Error implements error.
func (e *SpentError) Error() string {
	return fmt.Sprintf("the %d requests of today are used up", e.Limit)
}

// PostponedUntil returns when the request can be made. Package crm looks for this method.
func (e *SpentError) PostponedUntil() time.Time { return e.Until }

// Ledger stores how many requests of a day were taken, across restarts.
type Ledger interface {
	// Read returns the number of a day, such as 2026-11-24; 0 for an unknown day.
	Read(ctx context.Context, day string) (int, error)
	// Write stores the number of a day, and may forget other days.
	Write(ctx context.Context, day string, given int) error
}

// The share of a day's requests that is taken from the ledger at a time, so that not every request costs a write. After a crash the
// unused rest of a share is lost for that day: too few requests rather than too many.
const aheadPart = 100

// Budget limits the requests per day, across restarts. A day begins at midnight UTC. A nil budget is no limit. It is safe for
// concurrent use.
type Budget struct {
	limit  int
	ledger Ledger
	now    func() time.Time

	mu    sync.Mutex
	day   string
	given int // how many the ledger says were taken
	left  int // of those, how many are still unused
}

// NewBudget returns a budget with a limit of requests per day.
func NewBudget(limit int, ledger Ledger, now func() time.Time) *Budget {
	return &Budget{limit: limit, ledger: ledger, now: now}
}

// take takes one of today's requests, and returns the day. Errors: a *SpentError, and the ledger's.
func (b *Budget) take(ctx context.Context) (string, error) {
	if b == nil {
		return "", nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now().UTC()
	if day := now.Format(time.DateOnly); day != b.day {
		given, err := b.ledger.Read(ctx, day)
		if err != nil {
			return "", fmt.Errorf("read today's budget: %w", err)
		}
		b.day, b.given, b.left = day, given, 0
	}
	if b.left == 0 {
		ahead := min(max(1, b.limit/aheadPart), b.limit-b.given)
		if ahead <= 0 {
			return "", &SpentError{Limit: b.limit, Until: now.Truncate(24 * time.Hour).Add(24 * time.Hour)}
		}
		if err := b.ledger.Write(ctx, b.day, b.given+ahead); err != nil {
			return "", fmt.Errorf("write today's budget: %w", err)
		}
		b.given += ahead
		b.left = ahead
	}
	b.left--
	return b.day, nil
}

// giveBack returns a request that was not sent to the day that it was taken from.
func (b *Budget) giveBack(day string) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.day == day {
		b.left++
	}
}

// Limit returns how many requests a day has; 0 for a nil budget.
func (b *Budget) Limit() int {
	if b == nil {
		return 0
	}
	return b.limit
}

// Left returns how many requests may still be made today.
func (b *Budget) Left() int {
	if b == nil {
		return 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.day != b.now().UTC().Format(time.DateOnly) {
		return b.limit
	}
	return max(0, b.limit-b.given) + b.left
}
