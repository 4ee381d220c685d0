package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	storev1 "github.com/leadgate/leadgate/gen/go/leadgate/store/v1"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/store"
)

// knownNamespace holds a store.v1.KnownDestination for each destination that ever was introduced, by name.
const knownNamespace = "destination"

// introduce finds out what has to be known of a destination before the first delivery goes to it: whose records it writes, so
// that no lead goes to somebody else's, and which properties they have. It does so again when configuration or secrets change.
func (l *lane) introduce(ctx context.Context, changed <-chan struct{}) {
	if l.active.Load() > 0 { // what fails there waits again, and has to be seen
		l.wait(ctx, time.Time{}, changed, nil)
		return
	}
	conn := l.conn.Load()
	account, ok := l.learnAccount(ctx, conn)
	if !ok {
		return
	}
	if err := l.identify(ctx, conn, account); err != nil {
		if ctx.Err() == nil {
			l.worker.log.Error("comparing a destination with what it was failed", "destination", l.name, "error", err)
			l.wait(ctx, l.worker.now().Add(storeRest), changed, nil)
		}
		return
	}
	l.introduced.Store(true)
	if conn != l.conn.Load() {
		l.introduced.Store(false)
	}
}

// learnAccount returns whose records the destination writes; empty if there is no telling. False says that it could not be
// asked.
func (l *lane) learnAccount(ctx context.Context, conn *connection) (account string, ok bool) {
	if account = conn.traits.Account; account != "" {
		l.account.Store(&account)
		return account, true
	}
	switch outcome := l.ping(ctx); outcome.Kind {
	case crm.Delivered, crm.Refused:
		return outcome.Account, true
	case crm.CredentialsRefused:
		l.refuse(outcome)
	case crm.RateLimited:
		l.holdOff(outcome)
	default:
		if ctx.Err() != nil {
			break
		}
		l.health.failed(outcome.Reason, l.worker.now())
		l.turn.Lock()
		defer l.turn.Unlock()
		l.breaker.Open()
		l.broke(outcome.Reason)
	}
	return "", false
}

// identify compares a destination with what it was. Where its kind or account is another, what waits for it is held: a person
// says where it belongs.
func (l *lane) identify(ctx context.Context, conn *connection, account string) error {
	state := l.worker.store.State(knownNamespace)
	known := &storev1.KnownDestination{}
	value, _, err := state.Get(ctx, l.name)
	switch {
	case errors.Is(err, store.ErrNotFound):
	case err != nil:
		return fmt.Errorf("read what it was: %w", err)
	default:
		if err := proto.Unmarshal(value, known); err != nil {
			return fmt.Errorf("read what it was: %w", err)
		}
	}
	is := &storev1.KnownDestination{Kind: conn.traits.Kind, Account: account}
	if account == "" && known.GetKind() == is.GetKind() {
		is.Account = known.GetAccount() // it does not say, so nothing says that it is another
	}
	if proto.Equal(known, is) {
		return nil
	}
	if reason := differs(known, is); reason != "" {
		held, err := l.worker.holdWaiting(ctx, l.name, reason, *l.since.Load())
		if err != nil {
			return err
		}
		l.tell(leadgatev1.DestinationEventType_DESTINATION_EVENT_TYPE_HELD,
			fmt.Sprintf("%s; %d deliveries that waited are held: retry them to send them there all the same, or move them", reason, held), 0)
	}
	if value, err = proto.Marshal(is); err != nil {
		return fmt.Errorf("keep what it is: %w", err)
	}
	if err := state.Put(ctx, l.name, value, time.Time{}); err != nil {
		return fmt.Errorf("keep what it is: %w", err)
	}
	return nil
}

// differs says in words why deliveries for a destination as it was are not for what it is; empty if they are.
func differs(was, is *storev1.KnownDestination) string {
	switch {
	case was.GetKind() == "":
		return ""
	case was.GetKind() != is.GetKind():
		return fmt.Sprintf("the destination was of kind %s when the lead was accepted, and is of kind %s now", was.GetKind(), is.GetKind())
	case was.GetAccount() != "" && was.GetAccount() != is.GetAccount():
		return fmt.Sprintf("the destination wrote to account %s when the lead was accepted, and writes to account %s now", was.GetAccount(), is.GetAccount())
	}
	return ""
}
