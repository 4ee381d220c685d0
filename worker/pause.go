package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/store"
)

// pausedNamespace holds a leadgate.v1.DestinationEvent for each destination that a person paused, by name. It keeps the reason.
const pausedNamespace = "paused"

// Paused returns the names of the destinations that a person paused, sorted, configured or not.
func Paused(ctx context.Context, s store.Store) ([]string, error) {
	names, err := s.State(pausedNamespace).Keys(ctx)
	if err != nil {
		return nil, fmt.Errorf("read paused destinations: %w", err)
	}
	return names, nil
}

// pauseReason returns why a person paused a destination; empty if nobody said, or if it is no longer paused.
func pauseReason(ctx context.Context, s store.Store, name string) (string, error) {
	value, _, err := s.State(pausedNamespace).Get(ctx, name)
	if errors.Is(err, store.ErrNotFound) {
		return "", nil
	}
	var event leadgatev1.DestinationEvent
	if err == nil {
		err = proto.Unmarshal(value, &event)
	}
	if err != nil {
		return "", fmt.Errorf("read why %s is paused: %w", name, err)
	}
	return event.GetDetail(), nil
}

// pause stops calls to a destination, across restarts. Calls in progress finish.
func (w *Worker) pause(ctx context.Context, name, reason string) (*lane, error) {
	w.changing.Lock()
	defer w.changing.Unlock()
	l, err := w.lane(name)
	if err != nil {
		return nil, err
	}
	value, err := proto.Marshal(&leadgatev1.DestinationEvent{
		Destination: name, Type: leadgatev1.DestinationEventType_DESTINATION_EVENT_TYPE_PAUSED, Detail: reason,
	})
	if err != nil {
		return nil, fmt.Errorf("pause %s: %w", name, err)
	}
	if err := w.store.State(pausedNamespace).Put(ctx, name, value, time.Time{}); err != nil {
		return nil, fmt.Errorf("pause %s: %w", name, err)
	}
	if l.gate.Pause() {
		l.tell(leadgatev1.DestinationEventType_DESTINATION_EVENT_TYPE_PAUSED, reason, 0)
	}
	return l, nil
}

// resume ends a pause, whether a person made it, the CRM asked for it, or a spent budget caused it.
func (w *Worker) resume(ctx context.Context, name string) (*lane, error) {
	w.changing.Lock()
	defer w.changing.Unlock()
	l, err := w.lane(name)
	if err != nil {
		return nil, err
	}
	if err := w.store.State(pausedNamespace).Delete(ctx, name); err != nil {
		return nil, fmt.Errorf("resume %s: %w", name, err)
	}
	l.tryAgain()
	goesOn := l.goOn()
	if l.gate.Resume() || goesOn {
		l.tell(leadgatev1.DestinationEventType_DESTINATION_EVENT_TYPE_RESUMED, "a person resumed it", 0)
	}
	return l, nil
}
