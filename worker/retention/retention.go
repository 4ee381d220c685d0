// Package retention removes leads whose retention period is over, and warns before it removes undelivered ones.
package retention

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	storev1 "github.com/leadgate/leadgate/gen/go/leadgate/store/v1"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/journal"
	"github.com/leadgate/leadgate/worker/spelling"
	"github.com/leadgate/leadgate/worker/store"
)

// Default retention periods.
const (
	DefaultDelivered   = 30 * 24 * time.Hour
	DefaultUndelivered = 180 * 24 * time.Hour
)

const (
	// Notice is how long before its removal an undelivered lead is announced.
	Notice = 7 * 24 * time.Hour
	// The time between two rounds. The shortest retention period is a day.
	interval = time.Hour
	// How often it is reported which leads cannot be removed.
	failuresEvery = 24 * time.Hour
	// How many leads one call to the store examines.
	step = 200
	// Where warnings are stored.
	namespace, warningsKey = "retention", "warnings"
)

// Policy sets the retention periods.
type Policy struct {
	// Delivered starts when nothing was left to do for a lead.
	Delivered time.Duration
	// Undelivered starts when the lead was accepted.
	Undelivered time.Duration
}

// Options configure a keeper. Store and Journal must be set.
type Options struct {
	Store   store.Store
	Journal *journal.Journal
	// Now returns the store's time; time.Now if nil.
	Now func() time.Time
	// Logger gets what no event reports; nil discards it.
	Logger *slog.Logger
}

// Keeper removes leads whose retention period is over. It is safe for concurrent use.
type Keeper struct {
	store   store.Store
	journal *journal.Journal
	now     func() time.Time
	log     *slog.Logger
	once    *journal.Once // limits messages about what cannot be removed

	mu      sync.Mutex
	policy  Policy
	changed chan struct{} // holds a signal after Apply

	cancel context.CancelFunc
	done   chan struct{}
}

// New returns a keeper with the default policy. Start starts it.
func New(o Options) *Keeper {
	k := &Keeper{
		store: o.Store, journal: o.Journal, now: o.Now, log: cmp.Or(o.Logger, slog.New(slog.DiscardHandler)), changed: make(chan struct{}, 1),
		policy: Policy{DefaultDelivered, DefaultUndelivered},
	}
	if k.now == nil {
		k.now = time.Now
	}
	k.once = journal.NewOnce(failuresEvery, k.now)
	return k
}

// Apply sets the policy and, if it changed, starts a round at once.
func (k *Keeper) Apply(p Policy) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.policy == p {
		return
	}
	k.policy = p
	select {
	case k.changed <- struct{}{}:
	default:
	}
}

// Start starts hourly rounds. It is called at most once.
func (k *Keeper) Start() {
	ctx, cancel := context.WithCancel(context.Background())
	k.cancel, k.done = cancel, make(chan struct{})
	go func() {
		defer close(k.done)
		for ctx.Err() == nil {
			if err := k.Round(ctx); err != nil && ctx.Err() == nil && !errors.Is(err, store.ErrUnavailable) {
				k.log.Error("removing leads whose retention is over failed", "error", err)
			}
			timer := time.NewTimer(interval)
			select {
			case <-ctx.Done():
			case <-k.changed:
			case <-timer.C:
			}
			timer.Stop()
		}
	}()
}

// Stop stops the rounds and waits for the present one to end. It may be called without Start, and again.
func (k *Keeper) Stop() {
	if k.cancel != nil {
		k.cancel()
		<-k.done
	}
}

// Round removes the leads whose retention period is over, and announces which undelivered ones will follow in a week.
func (k *Keeper) Round(ctx context.Context) error {
	k.mu.Lock()
	policy := k.policy
	k.mu.Unlock()
	warnings, err := k.warnings(ctx)
	if err != nil {
		return err
	}
	now := k.now()
	r := store.Retention{
		Delivered:   now.Add(-policy.Delivered),
		Undelivered: earlier(now.Add(-policy.Undelivered), warnings.before(now.Add(-Notice))),
		WarnedUntil: warnings.last(), WarnUntil: now.Add(-policy.Undelivered + Notice),
	}
	soon, oldest, err := k.remove(ctx, r)
	if err != nil {
		return err
	}
	if soon > 0 {
		k.tell(leadgatev1.SystemEventType_SYSTEM_EVENT_TYPE_RETENTION_WARNING, fmt.Sprintf(
			"%s will be removed from %s on, when retention.undelivered has passed; the oldest was accepted on %s. To send what is dead: leadgate deliveries list --state dead, leadgate deliveries retry",
			spelling.Count(soon, "undelivered lead", "undelivered leads"), now.Add(Notice).Format(time.DateOnly), oldest.Format(time.DateOnly)))
	}
	return k.warned(ctx, warnings, r.WarnUntil, now)
}

// remove goes through the leads. It pauses for as long as it works, so that intake has the store at least half of the time.
func (k *Keeper) remove(ctx context.Context, r store.Retention) (soon int, oldest time.Time, err error) {
	delivered, undelivered := 0, 0
	defer func() {
		if delivered+undelivered > 0 {
			k.tell(leadgatev1.SystemEventType_SYSTEM_EVENT_TYPE_RETENTION_REMOVED, fmt.Sprintf(
				"%s and %d undelivered were removed, because their retention period has passed", spelling.Count(delivered, "delivered lead", "delivered leads"), undelivered))
		}
	}()
	for token := ""; ; {
		began := time.Now()
		purged, err := k.store.Purge(ctx, r, step, token)
		if err != nil {
			return soon, oldest, err
		}
		if purged.Failed != nil && k.once.Tell(purged.Failed.Error()) {
			k.log.Error("leads whose retention is over could not be removed, and stay", "error", purged.Failed)
		}
		delivered += purged.Delivered
		undelivered += len(purged.Undelivered)
		for _, lead := range purged.Undelivered {
			k.journal.Publish(gone(lead))
		}
		if soon += purged.Soon; oldest.IsZero() {
			oldest = purged.Oldest
		}
		if token = purged.Next; token == "" {
			return soon, oldest, nil
		}
		rest := time.NewTimer(time.Since(began))
		select {
		case <-ctx.Done():
			rest.Stop()
			return soon, oldest, ctx.Err()
		case <-rest.C:
		}
	}
}

func (k *Keeper) tell(what leadgatev1.SystemEventType, detail string) {
	k.journal.Publish(&leadgatev1.Event{Kind: &leadgatev1.Event_System{System: &leadgatev1.SystemEvent{Type: what, Detail: detail}}})
}

// gone returns the event that an undelivered lead was removed.
func gone(lead *leadgatev1.LeadRecord) *leadgatev1.Event {
	return &leadgatev1.Event{Kind: &leadgatev1.Event_Lead{Lead: &leadgatev1.LeadEvent{
		Stage: leadgatev1.Stage_STAGE_ERASED, LeadId: lead.GetLeadId(), Form: lead.GetLead().GetSource().GetForm(),
		Detail: "removed without having been delivered: its retention is over",
	}}}
}

// announced holds the warnings given so far.
type announced struct {
	storev1.RetentionWarnings
	version uint64
}

func (k *Keeper) warnings(ctx context.Context) (*announced, error) {
	a := &announced{}
	value, version, err := k.store.State(namespace).Get(ctx, warningsKey)
	if errors.Is(err, store.ErrNotFound) {
		return a, nil
	}
	if err != nil {
		return nil, err
	}
	a.version = version
	return a, proto.Unmarshal(value, &a.RetentionWarnings)
}

// last returns up to which time of acceptance leads have been announced.
func (a *announced) last() time.Time {
	if n := len(a.GetWarnings()); n > 0 {
		return time.Unix(0, a.GetWarnings()[n-1].GetUntil())
	}
	return time.Unix(0, 0)
}

// before returns up to which time of acceptance leads had been announced at a time.
func (a *announced) before(at time.Time) time.Time {
	until := time.Unix(0, 0)
	for _, w := range a.GetWarnings() {
		if w.GetTime() <= at.UnixNano() {
			until = time.Unix(0, w.GetUntil())
		}
	}
	return until
}

// warned stores a warning, and drops those made obsolete by a later one that is old enough.
func (k *Keeper) warned(ctx context.Context, a *announced, until, now time.Time) error {
	if !until.After(a.last()) {
		return nil
	}
	a.Warnings = append(a.Warnings, &storev1.RetentionWarnings_Warning{Until: until.UnixNano(), Time: now.UnixNano()})
	old := now.Add(-Notice).UnixNano()
	for len(a.Warnings) > 1 && a.Warnings[1].GetTime() <= old {
		a.Warnings = a.Warnings[1:]
	}
	value, err := proto.Marshal(&a.RetentionWarnings)
	if err != nil {
		return err
	}
	err = k.store.State(namespace).CompareAndSet(ctx, warningsKey, a.version, value, time.Time{})
	if errors.Is(err, store.ErrConflict) {
		return nil // another round did the same
	}
	return err
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
