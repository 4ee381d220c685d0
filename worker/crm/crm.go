// Package crm defines what leadgate needs from a CRM. Each kind of CRM has its own subpackage, which only translates: leads into
// API calls, and responses into outcomes. Pacing, retries and logging are up to the worker.
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

// Destination is one configured connection to a CRM. Implementations are safe for concurrent use, keep no state about deliveries,
// and never retry: a failed call is an outcome. If the CRM definitely refuses some properties of a lead, sending the others right
// away is part of the same delivery.
type Destination interface {
	// Traits describes the connection. The result never changes.
	Traits() Traits

	// Encode renders a lead's properties as the bytes to send. Equal properties give equal bytes. It does no I/O. An error means
	// that the lead can never be sent in this form.
	Encode(properties []mapping.Property) ([]byte, error)

	// Deliver sends a batch of at most Traits().MaxBatch items, each of a different person, and returns one outcome per item, in
	// order. It does not fail as a whole: if a call could not be made, every item's outcome says so. mode is UPSERT, or FILL_BLANKS
	// if Traits().FillBlanks.
	Deliver(ctx context.Context, batch []Item, mode leadgatev1.DeliveryMode) []Outcome

	// Ping makes the cheapest call that shows whether the CRM is up and accepts the credentials. If so, the outcome's kind is
	// Delivered, and it names the Account.
	Ping(ctx context.Context) Outcome

	// Schema reads which properties the CRM's records have. The outcome's kind is Delivered if that worked. A nil schema with kind
	// Delivered means that this kind of CRM cannot be asked; no call is made then.
	Schema(ctx context.Context) (*Schema, Outcome)
}

// Selective is implemented by destinations that require certain properties, or do not accept all. CheckProperties returns an error
// about the names of the properties to send, in terms of configuration keys.
type Selective interface {
	CheckProperties(names []string) error
}

// Traits describes what a connection can do.
type Traits struct {
	// Kind is the name in the configuration, such as "hubspot".
	Kind string
	// MaxBatch is the largest number of leads per call; at least 1.
	MaxBatch int
	// FillBlanks reports whether Deliver can leave properties alone that already have a value in the CRM.
	FillBlanks bool
	// RequestsPerSecond is the default pace; 0 for no limit.
	RequestsPerSecond float64
	// Account names whose records the connection writes, if the configuration alone determines that, such as the host of an API;
	// empty if only a ping can tell.
	Account string
	// UsesUpRefreshToken reports whether the CRM may replace the configured refresh token with each access token. Only the Vault
	// has the new one then.
	UsesUpRefreshToken bool
	// Defaults maps CRM properties to lead fields, for a configuration that names no properties.
	Defaults map[string]string
}

// Item is one lead to deliver.
type Item struct {
	// IdempotencyValue is the same whenever the same bytes are sent again, and different otherwise.
	IdempotencyValue string
	// Email is the person's normalised address; empty if the lead has none.
	Email string
	// Payload is what Encode returned, for this attempt or an earlier one.
	Payload []byte
	// Unanswered is when these bytes were last sent without a definite answer; zero if never. A CRM without upsert must then be
	// searched for the record first.
	Unanswered time.Time
	// Progress is the Outcome.Progress of the last attempt with these bytes; empty if there was none.
	Progress string
	// TraceParent is the W3C traceparent header of this attempt, in the trace of the lead's submission; empty if the submission had
	// none. It is for kinds whose receiver may do tracing of its own.
	TraceParent string
}

// LeadID returns the lead's identifier, with which IdempotencyValue begins. It is the same for every attempt, revision and
// destination.
func (i Item) LeadID() string {
	id, _, _ := strings.Cut(i.IdempotencyValue, ".")
	return id
}

// OutcomeKind is the kind of result of sending one lead.
type OutcomeKind int

const (
	// Unknown means that the answer was lost, or does not mention this lead. The CRM may or may not have accepted it, so the same bytes are
	// sent again. It is the zero value, so that forgetting an item cannot count as success.
	Unknown OutcomeKind = iota
	// Delivered means that the CRM has the lead. Outcome.Dropped names properties that it did not accept.
	Delivered
	// Retry is a failure that may be temporary; the CRM certainly did not accept the lead.
	Retry
	// RateLimited means that the CRM asked for a slower pace and did not accept the lead. Applies to the whole destination.
	RateLimited
	// Refused means that the CRM will never accept this lead as it is.
	Refused
	// CredentialsRefused means that the CRM refused the credentials. Applies to the whole destination.
	CredentialsRefused
	// Split means that the call was refused as a whole, which says nothing about this lead alone; send it in smaller batches. Only for
	// batches of two or more.
	Split
	// Undecided means that the CRM may have accepted the lead, there is no way to find out, and sending it again may create a second record.
	// A person decides.
	Undecided
)

// Outcome is the result of sending one lead.
type Outcome struct {
	Kind OutcomeKind
	// RecordID is the CRM's identifier of the record. A destination that can know it always sets it when Delivered.
	RecordID string
	// RecordURL is where a person can see the record; empty if unknown.
	RecordURL string
	// After is the least time to wait before the next call, as the CRM asked; 0 if it did not.
	After time.Duration
	// Reason says what went wrong, for operators. It contains no personal data.
	Reason string
	// Property is the CRM property that Reason is about; empty if none.
	Property string
	// Dropped names properties that the CRM did not accept; the others were delivered.
	Dropped []string
	// Status is the HTTP status of the answer; 0 if there was none.
	Status int
	// Body is the answer, or the part about this lead; at most MaxBody bytes.
	Body string
	// Progress tells the next attempt with the same bytes which calls are done, for leads that take several; at most 1 KiB. It is
	// stored with the attempt.
	Progress string
	// Account names whose records the connection writes, such as the number of a HubSpot account or the host of an API. It is set
	// when a ping was Delivered. Deliveries made for one account are never sent to another automatically.
	Account string
}

// Halts reports whether to stop sending to the destination for now. Split does not halt, even if the CRM names a time to wait: the
// batch would not be accepted later either.
func (o Outcome) Halts() bool {
	return o.Kind == RateLimited || o.Kind == CredentialsRefused || o.After > 0 && o.Kind != Split
}

// Withheld returns the outcome of a lead that is not sent because an earlier one, with outcome o, halts. It keeps when and why to
// wait, but nothing about the other lead.
func (o Outcome) Withheld() Outcome {
	kind, reason := RateLimited, ""
	switch o.Kind {
	case RateLimited, CredentialsRefused:
		kind, reason = o.Kind, strings.TrimPrefix(o.Reason, "not sent: ")
	}
	return Outcome{Kind: kind, Reason: "not sent: " + cmp.Or(reason, "the CRM asked for a pause"), After: o.After}
}

// MaxBody is how much of a CRM's answer is kept, in bytes.
const MaxBody = 4096

// MaxRead is how much of a CRM's answer is read, in bytes. A longer one does not count as an answer.
const MaxRead = 8 << 20

// Environment is what a kind needs from its surroundings.
type Environment struct {
	// Client makes the calls. It enforces the pace and the timeouts, and does not follow redirects.
	Client *http.Client
	// Secret resolves references such as ${env:NAME} in a configured value. The result may change, so call it before each request.
	Secret func(value string) (string, error)
	// Now returns the current time.
	Now func() time.Time
	// Report receives what an answer says about the CRM's remaining quotas, so that the pace slows down before they are used up.
	// Kinds call it for every such answer. It is safe for concurrent use; nil ignores quotas.
	Report func(Quota)
	// Vault stores what must outlive the process; nil stores nothing. See [Tokens].
	Vault Vault
	// Log is for what operators should know and no outcome says; nil discards it.
	Log *slog.Logger
}

// Quota is what remains of one of a CRM's limits on calls, as the CRM reports it.
type Quota struct {
	// Window is the period that the limit applies to, such as ten seconds or a day.
	Window time.Duration
	// Limit is the number of calls allowed per window; 0 if the CRM does not say.
	Limit int
	// Remaining is the number of calls left.
	Remaining int
	// Reset is when the full limit is available again; zero if the CRM does not say, because the window is sliding or its start is
	// unknown.
	Reset time.Time
}

// Vault stores small secrets of one destination, such as access tokens, encrypted. It is safe for concurrent use.
type Vault interface {
	// Get returns the value stored under a name; nil if there is none.
	Get(ctx context.Context, name string) ([]byte, error)
	// Put stores a value durably; nil deletes it.
	Put(ctx context.Context, name string, value []byte) error
}
