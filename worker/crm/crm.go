// Package crm says what leadgate needs of a CRM. Each kind of CRM is one folder beside this file and only translates:
// leads into the CRM's calls, the CRM's answers into outcomes. Pacing, retrying and logging are the worker's.
package crm

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"strings"
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
	// Delivered if so, and it names the Account.
	Ping(ctx context.Context) Outcome

	// Schema reads which properties the CRM's records have. The outcome's kind is Delivered if it could be read. A nil
	// schema with kind Delivered says that this kind of CRM cannot be asked; no call is made then.
	Schema(ctx context.Context) (*Schema, Outcome)
}

// Selective is implemented by destinations that need certain properties, or do not take all: CheckProperties says what is wrong with
// the names of those that are to be sent, by the keys of the configuration.
type Selective interface {
	CheckProperties(names []string) error
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
	// Account is whose records it writes, where the configuration alone says that, such as the host of an API; empty if only a
	// ping can tell.
	Account string
	// UsesUpRefreshToken says that calls may use up the refresh token of the configuration: the CRM may give another one with each
	// access token, which only the Vault then has.
	UsesUpRefreshToken bool
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
	// Unanswered is when these bytes were last sent without an answer that said what became of them; zero if they never
	// were. A CRM without an upsert is to be searched for the record first.
	Unanswered time.Time
	// Progress is Outcome.Progress of the last attempt with these bytes; empty if there was none.
	Progress string
	// TraceParent is where this attempt stands in the trace of the lead's submission, as a header of W3C Trace Context; empty if
	// the submission had none. For kinds whose other end may have traces of its own.
	TraceParent string
}

// LeadID is the identifier of the lead, which IdempotencyValue begins with: it is the same for every attempt, every revision and
// every destination.
func (i Item) LeadID() string {
	id, _, _ := strings.Cut(i.IdempotencyValue, ".")
	return id
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
	// Undecided says that the CRM may have taken it, that there is no telling, and that sending it again may make a second
	// record. A person decides.
	Undecided
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
	// Progress is what the next attempt with the same bytes is to know, at most 1 KiB, where a lead takes several calls:
	// those that are done. It is kept with the attempt.
	Progress string
	// Account names, where a ping was Delivered, whose records the connection writes, such as the number of a HubSpot
	// account or the host of an API. Deliveries made for one account are never sent to another by themselves.
	Account string
}

// Halts reports whether nothing more is to be sent to the destination for now. A batch that is to be split will not be taken
// later either, whatever time the CRM names with it.
func (o Outcome) Halts() bool {
	return o.Kind == RateLimited || o.Kind == CredentialsRefused || o.After > 0 && o.Kind != Split
}

// Withheld is the outcome of a lead that is not sent because the one before it, which had this outcome, halts. It keeps when
// and why to wait, but nothing of what became of the other lead.
func (o Outcome) Withheld() Outcome {
	kind, reason := RateLimited, ""
	switch o.Kind {
	case RateLimited, CredentialsRefused:
		kind, reason = o.Kind, strings.TrimPrefix(o.Reason, "not sent: ")
	}
	return Outcome{Kind: kind, Reason: "not sent: " + cmp.Or(reason, "the CRM asked for a pause"), After: o.After}
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
	// Report takes what an answer says is left of the CRM's budgets, so that the pace slows down before they are spent. Kinds
	// call it for every answer that has it; nil drops it. It is safe for concurrent use.
	Report func(Quota)
	// Vault keeps what is to outlive the process; nil keeps nothing. See [Tokens].
	Vault Vault
	// Log takes what an operator is to know and no outcome tells; nil drops it.
	Log *slog.Logger
}

// Quota is what a CRM says is left of one of its budgets of calls.
type Quota struct {
	// Window is over how long the CRM counts, such as ten seconds or a day.
	Window time.Duration
	// Limit is how many calls it allows in that time; 0 if it does not say.
	Limit int
	// Remaining is how many of them are left.
	Remaining int
	// Reset is when the whole budget is there again; zero if the CRM does not say. It then counts over a sliding window, or
	// from a moment that is not known.
	Reset time.Time
}

// Vault keeps small secrets of one destination, such as access tokens, sealed. It is safe for concurrent use.
type Vault interface {
	// Get returns what was put under a name; nil if there is nothing.
	Get(ctx context.Context, name string) ([]byte, error)
	// Put keeps a value for good; nil forgets it.
	Put(ctx context.Context, name string, value []byte) error
}
