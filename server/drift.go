package server

import (
	"context"
	"errors"
	"log/slog"
	"strings"
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
// entry goes when the configuration maps the field, so that it can be told again if that is undone.
const driftState = "drift"

// How many fields of one form are told of. Nobody renames more; a flood of made-up names stops here.
const maxDrifts = 100

// driftTeller tells of each field that a page renamed once, across restarts. It is safe for concurrent use.
type driftTeller struct {
	state   store.State
	journal *journal.Journal
	log     *slog.Logger

	mu   sync.Mutex
	told map[string]bool // by key
	many map[string]int  // by form
}

func newDriftTeller(s store.Store, j *journal.Journal, log *slog.Logger) *driftTeller {
	return &driftTeller{state: s.State(driftState), journal: j, log: log, told: map[string]bool{}, many: map[string]int{}}
}

// tell publishes the drifts of an accepted submission, which arrived at a time, that were not told yet. A failure is logged: the lead is safe, and the
// next submission tries again.
func (t *driftTeller) tell(ctx context.Context, form string, drifts []intake.Drift, leadID string, at time.Time) {
	for _, d := range drifts {
		key := driftKey(form, d.Field)
		if !t.first(form, key) {
			continue
		}
		event := &leadgatev1.Event{Time: timestamppb.New(at), Kind: &leadgatev1.Event_Form{Form: &leadgatev1.FormEvent{
			Type: leadgatev1.FormEventType_FORM_EVENT_TYPE_DRIFT, Form: form, Field: d.Field, LeadField: d.LeadField,
			MissingField: d.Missing, Suggestion: d.Line, Detail: d.String(), LeadId: leadID,
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
	if t.told[key] || t.many[form] >= maxDrifts {
		return false
	}
	t.told[key] = true
	t.many[form]++
	return true
}

func (t *driftTeller) again(form, key string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.told, key)
	t.many[form]--
}

// forget drops the fields that forms map now, and those of forms that are gone.
func (t *driftTeller) forget(ctx context.Context, forms map[string]*form) {
	keys, err := t.state.Keys(ctx)
	if err != nil {
		t.log.Warn("renamed fields could not be read", "error", err)
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	clear(t.told)
	clear(t.many)
	for _, key := range keys {
		name, field, _ := strings.Cut(key, "/")
		if form := forms[name]; form != nil && !form.Maps(field) {
			t.told[key] = true
			t.many[name]++
			continue
		}
		if err := t.state.Delete(ctx, key); err != nil {
			t.log.Warn("a renamed field could not be forgotten", "form", name, "field", field, "error", err)
		}
	}
}

// driftKey is at most as long as a key of the store may be. Names that differ only behind that are told of once.
func driftKey(form, field string) string {
	key := form + "/" + field
	return key[:min(len(key), 255)]
}
