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

// driftState is the store's namespace for fields that a page renamed: the event that reported each, by form and field. An entry is
// removed when the configuration knows the field, so that it is reported again if that is undone.
const driftState = "drift"

// The most fields of one form to remember. No real page renames more. If somebody makes names up, the newest replace the oldest, so that
// a page that is renamed afterwards is still reported.
const maxDrifts = 100

// driftTeller reports each field that a page renamed, once, even across restarts. It is safe for concurrent use.
type driftTeller struct {
	state   store.State
	journal *journal.Journal
	log     *slog.Logger

	mu   sync.Mutex
	told map[string][]string // keys by form, oldest first
	full map[string]bool     // forms for which it was reported that they have too many
}

func newDriftTeller(s store.Store, j *journal.Journal, log *slog.Logger) *driftTeller {
	return &driftTeller{state: s.State(driftState), journal: j, log: log, told: map[string][]string{}, full: map[string]bool{}}
}

// tell publishes the drifts of an accepted submission that were not reported yet; at is when it arrived. Failures are only logged: the
// lead is safe, and the next submission tries again.
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
		case errors.Is(err, store.ErrConflict): // reported before the last start
			continue
		case err != nil:
			t.again(form, key)
			t.log.Warn("a renamed field could not be noted", "form", form, "field", d.Field, "error", err)
			continue
		}
		t.journal.Publish(event)
	}
}

// first reports whether a field was not reported yet, and marks it as reported.
func (t *driftTeller) first(form, key string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if slices.Contains(t.told[form], key) {
		return false
	}
	t.told[form] = append(t.told[form], key)
	return true
}

// makeRoom forgets the field of a form that was reported first, if there are too many. The first time, it returns a remark.
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

// forget removes the fields that forms now know, and those of forms that no longer exist.
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

// known returns the events in the store, oldest first.
func (t *driftTeller) known(ctx context.Context) ([]*leadgatev1.Event, error) {
	keys, err := t.state.Keys(ctx)
	if err != nil {
		return nil, err
	}
	var events []*leadgatev1.Event
	for _, key := range keys {
		value, _, err := t.state.Get(ctx, key)
		if errors.Is(err, store.ErrNotFound) { // makeRoom removed it meanwhile
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

// driftKey returns the key of a field, cut to the longest that the store takes. Fields whose keys become the same are reported once.
func driftKey(form, field string) string {
	key := form + "/" + field
	return key[:min(len(key), 255)]
}
