// Package store keeps accepted leads, their deliveries and everything else that must outlive the process.
//
// All durable state goes through [Store]. Each method documents what it guarantees; package storetest checks those guarantees
// against every implementation. The interface assumes neither a single process nor a local disk.
package store

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

var (
	// ErrNotFound means that there is no such lead, delivery or value.
	ErrNotFound = errors.New("not found")
	// ErrConflict means that somebody else has changed the value in the meantime.
	ErrConflict = errors.New("changed in the meantime")
	// ErrStale means that the claim is no longer held: it was settled, or somebody has changed the delivery.
	ErrStale = errors.New("claim is no longer held")
	// ErrState means that the delivery's state does not allow the request.
	ErrState = errors.New("not possible in this state")
	// ErrPageToken means that the page token does not come from this method with this query.
	ErrPageToken = errors.New("page token is not valid for this query")
	// ErrPosition means that no incremental backup can follow the given one: make a full backup.
	ErrPosition = errors.New("not the position of a backup of this store")
	// ErrTooLarge means that the data exceeds what the store can hold in one piece. Retrying does not help.
	ErrTooLarge = errors.New("too large to be stored")
	// ErrUnavailable means that nothing can be made durable at present: the store is closing, its queue is full, the disk is
	// nearly full, or a commit failed. The caller may retry later, with the same idempotency key.
	ErrUnavailable = errors.New("store is unavailable")
	// ErrDamaged means that the store is unavailable because data on disk is corrupt. It stays so until it is repaired.
	ErrDamaged = errors.New("store is damaged")
	// ErrUnreadable means that a record exists but cannot be decoded. Lists leave such records out.
	ErrUnreadable = errors.New("cannot be read")
)

// Store is safe for concurrent use. Methods that write return once the write is durable. They take many items at once, and
// concurrent calls may share a disk sync too. An item that cannot be written fails alone, with the Err of its result. An error
// of the method means that no item was written or, if a commit failed with ErrUnavailable, that this is unknown.
//
// Events passed to a method are written in the same transaction as the change they report. They get their identifiers there, and
// are published once it is durable, in commit order.
type Store interface {
	// Accept makes leads durable. In one atomic step for each lead, it claims the idempotency key, writes the record and creates
	// the deliveries. Among acceptances with the same key, even concurrent ones, exactly one is accepted; the others are answered
	// as replays, or as reuse of the key if their payload differs. Results are in the order of the arguments.
	//
	// The store sets Record.Sequence; sequences increase in commit order.
	Accept(ctx context.Context, acceptances ...*Acceptance) ([]Accepted, error)

	// LookUp returns what is known of an idempotency key, without writing. It sees every Accept that has returned. A key is
	// unknown (the result is zero) from the accepted acceptance's Key.Expires on, by the store's clock.
	LookUp(ctx context.Context, key *Key) (Accepted, error)

	// Claim takes up to limit due deliveries of a destination for the caller alone, earliest due time first. At most one of
	// each person's deliveries to it is claimed or in flight: only the oldest waiting one is ever due. A claim is held until
	// Settle or Unclaim. When the store is opened, claims of a process that died are released; those that had begun become
	// attempts with outcome UNKNOWN, and their deliveries are due at once.
	//
	// If nothing is due, Claims.Items is empty. Claims.Next is when the next delivery after the claimed ones becomes due; zero if
	// none waits.
	Claim(ctx context.Context, destination string, limit int) (Claims, error)

	// Unclaim releases claims whose attempts have not begun. It ignores claims that are no longer held.
	Unclaim(ctx context.Context, claims ...*Claim) error

	// Begin makes attempts durable before the calls they stand for: it sets the delivery to IN_FLIGHT and writes the attempt with
	// its payload. A result's Err is ErrStale if the claim is no longer held, and ErrState if its attempt has begun already; in
	// both cases the call must not be made.
	Begin(ctx context.Context, steps ...*Step) ([]Stepped, error)

	// Settle writes the outcome of attempts, releases the claims, and makes each person's next delivery due if this one no longer
	// blocks it. A result's Err is ErrStale if the claim is no longer held; then nothing changes.
	Settle(ctx context.Context, steps ...*Step) ([]Stepped, error)

	// Redrive makes deliveries due now. DEAD, HELD, SUPERSEDED and RETRY_WAIT become RETRY_WAIT, or PENDING if never attempted;
	// PENDING stays. FailingFor is reset. The delivery takes its place in its person's chain by sequence: it revokes a claim on a
	// newer one that has not begun, and waits for one that has. A delivery that is claimed itself stays claimed unless forced. A
	// result's Err is ErrNotFound, or ErrState in any other state.
	Redrive(ctx context.Context, redrives ...*Redrive) ([]Redriven, error)

	// Erase removes the content of leads, each in one atomic step: the lead and submission, payloads and answers, and what events
	// say about the person. The lead becomes ERASED. Its undelivered deliveries become CANCELLED, claims on them become stale,
	// even in flight, and the person's next delivery becomes due. What was delivered stays DELIVERED and keeps the name of the
	// CRM's record, so that it can be erased there. The idempotency key keeps answering until it expires. The erasure itself is
	// recorded for good; see ErasedLeads. A result's Err is ErrNotFound if there is no such lead; a lead that is erased already
	// is left alone.
	Erase(ctx context.Context, erasures ...*Erasure) ([]Erased, error)
	// ErasedLeads returns the erased leads that named a person. It may scan all erasures there ever were.
	ErasedLeads(ctx context.Context, email string) ([]string, error)
	// Amend changes leads and what is sent of them, each in one atomic step: it releases or discards a held lead, or it changes
	// an open lead's content, adds destinations or sends it again. A result's Err is ErrNotFound; ErrConflict if the record is no
	// longer equal to Was; or ErrState if an attempt is in flight that the amendment would have to undo. If the content changes,
	// claims that have not begun are revoked, because their holders have read the old content. The store maintains FormerEmails,
	// so that a lead is found and erased by every address that it ever had.
	Amend(ctx context.Context, amendments ...*Amendment) ([]Amended, error)

	// Purge removes leads whose retention is over, with everything about them, each in one atomic step. It examines up to limit
	// leads, oldest first, from where the previous call's token ended; Purged.Next is empty when no remaining lead can be old
	// enough. Counts keep finished deliveries (DELIVERED, SUPERSEDED, CANCELLED) and drop the others. The idempotency key of a
	// removed lead keeps answering until it expires. A lead that cannot be removed does not block the others.
	Purge(ctx context.Context, r Retention, limit int, token string) (Purged, error)

	// Hold makes waiting deliveries (PENDING, RETRY_WAIT) HELD, with a reason. A claim that has not begun is revoked. A result's
	// Err is ErrNotFound, or ErrState in any other state.
	Hold(ctx context.Context, holds ...*Hold) ([]Held, error)

	// Move reassigns deliveries to another destination, each in one atomic step. The lead gets a PENDING delivery there, due at
	// once, in its person's chain by sequence; the old delivery becomes CANCELLED with the reason. PENDING, RETRY_WAIT, HELD,
	// DEAD and SUPERSEDED deliveries can be moved. A result's Err is ErrNotFound; or ErrState in any other state, and if the lead
	// already has a delivery to the other destination.
	Move(ctx context.Context, moves ...*Move) ([]Moved, error)

	// Delete removes deliveries that are not scheduled (DEAD, HELD, SUPERSEDED, CANCELLED), with their attempts. The lead and its
	// events stay. A result's Err is ErrNotFound, or ErrState in any other state.
	Delete(ctx context.Context, deletions ...*Deletion) ([]Deleted, error)

	// Notify returns a channel that receives when a delivery of the destination may have become due earlier than the last Claim
	// reported. Signals coalesce. All calls for a destination return the same channel.
	Notify(destination string) <-chan struct{}

	// Lead returns a lead record. Errors: ErrNotFound, ErrUnreadable.
	Lead(ctx context.Context, leadID string) (*leadgatev1.LeadRecord, error)
	// LeadDeliveries returns the deliveries of a lead with their attempts, by destination.
	LeadDeliveries(ctx context.Context, leadID string) ([]*leadgatev1.Delivery, error)
	// DeliveriesOf returns the deliveries of several leads without their attempts, in the order of the leads and, within a lead,
	// by destination. Leads that do not exist are skipped.
	DeliveriesOf(ctx context.Context, leadIDs ...string) ([]*leadgatev1.Delivery, error)
	// Timeline returns the events of a lead, oldest first.
	Timeline(ctx context.Context, leadID string) ([]*leadgatev1.Event, error)
	// Leads lists lead records, newest first. Token is empty for the first page, then the previous page's next; next is empty on
	// the last page. The work for a page is bounded, so a page may be shorter than limit, even empty, and still have a next one.
	// Error: ErrPageToken.
	Leads(ctx context.Context, q LeadQuery, limit int, token string) (page []*leadgatev1.LeadRecord, next string, err error)
	// Delivery returns a delivery with its attempts. Errors: ErrNotFound, ErrUnreadable.
	Delivery(ctx context.Context, deliveryID string) (*leadgatev1.Delivery, error)
	// Deliveries lists deliveries without their attempts, newest lead first. Paging works as in Leads.
	Deliveries(ctx context.Context, q DeliveryQuery, limit int, token string) (page []*leadgatev1.Delivery, next string, err error)

	// Counts returns the counts of every destination that ever had a delivery. They are maintained, not scanned.
	Counts(ctx context.Context) (map[string]Counts, error)
	// LeadCounts returns the numbers of leads. They are maintained, not scanned.
	LeadCounts(ctx context.Context) (LeadCounts, error)
	// Recent returns up to limit of the newest events written, oldest first.
	Recent(ctx context.Context, limit int) ([]*leadgatev1.Event, error)

	// State returns a namespace of small durable values, such as which destinations are paused.
	State(namespace string) State

	// Backup writes a consistent snapshot of everything or, if since is the position that an earlier Backup returned, what has
	// changed since then. The returned position is where the next backup can continue. Error: ErrPosition.
	Backup(ctx context.Context, since string, to io.Writer) (position string, err error)

	// Size returns approximately how many bytes the store uses on disk.
	Size() int64

	// ID returns the store's unique name, with which every event identifier begins.
	ID() string
	// HashKey returns the secret key for hashes of personal data and payloads; see [Hasher]. It never changes.
	HashKey() []byte
	// Writable returns nil while writes are possible, and otherwise the reason, wrapping ErrUnavailable.
	Writable() error
	// Close finishes pending writes and closes the store. Every later call fails with ErrUnavailable.
	Close() error
}

// Acceptance is a lead to accept.
type Acceptance struct {
	// Key is nil for a lead without an idempotency key.
	Key *Key
	// Record is what to store. The caller sets everything but Sequence. Its state is OPEN or HELD. Its ID is a UUIDv7 whose time
	// is the creation time or up to a minute earlier, because lists are sorted by it.
	Record *leadgatev1.LeadRecord
	// Destinations each get a PENDING delivery, due at once or at NotBefore. No duplicates. Empty if the record is HELD.
	Destinations []string
	// NotBefore is when the deliveries become due, if later than the creation time: until then the lead may be enriched.
	NotBefore time.Time
	// Events are written with the lead.
	Events []*leadgatev1.Event
	// OnReuse is stored instead if the key was used with another payload, as a HELD lead linked to the first one (the store sets
	// LinkedLeadId). If nil, nothing is stored. Its own Key and OnReuse are ignored. A repetition of that other payload is a
	// replay and stores nothing more.
	OnReuse *Acceptance
}

// Key is an idempotency key with the fingerprint of its payload.
type Key struct {
	// Scope is the namespace within which Value is unique: a form, the name of an API key, or "api".
	Scope string
	// Value is the key as sent.
	Value string
	// Expires is when the key is forgotten, by the store's clock, to the nanosecond and before 2262. Not used by LookUp.
	Expires time.Time
	// Fields is the fingerprint of the payload.
	Fields Fingerprint
}

// Accepted is the result of one Acceptance, or what is known of a key. It is zero for an unknown key.
type Accepted struct {
	// LeadID is the lead to answer the caller with: the new one, or the first accepted with the key.
	LeadID string
	// Replayed means that the key was used before.
	Replayed bool
	// Differing lists the fields in which the payload differs from the first one with the key, sorted. It is empty unless the key
	// was reused for another payload.
	Differing []string
	// HeldLeadID is the HELD lead that OnReuse was stored as, now or on an earlier occurrence of the same payload. LookUp sets it
	// too.
	HeldLeadID string
	// Err is why this acceptance was not written.
	Err error
}

// Claims is the result of Claim.
type Claims struct {
	Items []*Claim
	Next  time.Time
}

// Claim is the exclusive right to a delivery until it is settled or released.
type Claim struct {
	// Token identifies the claim.
	Token uint64
	// Delivery is the delivery as stored, without attempts.
	Delivery *leadgatev1.Delivery
	// Record is its lead.
	Record *leadgatev1.LeadRecord
	// Last is the last attempt with its payload; nil before the first, or if its record was lost to disk corruption.
	Last *leadgatev1.Attempt
	// Late means that a newer delivery of the same person to the same destination has been delivered already.
	Late bool
}

// Step changes a claimed delivery.
type Step struct {
	// Claim is the claim as returned by Claim.
	Claim *Claim
	// Delivery is the delivery's new value. Its identity (ID, lead, destination, form, sequence, creation time) must be
	// unchanged. Begin sets the state to IN_FLIGHT. For Settle, it is any other state; RETRY_WAIT and PENDING become due at
	// DueTime.
	Delivery *leadgatev1.Delivery
	// Attempt is written under its number, which is the delivery's AttemptCount. It may be nil in Settle if none was begun.
	Attempt *leadgatev1.Attempt
	// Events are written with the delivery.
	Events []*leadgatev1.Event
}

// Stepped is the result of one Step.
type Stepped struct {
	Err error
}

// Redrive is a request to make a delivery due.
type Redrive struct {
	DeliveryID string
	// Force sends the delivery even though a newer one of its person was delivered.
	Force  bool
	Events []*leadgatev1.Event
}

// Redriven is the result of one Redrive: the delivery as it is now, without its attempts.
type Redriven struct {
	Delivery *leadgatev1.Delivery
	Err      error
}

// Erasure is a request to remove the content of a lead.
type Erasure struct {
	LeadID string
	// Events are written with the erasure.
	Events []*leadgatev1.Event
}

// Erased is the result of one Erasure.
type Erased struct {
	// Deliveries are those of the lead as they are now, without their attempts.
	Deliveries []*leadgatev1.Delivery
	// Interrupted lists the deliveries that were in flight: the CRM may have received the data.
	Interrupted []string
	// Cancelled counts the deliveries that were cancelled.
	Cancelled int
	// Attempts and Events count those that the lead had.
	Attempts, Events int
	// Already means that the lead was erased before, and nothing was done.
	Already bool
	Err     error
}

// Amendment changes a lead.
type Amendment struct {
	// Was is the record as read. The lead changes only if it is still equal.
	Was *leadgatev1.LeadRecord
	// Record is the new value. Its identity (ID, sequence, creation time) must be unchanged. If it is not OPEN, its deliveries
	// are removed, none of which may have been attempted. If the person changes, waiting deliveries join the new person's chains.
	Record *leadgatev1.LeadRecord
	// Destinations each get a PENDING delivery, due at once, unless the lead already has one there. Only for an OPEN record.
	Destinations []string
	// Resend lists destinations to which the lead is sent again, even if it was DELIVERED. A waiting delivery keeps its place: it
	// is mapped anew when its turn comes. If it was attempted, it is marked with Delivery.Resend, because the old payload may
	// have to be sent once more first, and a claim on it is revoked. An amendment that changes the content lists waiting
	// deliveries too, because an attempt may have begun since the caller looked. It marks DEAD, HELD and SUPERSEDED deliveries on
	// its own, because a person may redrive them. Forced is cleared on DELIVERED ones.
	Resend []string
	// Hurry makes deliveries due now that wait for their first attempt.
	Hurry bool
	// Events are written with the amendment.
	Events []*leadgatev1.Event
}

// Amended is the result of one Amendment.
type Amended struct {
	Err error
}

// Retention says how long leads are kept.
type Retention struct {
	// Delivered applies to leads with nothing left to do: all deliveries are delivered, superseded or cancelled, or the lead was
	// discarded or erased. Those last changed before this time are removed.
	Delivered time.Time
	// Undelivered applies to all other leads: those accepted before this time are removed.
	Undelivered time.Time
	// Those of them that stay and were accepted from WarnedUntil up to, but not including, WarnUntil are counted in Purged.Soon.
	WarnedUntil, WarnUntil time.Time
}

// Purged is the result of Purge.
type Purged struct {
	// Delivered counts the removed leads that had nothing left to do.
	Delivered int
	// Undelivered are the other removed leads, without their content.
	Undelivered []*leadgatev1.LeadRecord
	// Failed says which leads could not be removed, and why; they stay. Nil if there are none.
	Failed error
	// Soon counts the leads between WarnedUntil and WarnUntil; Oldest is when the first of them was accepted.
	Soon   int
	Oldest time.Time
	// Next is the token for the next call.
	Next string
}

// Hold is a request to hold a delivery.
type Hold struct {
	DeliveryID string
	Reason     string
	Events     []*leadgatev1.Event
}

// Held is the result of one Hold.
type Held struct {
	Err error
}

// Move is a request to reassign a delivery to another destination.
type Move struct {
	DeliveryID  string
	Destination string
	Reason      string
	Events      []*leadgatev1.Event
}

// Moved is the result of one Move: the new delivery.
type Moved struct {
	Delivery *leadgatev1.Delivery
	Err      error
}

// Deletion is a request to remove a delivery.
type Deletion struct {
	DeliveryID string
	Events     []*leadgatev1.Event
}

// Deleted is the result of one Deletion.
type Deleted struct {
	Err error
}

// LeadQuery selects leads. Zero fields match everything.
type LeadQuery struct {
	State        leadgatev1.LeadState
	Reason       leadgatev1.HoldReason
	Form         string
	Email        string    // normalised; also matches a lead without an address of its own whose submission contains this one
	Since, Until time.Time // Since ≤ creation < Until
	// Unreadable, with Email, includes leads of the person that cannot be read, with only their ID. Otherwise they are left out.
	Unreadable bool
}

// Matches reports whether the query selects a record.
func (q LeadQuery) Matches(r *leadgatev1.LeadRecord) bool {
	created := r.GetCreateTime().AsTime()
	return (q.State == 0 || q.State == r.GetState()) &&
		(q.Reason == 0 || slices.ContainsFunc(r.GetHolds(), func(h *leadgatev1.Hold) bool { return h.GetReason() == q.Reason })) &&
		(q.Form == "" || q.Form == r.GetLead().GetSource().GetForm()) &&
		(q.Email == "" || slices.Contains(Addresses(r), q.Email)) &&
		(q.Since.IsZero() || !created.Before(q.Since)) && (q.Until.IsZero() || created.Before(q.Until))
}

// DeliveryQuery selects deliveries. Zero fields match everything.
type DeliveryQuery struct {
	State        leadgatev1.DeliveryState
	Destination  string
	Form         string
	LeadID       string
	Since, Until time.Time // Since ≤ creation < Until
}

// Counts are the counts of one destination.
type Counts struct {
	// ByState counts its deliveries.
	ByState map[leadgatev1.DeliveryState]int64
	// OldestWaiting is when the lead of the oldest PENDING, IN_FLIGHT or RETRY_WAIT delivery was accepted; zero if there is none.
	OldestWaiting time.Time
}

// LeadCounts are the numbers of leads.
type LeadCounts struct {
	// ByState counts all leads.
	ByState map[leadgatev1.LeadState]int64
	// Held counts HELD leads by reason; a lead with two reasons counts in both.
	Held map[leadgatev1.HoldReason]int64
}

// State is a namespace of small durable values. Keys are 1 to 255 bytes, values at most 64 KiB.
type State interface {
	// Get returns a value and its version. Error: ErrNotFound, also if the value has expired.
	Get(ctx context.Context, key string) (value []byte, version uint64, err error)
	// Put sets a value. It expires at the given time by the store's clock, or never if that is zero.
	Put(ctx context.Context, key string, value []byte, expires time.Time) error
	// CompareAndSet sets a value if it still has the given version; version 0 means that it must not exist. Error: ErrConflict.
	CompareAndSet(ctx context.Context, key string, version uint64, value []byte, expires time.Time) error
	// Delete removes a value. Removing a missing one is not an error.
	Delete(ctx context.Context, key string) error
	// Keys returns the sorted keys of all values that have not expired.
	Keys(ctx context.Context) ([]string, error)
}
