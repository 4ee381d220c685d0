package alert

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	storev1 "github.com/leadgate/leadgate/gen/go/leadgate/store/v1"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/store"
)

// Namespaces of the store's state:
//
//	alerts               alert id     leadgate.v1.Alert; a resolved one expires after a week
//	alerts-destinations  destination  leadgate.store.v1.DestinationMemory
//	alerts-forms         form         leadgate.store.v1.FormMemory
const (
	alertsNamespace       = "alerts"
	destinationsNamespace = "alerts-destinations"
	formsNamespace        = "alerts-forms"
)

const (
	// How long resolved alerts are kept.
	keepResolved = 7 * 24 * time.Hour
	// How often the memory of forms and destinations is stored, besides at the end.
	rememberEvery = time.Minute
)

// load reads the alerts of the previous process.
func (e *Engine) load(ctx context.Context) error {
	state := e.options.Store.State(alertsNamespace)
	ids, err := state.Keys(ctx)
	if err != nil {
		return err
	}
	for _, id := range ids {
		a := &leadgatev1.Alert{}
		if found, err := read(ctx, state, id, a); err != nil {
			return err
		} else if found {
			e.alerts[id] = a
		}
	}
	return nil
}

// saveAlerts stores the alerts that changed. If one cannot be stored, it is retried at the next call.
func (e *Engine) saveAlerts(ctx context.Context) {
	e.saving.Lock()
	defer e.saving.Unlock()
	e.mu.Lock()
	var changed []*leadgatev1.Alert
	for id := range e.unsaved {
		changed = append(changed, e.alerts[id])
	}
	clear(e.unsaved)
	for id, a := range e.alerts {
		if t := a.GetResolveTime(); t != nil && e.now().Sub(t.AsTime()) > keepResolved {
			delete(e.alerts, id) // it expires from the store by itself
		}
	}
	e.mu.Unlock()
	for _, a := range changed {
		var expires time.Time
		if t := a.GetResolveTime(); t != nil {
			expires = t.AsTime().Add(keepResolved)
		}
		if err := write(ctx, e.options.Store.State(alertsNamespace), a.GetAlertId(), a, expires); err != nil {
			e.mu.Lock()
			e.unsaved[a.GetAlertId()] = true
			e.mu.Unlock()
			if ctx.Err() == nil {
				e.log.Warn("an alert could not be stored; a restart would tell it again", "alert", a.GetAlertId(), "error", err)
			}
		}
	}
}

func (e *Engine) recallDestination(ctx context.Context, name string, d *destination) error {
	memory := &storev1.DestinationMemory{}
	found, err := read(ctx, e.options.Store.State(destinationsNamespace), name, memory)
	if err != nil || !found {
		return err
	}
	d.lastSuccess, d.changed = time.Unix(0, memory.GetLastSuccess()), false
	if at := memory.GetFirstQueued(); at != 0 {
		d.firstQueued, d.firstLead = time.Unix(0, at), memory.GetFirstLead()
	}
	return nil
}

func (e *Engine) recallRhythm(ctx context.Context, form string, now time.Time) (*rhythm, error) {
	stored := &storev1.FormMemory{}
	found, err := read(ctx, e.options.Store.State(formsNamespace), form, stored)
	if err != nil {
		return nil, err
	}
	r := newRhythm(now)
	if found {
		r = restored(stored, now)
	}
	return r, nil
}

// recount counts past events. Rhythms are left out, because they include them already.
func (c *counters) recount(events []*leadgatev1.Event, now time.Time) {
	kept, scratch := map[string]*rhythm{}, newRhythm(now)
	for name, f := range c.forms {
		kept[name], f.rhythm = f.rhythm, scratch
	}
	for _, event := range events {
		c.count(event)
	}
	for name, f := range c.forms {
		f.rhythm = kept[name]
	}
}

// saveMemory stores what the engine must know of forms and destinations after a restart.
func (e *Engine) saveMemory(ctx context.Context) {
	type entry struct {
		namespace, key string
		value          proto.Message
	}
	var entries []entry
	e.mu.Lock()
	for name, d := range e.counters.destinations {
		if !d.changed {
			continue
		}
		d.changed = false
		memory := &storev1.DestinationMemory{LastSuccess: d.lastSuccess.UnixNano()}
		if !d.firstQueued.IsZero() {
			memory.FirstQueued, memory.FirstLead = d.firstQueued.UnixNano(), d.firstLead
		}
		entries = append(entries, entry{destinationsNamespace, name, memory})
	}
	for name, f := range e.counters.forms {
		if r := f.rhythm; r.changed {
			r.changed = false
			entries = append(entries, entry{formsNamespace, name, proto.CloneOf(&r.FormMemory)})
		}
	}
	e.mu.Unlock()
	for _, entry := range entries {
		if err := write(ctx, e.options.Store.State(entry.namespace), entry.key, entry.value, time.Time{}); err != nil {
			e.log.Warn("what alerts know could not be stored; after a restart they know less", "error", err)
			return
		}
	}
}

// read reads a value; it returns false if there is none.
func read(ctx context.Context, state store.State, key string, into proto.Message) (bool, error) {
	value, _, err := state.Get(ctx, key)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return false, nil
	case err != nil:
		return false, err
	}
	if err := proto.Unmarshal(value, into); err != nil {
		return false, fmt.Errorf("%s: %w", key, err)
	}
	return true, nil
}

func write(ctx context.Context, state store.State, key string, value proto.Message, expires time.Time) error {
	data, err := proto.Marshal(value)
	if err != nil {
		return err
	}
	return state.Put(ctx, key, data, expires)
}
