package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/server/intake"
	"github.com/leadgate/leadgate/worker/journal"
	"github.com/leadgate/leadgate/worker/store"
)

// driftState is the namespace in the store of the fields that a page renamed: by form and field, the event that told of it. An
// entry goes when the configuration says what the field is, so that it can be told again if that is undone.
const driftState = "drift"

// How many fields of one form are known at a time. Nobody renames more; where somebody makes names up, the newest push out the
// oldest, so that a page that is renamed after that is still told.
const maxDrifts = 100

// driftTeller tells of each field that a page renamed once, across restarts. It is safe for concurrent use.
type driftTeller struct {
	state   store.State
	journal *journal.Journal
	log     *slog.Logger

	mu   sync.Mutex
	told map[string][]string // keys by form, the oldest first
	full map[string]bool     // forms of which is told that there are too many
}

func newDriftTeller(s store.Store, j *journal.Journal, log *slog.Logger) *driftTeller {
	return &driftTeller{state: s.State(driftState), journal: j, log: log, told: map[string][]string{}, full: map[string]bool{}}
}

// tell publishes those drifts of an accepted submission that were not told yet; at is when it arrived. A failure is logged: the lead
// is safe, and the next submission tries again.
func (t *driftTeller) tell(ctx context.Context, form string, drifts []intake.Drift, leadID string, at time.Time) {
	for _, d := range drifts {
		key := driftKey(form, d.Field)
		if !t.first(form, key) {
			continue
		}
		remark := t.makeRoom(ctx, form)
		event := &leadgatev1.Event{Time: timestamppb.New(at), Kind: &leadgatev1.Event_Form{Form: &leadgatev1.FormEvent{
			Type: leadgatev1.FormEventType_FORM_EVENT_TYPE_DRIFT, Form: form, Field: d.Field, LeadField: d.LeadField,
			MissingField: d.Missing, Suggestion: d.Line, Detail: d.String() + remark, LeadId: leadID,
		}}}
		value, err := proto.Marshal(event)
		if err == nil {
			err = t.state.CompareAndSet(ctx, key, 0, value, time.Time{})
		}
		switch {
		case errors.Is(err, store.ErrConflict): // told before the last start
			continue
		case err != nil:
			t.again(form, key)
			t.log.Warn("a renamed field could not be noted", "form", form, "field", d.Field, "error", err)
			continue
		}
		t.journal.Publish(event)
	}
}

// first says whether nobody told of a field yet, and notes that somebody does now.
func (t *driftTeller) first(form, key string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if slices.Contains(t.told[form], key) {
		return false
	}
	t.told[form] = append(t.told[form], key)
	return true
}

// makeRoom forgets the field of a form that was told of first where there are too many. The first time that happens is worth a
// remark.
func (t *driftTeller) makeRoom(ctx context.Context, form string) (remark string) {
	t.mu.Lock()
	told := t.told[form]
	if len(told) <= maxDrifts {
		t.mu.Unlock()
		return ""
	}
	if !t.full[form] {
		t.full[form] = true
		remark = fmt.Sprintf("; the form has more than %d such fields, as if somebody made names up: from now on each new one replaces the oldest", maxDrifts)
	}
	t.told[form] = told[1:]
	t.mu.Unlock()
	t.drop(ctx, told[0])
	return remark
}

func (t *driftTeller) drop(ctx context.Context, key string) {
	if err := t.state.Delete(ctx, key); err != nil {
		t.log.Warn("a renamed field could not be forgotten", "field", key, "error", err)
	}
}

func (t *driftTeller) again(form, key string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.told[form] = slices.DeleteFunc(t.told[form], func(other string) bool { return other == key })
}

// forget drops the fields that forms know now, and those of forms that are gone.
func (t *driftTeller) forget(ctx context.Context, forms map[string]*form) {
	known, err := t.known(ctx)
	if err != nil {
		t.log.Warn("renamed fields could not be read", "error", err)
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	clear(t.told)
	clear(t.full)
	for _, event := range known {
		name, field := event.GetForm().GetForm(), event.GetForm().GetField()
		key := driftKey(name, field)
		if form := forms[name]; form != nil && !form.Knows(field) {
			t.told[name] = append(t.told[name], key)
			continue
		}
		t.drop(ctx, key)
	}
}

// known are the events that the store has, the oldest first.
func (t *driftTeller) known(ctx context.Context) ([]*leadgatev1.Event, error) {
	keys, err := t.state.Keys(ctx)
	if err != nil {
		return nil, err
	}
	var events []*leadgatev1.Event
	for _, key := range keys {
		value, _, err := t.state.Get(ctx, key)
		if errors.Is(err, store.ErrNotFound) { // it made room meanwhile
			continue
		}
		event := &leadgatev1.Event{}
		if err == nil {
			err = proto.Unmarshal(value, event)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
		events = append(events, event)
	}
	slices.SortStableFunc(events, func(a, b *leadgatev1.Event) int { return a.GetTime().AsTime().Compare(b.GetTime().AsTime()) })
	return events, nil
}

// driftKey is at most as long as a key of the store may be. Names that differ only behind that are told of once.
func driftKey(form, field string) string {
	key := form + "/" + field
	return key[:min(len(key), 255)]
}
