// Package crm says what leadgate needs of a CRM. Each kind of CRM is one folder beside this file and only translates:
// leads into the CRM's calls, the CRM's answers into outcomes. Pacing, retrying and logging are the worker's.
package crm

import (
	"context"
	"net/http"
	"time"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/mapping"
)

// Destination is one configured CRM connection. Implementations are safe for concurrent use, keep no state about
// deliveries, and never retry: a call that failed is an outcome. Where a CRM definitely refuses some properties of a lead,
// sending the rest at once is part of the same delivery.
type Destination interface {
	// Traits describes the connection; it never changes.
	Traits() Traits

	// Encode renders the properties of one lead as the bytes that are sent for it. Equal properties give equal bytes. It
	// does no I/O. An error means that this lead can never be sent in this form.
	Encode(properties []mapping.Property) ([]byte, error)

	// Deliver sends a batch, at most Traits().MaxBatch items and no person twice, and returns one outcome for each item,
	// in order. It does not fail as a whole: a call that could not be made is an outcome of every item. mode is UPSERT,
	// or FILL_BLANKS if Traits().FillBlanks.
	Deliver(ctx context.Context, batch []Item, mode leadgatev1.DeliveryMode) []Outcome

	// Ping makes the cheapest call that shows whether the CRM is up and takes the credentials. The outcome's kind is
	// Delivered if so.
	Ping(ctx context.Context) Outcome
}

// Traits describes what a connection can do.
type Traits struct {
	// Kind is its name in the configuration, such as "hubspot".
	Kind string
	// MaxBatch is how many leads one call takes at most; at least 1.
	MaxBatch int
	// FillBlanks says whether Deliver can leave alone the properties that the CRM's record already has.
	FillBlanks bool
	// RequestsPerSecond is the pace kept where the configuration says nothing; 0 for no limit.
	RequestsPerSecond float64
	// Defaults are the properties sent where the configuration names none: CRM property to lead field.
	Defaults map[string]string
}

// Item is one lead to deliver.
type Item struct {
	// IdempotencyValue is the same whenever the same bytes are sent again, and different otherwise.
	IdempotencyValue string
	// Email is the normalised address of the person; empty if the lead has none.
	Email string
	// Payload is what Encode returned, now or at an earlier attempt.
	Payload []byte
}

// OutcomeKind says what came of sending one lead.
type OutcomeKind int

const (
	// Unknown says that the answer was lost, or does not name this lead. It may or may not have been taken, so the same
	// bytes are sent again. The zero value, so that forgetting an item cannot count as success.
	Unknown OutcomeKind = iota
	// Delivered says that the CRM has it. Outcome.Dropped names properties it would not take.
	Delivered
	// Retry says that it failed in a way that may pass, and surely was not taken.
	Retry
	// RateLimited says that the CRM asked for a slower pace; it was not taken. Applies to the whole destination.
	RateLimited
	// Refused says that the CRM will never take this lead as it is.
	Refused
	// CredentialsRefused says that the CRM refused the credentials. Applies to the whole destination.
	CredentialsRefused
	// Split says that the call was refused as a whole and says nothing about this lead alone; it is to be sent in smaller
	// batches. Only for batches of two and more.
	Split
)

// Outcome is what came of sending one lead.
type Outcome struct {
	Kind OutcomeKind
	// RecordID is the CRM's identifier of the record. A destination that can know it never reports Delivered without.
	RecordID string
	// RecordURL is where a person sees the record; empty if not known.
	RecordURL string
	// After is how long to wait at least before the next call, as the CRM asked; 0 if it did not.
	After time.Duration
	// Reason says what went wrong in words, without personal data: what an operator reads first.
	Reason string
	// Property is the CRM property that Reason is about; empty if none.
	Property string
	// Dropped names properties the CRM would not take; the rest was delivered.
	Dropped []string
	// Status is the HTTP status of the answer; 0 without one.
	Status int
	// Body is the answer, or its part about this lead, at most MaxBody bytes.
	Body string
}

// MaxBody bounds what is kept of a CRM's answer, in bytes.
const MaxBody = 4096

// MaxRead bounds what is read of a CRM's answer, in bytes. A longer one is not an answer.
const MaxRead = 8 << 20

// Environment is what a kind needs from outside.
type Environment struct {
	// Client makes the calls. It keeps the pace and the time limits, and follows no redirect.
	Client *http.Client
	// Secret resolves references such as ${env:NAME} in a configured value to its present content. Resolve before each
	// call: contents change.
	Secret func(value string) (string, error)
	// Now is the time.
	Now func() time.Time
}
