package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	storev1 "github.com/leadgate/leadgate/gen/go/leadgate/store/v1"
	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/mapping"
	"github.com/leadgate/leadgate/worker/store"
)

const (
	// How often a CRM's properties are read. After a lead ran into one that does not fit, they are read at once, but not within
	// schemaRest of the last time.
	schemaInterval = time.Hour
	schemaRest     = time.Minute
	// How long to wait after they could not be read; deliveries are sent unchecked meanwhile. The time doubles up to schemaRetry:
	// 5 s, 10 s, 20 s, 40 s, 80 s, 160 s, then every 5 min.
	firstSchemaRetry = 5 * time.Second
	schemaRetry      = 5 * time.Minute
	// How long the first delivery waits for the properties, so that values can be matched with their options.
	firstSchema = 5 * time.Second
)

// readsSchema reads the CRM's properties if it is time to, and reports whether it did. The first time, deliveries wait for it;
// later it runs in the background.
func (l *lane) readsSchema(ctx context.Context, conn *connection) bool {
	now := l.worker.now()
	if l.schemaDue(conn).After(now) || !conn.reading.TryLock() {
		return false
	}
	first := conn.schemaRead.IsZero()
	conn.schemaRead, conn.schemaAt = now, now.Add(schemaInterval)
	l.misfit.Store(false)
	l.remapped.Store(false)
	read := func(ctx context.Context) {
		defer conn.reading.Unlock()
		if err := l.readSchema(ctx, conn); err != nil && ctx.Err() == nil {
			l.worker.log.Error("comparing a CRM's properties with the mapping failed", "destination", l.name, "error", err)
		}
	}
	if !first {
		l.worker.calls.Go(func() {
			read(ctx)
			l.signal() // after a failure the next read is due sooner
		})
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, firstSchema)
	defer cancel()
	read(ctx)
	return true
}

// schemaDue returns when to read the properties next.
func (l *lane) schemaDue(conn *connection) time.Time {
	unread := conn.unread.Load()
	switch {
	case l.remapped.Load():
		return time.Time{}
	case unread > 0:
		return conn.schemaRead.Add(min(firstSchemaRetry<<(min(unread, 10)-1), schemaRetry))
	case l.misfit.Load():
		return earlier(conn.schemaAt, conn.schemaRead.Add(schemaRest))
	}
	return conn.schemaAt
}

// untilSchema returns when a lane with nothing to deliver should look again: at next, unless it is zero, or earlier if the
// properties are due. If they are being read, a signal will say when that ends.
func (l *lane) untilSchema(conn *connection, next time.Time) time.Time {
	if !conn.reading.TryLock() {
		return next
	}
	defer conn.reading.Unlock()
	if due := l.schemaDue(conn); next.IsZero() || due.Before(next) {
		return due
	}
	return next
}

// readSchema reads the CRM's properties and compares them with the mapping.
func (l *lane) readSchema(ctx context.Context, conn *connection) error {
	schema, outcome := l.askSchema(ctx, conn)
	if outcome.Kind == crm.Delivered {
		conn.unread.Store(0)
	} else {
		conn.unread.Add(1)
	}
	if outcome.Kind == crm.RateLimited {
		l.holdOff(outcome)
	}
	if schema == nil { // the CRM has none, or cannot be asked now; what does not fit shows when a lead runs into it
		return nil
	}
	conn.schema.Store(schema)
	if conn.session != l.conn.Load().session {
		return nil
	}
	seen, err := l.seen(ctx)
	if err != nil {
		return err
	}
	before := proto.CloneOf(seen)
	drifts := driftsOf(schema, conn.properties, conn.named, seen)
	if !proto.Equal(before, seen) {
		value, err := proto.Marshal(seen)
		if err != nil {
			return fmt.Errorf("keep the properties: %w", err)
		}
		if err := l.worker.store.State(seenNamespace).Put(ctx, l.name, value, time.Time{}); err != nil {
			return fmt.Errorf("keep the properties: %w", err)
		}
	}
	return l.noteDrifts(ctx, drifts)
}

func (l *lane) askSchema(ctx context.Context, conn *connection) (schema *crm.Schema, outcome crm.Outcome) {
	defer func() {
		if fault := recover(); fault != nil {
			schema, outcome = nil, crm.Outcome{Reason: l.worker.logPanic(l.name, fault)}
		}
	}()
	return conn.destination.Schema(ctx)
}

// seen returns the CRM's properties as they were stored.
func (l *lane) seen(ctx context.Context) (*storev1.SeenProperties, error) {
	seen := &storev1.SeenProperties{}
	value, _, err := l.worker.store.State(seenNamespace).Get(ctx, l.name)
	if err == nil {
		err = proto.Unmarshal(value, seen)
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, fmt.Errorf("read the properties as they were: %w", err)
	}
	return seen, nil
}

// matched converts the values of properties, in place, to those of the CRM's records as far as the schema is known.
func matched(properties []mapping.Property, schema *crm.Schema) []mapping.Property {
	for i := range properties {
		if p := schema.Property(properties[i].Name); p != nil {
			properties[i].Value = p.Of(properties[i].Value)
		}
	}
	return properties
}

// ran records that a lead ran into a property that does not fit, or that is required.
func (l *lane) ran() {
	l.misfit.Store(true)
	l.signal()
}
