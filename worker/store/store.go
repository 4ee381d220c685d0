// Package store keeps accepted leads, their deliveries and everything else that must outlive the process.
//
// [Store] is the only way to durable state in leadgate. Its promises are written at each method and checked by package
// storetest, which every implementation runs. Nothing in the interface assumes a single process or local iteration.
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
	// ErrNotFound says that there is no such lead, delivery or value.
	ErrNotFound = errors.New("not found")
	// ErrConflict says that a value was changed by somebody else in the meantime.
	ErrConflict = errors.New("changed in the meantime")
	// ErrStale says that a claim is no longer held: it was settled, or the delivery was changed by a person.
	ErrStale = errors.New("claim is no longer held")
	// ErrState says that the delivery is in a state in which the request makes no sense.
	ErrState = errors.New("not possible in this state")
	// ErrPageToken says that a page token was not made by this method with this query.
	ErrPageToken = errors.New("page token is not valid for this query")
	// ErrPosition says that a backup cannot add to the one before it: a whole one is needed.
	ErrPosition = errors.New("not the position of a backup of this store")
	// ErrTooLarge says that it is more than can be kept in one piece. It fails again however often it is tried.
	ErrTooLarge = errors.New("too large to be stored")
	// ErrUnavailable says that nothing can be made durable at present: the store is closing, its queue is full, the
	// disk is low, or a commit failed. What was asked for may be tried again later, under the same idempotency key.
	ErrUnavailable = errors.New("store is unavailable")
	// ErrDamaged says why a store is unavailable: what is on disk is damaged. It stays so until it is mended.
	ErrDamaged = errors.New("store is damaged")
	// ErrUnreadable says that a record is there and makes no sense. Whoever lists leaves it out.
	ErrUnreadable = errors.New("cannot be read")
)

// Store is safe for concurrent use. Methods that write return after the write is durable, and take many items at once so
// that an implementation can share one disk sync among them; concurrent callers may share one too. An item that cannot
// be written fails alone, by the Err of its result; the error of the method itself says that none was written (or, for
// ErrUnavailable after a failed commit, that it is not known).
//
// Events passed to a method are written in the transaction that they report, get their identifiers there, and are
// published after it is durable, in commit order.
type Store interface {
	// Accept makes leads durable: claims the idempotency key, writes the record and creates its deliveries, each lead in
	// one atomic step. Of several acceptances under one key, however concurrent, exactly one is accepted; the others are
	// answered as replays of it, or as a reuse where the payload differs. Results are in the order of the arguments.
	//
	// The store sets Record.Sequence; sequences rise in commit order.
	Accept(ctx context.Context, acceptances ...*Acceptance) ([]Accepted, error)

	// LookUp says what became of an idempotency key, without writing. It sees every Accept that has returned. A key is
	// unknown (result zero) from the instant key.Expires of the accepted acceptance, by the store's clock.
	LookUp(ctx context.Context, key *Key) (Accepted, error)

	// Claim takes up to limit deliveries of a destination that are due, oldest due time first, for the caller alone. No two
	// of them, nor any other that is claimed or in flight, belong to one person: only the oldest waiting delivery of a
	// person is ever due. A claim is held until Settle or Unclaim; claims of a process that died are free again when the
	// store is opened, and those that had begun then count as attempts with outcome UNKNOWN and are due at once.
	//
	// With nothing due, Claims.Items is empty. Claims.Next is when the next delivery after those claimed falls due; zero
	// if none waits.
	Claim(ctx context.Context, destination string, limit int) (Claims, error)

	// Unclaim gives back claims that were not begun. Claims that are no longer held are passed over.
	Unclaim(ctx context.Context, claims ...*Claim) error

	// Begin makes attempts durable before their calls: the delivery becomes IN_FLIGHT, the attempt with its payload is
	// written. Err of a result is ErrStale where the claim is no longer held, ErrState where its attempt has begun; then
	// the call must not be made.
	Begin(ctx context.Context, steps ...*Step) ([]Stepped, error)

	// Settle writes what came of attempts, frees the claims, and makes the next delivery of each person due if this one
	// no longer blocks it. Err of a result is ErrStale where the claim is no longer held; then nothing is changed.
	Settle(ctx context.Context, steps ...*Step) ([]Stepped, error)

	// Redrive makes deliveries due now: DEAD, HELD, SUPERSEDED and RETRY_WAIT become RETRY_WAIT (PENDING if never
	// attempted), PENDING stays. FailingFor starts anew. A redriven delivery takes its place in its person's chain by
	// sequence: a claim to a newer one that has not begun is taken away, one that has is waited for. A delivery that is itself
	// claimed stays with whoever claimed it, unless it is forced. Err of a result is ErrNotFound, or ErrState for any other state.
	Redrive(ctx context.Context, redrives ...*Redrive) ([]Redriven, error)

	// Erase removes the content of leads, each in one atomic step: lead and submission, what was sent and answered, and what
	// its events say of the person. The lead is ERASED; its deliveries that were not delivered are CANCELLED, claims to them
	// are stale from then on, in flight or not, and the next of the person becomes due. What was delivered stays so, with
	// the CRM's record, which is to be erased there. The idempotency key goes on answering until its time is up. That the
	// lead was erased is noted for good; see ErasedLeads. Err of a result is ErrNotFound; a lead that is erased already is
	// left as it is.
	Erase(ctx context.Context, erasures ...*Erasure) ([]Erased, error)
	// ErasedLeads returns the leads that named a person and were erased. It may look at every lead that ever was.
	ErasedLeads(ctx context.Context, email string) ([]string, error)
	// Amend changes what is kept of leads and what is sent of them, each lead in one atomic step: a held one is released or
	// thrown away, an open one gets other content, goes to further destinations, or is sent again. Err of a result is
	// ErrNotFound; ErrConflict where the record is not what it was read as; ErrState where an attempt is under way that the
	// amendment would have to undo. Where a lead gets other content, claims to its deliveries that have not begun are taken
	// away, because whoever holds them has read the old content. The store adds to FormerEmails: a lead is found and erased by every
	// address that it had.
	Amend(ctx context.Context, amendments ...*Amendment) ([]Amended, error)

	// Purge removes leads that need not be kept any longer, with everything about them, each in one atomic step. It looks at up
	// to limit leads, the oldest first, from where the token of the call before ended; Purged.Next is empty when none is left
	// that could be old enough. What was delivered stays counted, what waits or failed does not. A removed lead is not found
	// any more; its idempotency key goes on answering until its time is up. One that cannot be removed holds up no other.
	Purge(ctx context.Context, r Retention, limit int, token string) (Purged, error)

	// Hold makes deliveries that wait HELD, for a reason: PENDING and RETRY_WAIT. A claim to one that has not begun is taken
	// away. Err of a result is ErrNotFound, or ErrState for any other state.
	Hold(ctx context.Context, holds ...*Hold) ([]Held, error)

	// Move gives deliveries to another destination, each in one atomic step: there the lead gets a PENDING delivery, due at
	// once, in its person's chain by sequence; the delivery itself becomes CANCELLED with the reason. PENDING, RETRY_WAIT,
	// HELD, DEAD and SUPERSEDED ones can be moved. Err of a result is ErrNotFound; ErrState for any other state, and where
	// the lead has a delivery to the other destination already.
	Move(ctx context.Context, moves ...*Move) ([]Moved, error)

	// Delete removes deliveries that wait for a person or for nobody, with their attempts: DEAD, HELD, SUPERSEDED and
	// CANCELLED. The lead and its events stay. Err of a result is ErrNotFound, or ErrState for any other state.
	Delete(ctx context.Context, deletions ...*Deletion) ([]Deleted, error)

	// Notify returns a channel that receives after a delivery of the destination may have become due earlier than the
	// last Claim said. Signals coalesce. Each call for a destination returns the same channel.
	Notify(destination string) <-chan struct{}

	// Lead returns a lead record. Errors: ErrNotFound, ErrUnreadable.
	Lead(ctx context.Context, leadID string) (*leadgatev1.LeadRecord, error)
	// LeadDeliveries returns the deliveries of a lead with their attempts, by destination.
	LeadDeliveries(ctx context.Context, leadID string) ([]*leadgatev1.Delivery, error)
	// DeliveriesOf returns the deliveries of some leads without their attempts, in the order of the leads, those of each by
	// destination. Leads that are not found have none.
	DeliveriesOf(ctx context.Context, leadIDs ...string) ([]*leadgatev1.Delivery, error)
	// Timeline returns the events of a lead, oldest first.
	Timeline(ctx context.Context, leadID string) ([]*leadgatev1.Event, error)
	// Leads lists lead records, newest first. Token is empty for the first page, or what the page before returned as
	// next; next is empty on the last page. A page may be shorter than limit, even empty, and still have a next one:
	// the work for one page is bounded. Error: ErrPageToken.
	Leads(ctx context.Context, q LeadQuery, limit int, token string) (page []*leadgatev1.LeadRecord, next string, err error)
	// Delivery returns a delivery with its attempts. Error: ErrNotFound.
	Delivery(ctx context.Context, deliveryID string) (*leadgatev1.Delivery, error)
	// Deliveries lists deliveries without their attempts, newest lead first; paging is that of Leads.
	Deliveries(ctx context.Context, q DeliveryQuery, limit int, token string) (page []*leadgatev1.Delivery, next string, err error)

	// Counts returns the figures of every destination that ever had a delivery. They are maintained, not scanned.
	Counts(ctx context.Context) (map[string]Counts, error)
	// LeadCounts returns how many leads there are. They are maintained, not scanned.
	LeadCounts(ctx context.Context) (LeadCounts, error)
	// Recent returns the newest events that were written, oldest first, at most limit.
	Recent(ctx context.Context, limit int) ([]*leadgatev1.Event, error)

	// State returns a namespace of small durable values, such as which destinations are paused.
	State(namespace string) State

	// Backup writes everything as it is at one moment, or, if since is the position that an earlier Backup returned, what was
	// changed since then; position is where the next one can go on. Error: ErrPosition.
	Backup(ctx context.Context, since string, to io.Writer) (position string, err error)

	// Size is about how many bytes the store takes on disk.
	Size() int64

	// ID names this store among all; it begins every event identifier.
	ID() string
	// HashKey is the secret key for hashes that stand for personal data or payloads; see [Hasher]. It lives as long as the store.
	HashKey() []byte
	// Writable is nil while writes are possible, and otherwise says why not, wrapping ErrUnavailable.
	Writable() error
	// Close waits for what is being written, then closes. Every later call fails with ErrUnavailable.
	Close() error
}

// Acceptance is a lead to accept.
type Acceptance struct {
	// Key is nil for a lead without an idempotency key.
	Key *Key
	// Record is what is stored. The caller sets everything but Sequence. Its state is OPEN or HELD; its identifier is a
	// UUIDv7 of its creation time, or of up to a minute before, as listing goes by it.
	Record *leadgatev1.LeadRecord
	// Destinations each get a PENDING delivery, due at once or at NotBefore. None is named twice. Empty when the record is
	// HELD.
	Destinations []string
	// NotBefore is when its deliveries fall due, if later than the creation: until then the lead may be prepared. Zero for at
	// once.
	NotBefore time.Time
	// Events are written with the lead.
	Events []*leadgatev1.Event
	// OnReuse is stored instead when the key was seen with another payload, as a HELD lead linked to the first one (the
	// store sets LinkedLeadId); nil stores nothing. Its own Key and OnReuse are not used. The same other payload coming
	// again is a replay and stores nothing more.
	OnReuse *Acceptance
}

// Key is an idempotency key with the payload that came under it.
type Key struct {
	// Scope is what Value is unique within: a form, an API key's name, or "api".
	Scope string
	// Value is the key as sent.
	Value string
	// Expires is when it is forgotten; to the nanosecond, by the store's clock. At most 2262. Not used by LookUp.
	Expires time.Time
	// Fields stands for the payload.
	Fields Fingerprint
}

// Accepted is what became of an acceptance or is known of a key. The zero value is that of an unknown key.
type Accepted struct {
	// LeadID is the lead that the caller is answered with: the new one, or the first that came under the key.
	LeadID string
	// Replayed says that the key was seen before.
	Replayed bool
	// Differing names the fields in which the payload differs from the first that came under the key, sorted. Empty
	// unless the key was reused for another payload.
	Differing []string
	// HeldLeadID is the HELD lead that OnReuse was stored as, now or when the same payload came before. LookUp sets it
	// too.
	HeldLeadID string
	// Err says why this acceptance alone was not written. Nil otherwise.
	Err error
}

// Claims is what Claim took.
type Claims struct {
	Items []*Claim
	Next  time.Time
}

// Claim is a delivery that is the caller's alone until it is settled or given back.
type Claim struct {
	// Token proves the claim.
	Token uint64
	// Delivery is the delivery as stored, without attempts.
	Delivery *leadgatev1.Delivery
	// Record is its lead.
	Record *leadgatev1.LeadRecord
	// Last is the last attempt with its payload; nil before the first, or if it was lost with a damaged file.
	Last *leadgatev1.Attempt
	// Late says that a newer delivery of the same person to the same destination was already delivered.
	Late bool
}

// Step moves a claimed delivery on.
type Step struct {
	// Claim is the claim as returned by Claim.
	Claim *Claim
	// Delivery is what the delivery becomes. Its identity (id, lead, destination, form, sequence, creation) must be
	// unchanged. Begin sets the state to IN_FLIGHT. For Settle it is any other state; RETRY_WAIT and PENDING fall due at
	// DueTime.
	Delivery *leadgatev1.Delivery
	// Attempt is written under its number, which is the delivery's AttemptCount. Settle may pass nil when none was begun.
	Attempt *leadgatev1.Attempt
	// Events are written with it.
	Events []*leadgatev1.Event
}

// Stepped is the result of one Step.
type Stepped struct {
	Err error
}

// Redrive asks for a delivery to be made due.
type Redrive struct {
	DeliveryID string
	// Force marks it as to be sent although a newer one of its person was delivered.
	Force  bool
	Events []*leadgatev1.Event
}

// Redriven is the result of one Redrive: the delivery as it is now, without attempts.
type Redriven struct {
	Delivery *leadgatev1.Delivery
	Err      error
}

// Erasure asks for the content of a lead to be removed.
type Erasure struct {
	LeadID string
	// Events are written with it.
	Events []*leadgatev1.Event
}

// Erased is the result of one Erasure.
type Erased struct {
	// Deliveries are those of the lead as they are now, without attempts.
	Deliveries []*leadgatev1.Delivery
	// Interrupted names those that were in flight: the CRM may have what was sent.
	Interrupted []string
	// Cancelled counts the deliveries that were not delivered and will not be.
	Cancelled int
	// Attempts and Events count those whose content was removed.
	Attempts, Events int
	// Already says that the lead was erased before; then nothing was done.
	Already bool
	Err     error
}

// Amendment changes a lead.
type Amendment struct {
	// Was is the record as it was read; it is changed only if it still is that.
	Was *leadgatev1.LeadRecord
	// Record is what it becomes. Its identity (id, sequence, creation) must be unchanged. If it is not OPEN its deliveries, of
	// which none may have been attempted, are removed. If it is another person's, those that wait join that person's chains.
	Record *leadgatev1.LeadRecord
	// Destinations each get a PENDING delivery, due at once, unless the lead has one for them already. Only for a record that
	// is OPEN.
	Destinations []string
	// Resend names destinations whose delivery of the lead is due again, whatever became of it: DELIVERED ones too. One that
	// waits stays where it is: it is mapped anew when its turn comes. One that was attempted is marked by Delivery.Resend, as what was
	// sent may have to go out once more first; a claim to it is taken away. An amendment that changes the lead's content names the
	// waiting ones too, because an attempt at one of them may have begun since they were looked at. It marks by itself those that a
	// person may have sent: DEAD, HELD and SUPERSEDED. What was forced and DELIVERED is forced no more.
	Resend []string
	// Hurry makes due now what waits for its first attempt.
	Hurry bool
	// Events are written with it.
	Events []*leadgatev1.Event
}

// Amended is the result of one Amendment.
type Amended struct {
	Err error
}

// Retention says which leads need not be kept.
type Retention struct {
	// Delivered is for leads with nothing left to do, because everything was delivered, superseded or cancelled, or because they
	// were discarded or erased: those that last changed before this time go.
	Delivered time.Time
	// Undelivered is for all others: those that were accepted before this time go.
	Undelivered time.Time
	// Of the others that stay, those accepted from WarnedUntil up to, not including, WarnUntil are counted.
	WarnedUntil, WarnUntil time.Time
}

// Purged is what Purge did.
type Purged struct {
	// Delivered counts the leads that were removed with nothing left to do.
	Delivered int
	// Undelivered are the others that were removed, without their content.
	Undelivered []*leadgatev1.LeadRecord
	// Failed says which leads should have been removed and could not be, and why; they stay. Nil if there is none.
	Failed error
	// Soon counts those of Retention.WarnUntil; Oldest is when the first of them was accepted.
	Soon   int
	Oldest time.Time
	// Next is where to go on.
	Next string
}

// Hold asks for a delivery to be held.
type Hold struct {
	DeliveryID string
	Reason     string
	Events     []*leadgatev1.Event
}

// Held is the result of one Hold.
type Held struct {
	Err error
}

// Move asks for a delivery to be given to another destination.
type Move struct {
	DeliveryID  string
	Destination string
	Reason      string
	Events      []*leadgatev1.Event
}

// Moved is the result of one Move: the delivery to the other destination.
type Moved struct {
	Delivery *leadgatev1.Delivery
	Err      error
}

// Deletion asks for a delivery to be removed.
type Deletion struct {
	DeliveryID string
	Events     []*leadgatev1.Event
}

// Deleted is the result of one Deletion.
type Deleted struct {
	Err error
}

// LeadQuery chooses leads. Zero fields match everything.
type LeadQuery struct {
	State        leadgatev1.LeadState
	Reason       leadgatev1.HoldReason
	Form         string
	Email        string    // normalised; also finds a lead without one whose submission names it
	Since, Until time.Time // Since ≤ creation < Until
	// Unreadable, with Email, has leads of the person that cannot be read in the page too, with nothing but their identifier. They
	// are left out otherwise.
	Unreadable bool
}

// Matches reports whether a record is among those that the query chooses.
func (q LeadQuery) Matches(r *leadgatev1.LeadRecord) bool {
	created := r.GetCreateTime().AsTime()
	return (q.State == 0 || q.State == r.GetState()) &&
		(q.Reason == 0 || slices.ContainsFunc(r.GetHolds(), func(h *leadgatev1.Hold) bool { return h.GetReason() == q.Reason })) &&
		(q.Form == "" || q.Form == r.GetLead().GetSource().GetForm()) &&
		(q.Email == "" || slices.Contains(Addresses(r), q.Email)) &&
		(q.Since.IsZero() || !created.Before(q.Since)) && (q.Until.IsZero() || created.Before(q.Until))
}

// DeliveryQuery chooses deliveries. Zero fields match everything.
type DeliveryQuery struct {
	State        leadgatev1.DeliveryState
	Destination  string
	Form         string
	LeadID       string
	Since, Until time.Time // Since ≤ creation < Until
}

// Counts are the figures of one destination.
type Counts struct {
	// ByState counts its deliveries.
	ByState map[leadgatev1.DeliveryState]int64
	// OldestWaiting is when the lead of its oldest delivery in state PENDING, IN_FLIGHT or RETRY_WAIT was accepted; zero
	// if there is none.
	OldestWaiting time.Time
}

// LeadCounts are the figures of leads.
type LeadCounts struct {
	// ByState counts them all.
	ByState map[leadgatev1.LeadState]int64
	// Held counts those that are HELD by reason; a lead with two reasons is in both.
	Held map[leadgatev1.HoldReason]int64
}

// State is a namespace of small durable values. Values are at most 64 KiB; keys at most 255 bytes.
type State interface {
	// Get returns a value and its version. Error: ErrNotFound, also for a value that has expired.
	Get(ctx context.Context, key string) (value []byte, version uint64, err error)
	// Put sets a value. It expires at the given time by the store's clock; never if that is zero.
	Put(ctx context.Context, key string, value []byte, expires time.Time) error
	// CompareAndSet sets a value if its version is still the one given, 0 standing for a value that does not exist.
	// Error: ErrConflict.
	CompareAndSet(ctx context.Context, key string, version uint64, value []byte, expires time.Time) error
	// Delete removes a value. Removing one that does not exist is not an error.
	Delete(ctx context.Context, key string) error
	// Keys returns the keys of all values that have not expired, sorted.
	Keys(ctx context.Context) ([]string, error)
}
