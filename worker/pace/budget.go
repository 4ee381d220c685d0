package pace

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// SpentError says that the requests of a day are used up.
type SpentError struct {
	// Limit is how many a day has.
	Limit int
	// Until is when the next day begins.
	Until time.Time
}

// Error implements error.
func (e *SpentError) Error() string {
	return fmt.Sprintf("the %d requests of today are used up", e.Limit)
}

// PostponedUntil is when the request can be made; package crm knows the method.
func (e *SpentError) PostponedUntil() time.Time { return e.Until }

// Ledger keeps how many requests of a day are given away, where a restart does not reach it.
type Ledger interface {
	// Read returns what is kept of a day, written as 2026-11-24; 0 for a day it does not know.
	Read(ctx context.Context, day string) (int, error)
	// Write keeps it, and may forget other days.
	Write(ctx context.Context, day string, given int) error
}

// Of the requests of a day, this part is written off ahead at a time, so that not every request costs a write. What a crash
// leaves unused of it is lost for the day: rather too few than too many.
const aheadPart = 100

// Budget bounds the requests of a day, which begins at midnight UTC, across restarts. A nil budget bounds nothing. It is safe
// for concurrent use.
type Budget struct {
	limit  int
	ledger Ledger
	now    func() time.Time

	mu    sync.Mutex
	day   string
	given int // in the ledger
	left  int // of them not taken yet
}

// NewBudget returns a budget of so many requests a day.
func NewBudget(limit int, ledger Ledger, now func() time.Time) *Budget {
	return &Budget{limit: limit, ledger: ledger, now: now}
}

// take takes one request from today's, and returns the day. Its error is a *SpentError, or the ledger's.
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

// giveBack gives back a request of a day that was not sent.
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

// Limit is how many requests a day has; 0 for a nil budget.
func (b *Budget) Limit() int {
	if b == nil {
		return 0
	}
	return b.limit
}

// Left is how many requests of today may still be made.
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
