package worker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	storev1 "github.com/leadgate/leadgate/gen/go/leadgate/store/v1"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/spelling"
	"github.com/leadgate/leadgate/worker/store"
)

// knownNamespace holds a store.v1.KnownDestination for each destination that was ever introduced, by name.
const knownNamespace = "destination"

// introduce finds out which account a session writes to, so that no waiting lead goes to an account it was not meant for. Usually
// the CRM must answer before anything is delivered. It is asked, but need not answer, where nothing can go wrong: if the settings
// and secrets are those that led to the known account before, or if the destination is new, so that nothing waits for another.
func (l *lane) introduce(ctx context.Context, conn *connection, changed <-chan struct{}) {
	if l.active.Load() > 0 { // calls that fail go back to waiting, and must be seen
		l.wait(ctx, time.Time{}, changed, nil)
		return
	}
	known, err := l.known(ctx)
	if err != nil {
		l.failIntroduction(ctx, err, changed)
		return
	}
	account := conn.traits.Account
	if account == "" {
		alike := known.GetKind() == conn.traits.Kind && bytes.Equal(known.GetFingerprint(), l.fingerprint(conn))
		var ok bool
		if account, ok = l.askAccount(ctx, conn, !alike && known.GetKind() != ""); !ok {
			return
		}
	}
	if err := l.identify(ctx, conn, known, account); err != nil {
		l.failIntroduction(ctx, err, changed)
		return
	}
	conn.introduced.Store(true)
}

func (l *lane) failIntroduction(ctx context.Context, err error, changed <-chan struct{}) {
	if ctx.Err() == nil {
		l.storeFailed("comparing a destination with what it was failed", err)
		l.wait(ctx, l.worker.now().Add(storeRest), changed, nil)
	}
}

// askAccount asks the CRM which account the destination writes to; empty if it does not say. If ok is false, nothing may be
// delivered for now. Unless the account must be known, an unreachable CRM or refused credentials do not stop deliveries, which will
// run into them anyway.
func (l *lane) askAccount(ctx context.Context, conn *connection, must bool) (account string, ok bool) {
	asking, cancel := ctx, context.CancelFunc(func() {})
	if !must {
		asking, cancel = context.WithTimeout(ctx, firstPing)
	}
	defer cancel()
	switch outcome := l.ping(asking, conn); {
	case outcome.Kind == crm.Delivered, outcome.Kind == crm.Refused:
		return outcome.Account, true
	case outcome.Kind == crm.CredentialsRefused && must:
		l.refuse(outcome)
	case outcome.Kind == crm.CredentialsRefused:
		l.refusedPing(outcome)
		return "", true
	case outcome.Kind == crm.RateLimited:
		l.holdOff(outcome)
	case ctx.Err() != nil:
	case !must:
		return "", true
	default:
		l.health.failed(outcome.Reason, l.worker.now())
		l.turn.Lock()
		defer l.turn.Unlock()
		l.breaker.Open()
		l.broke(outcome.Reason)
	}
	return "", false
}

// How long to wait for an answer that is not required.
const firstPing = 5 * time.Second

// learnAccount asks a destination that works for the account that it has not named so far.
func (l *lane) learnAccount(ctx context.Context, conn *connection) {
	l.learnAt = l.worker.now().Add(learnInterval)
	outcome := l.ping(ctx, conn)
	if outcome.Kind != crm.Delivered || outcome.Account == "" {
		return
	}
	known, err := l.known(ctx)
	if err == nil {
		err = l.identify(ctx, conn, known, outcome.Account)
	}
	if err != nil && ctx.Err() == nil {
		l.worker.log.Error("keeping a destination's account failed", "destination", l.name, "error", err)
	}
}

// The time between two attempts to learn a destination's account.
const learnInterval = 10 * time.Minute

// nameless reports whether it is time to ask a destination that works for its account.
func (l *lane) nameless(conn *connection) bool {
	return conn.account.Load() == nil && conn.delivered.Load() && !l.learnAt.After(l.worker.now())
}

// known returns what is stored about the destination; empty if it is new.
func (l *lane) known(ctx context.Context) (*storev1.KnownDestination, error) {
	known := &storev1.KnownDestination{}
	value, _, err := l.worker.store.State(knownNamespace).Get(ctx, l.name)
	if errors.Is(err, store.ErrNotFound) {
		return known, nil
	}
	if err == nil {
		err = proto.Unmarshal(value, known)
	}
	if err != nil {
		return nil, fmt.Errorf("read what it was: %w", err)
	}
	return known, nil
}

// fingerprint returns a hash of a connection's settings with the current content of its secrets. It reveals neither.
func (l *lane) fingerprint(conn *connection) []byte {
	settings := &configv1.Destination{Kind: conn.cfg.GetKind()}
	encoded, err := proto.MarshalOptions{Deterministic: true}.Marshal(settings)
	if err != nil { // impossible: they were read from a file
		return nil
	}
	for _, reference := range references(settings.ProtoReflect(), nil) {
		content, err := conn.secrets.get(reference)
		encoded = fmt.Appendf(encoded, "\x00%s\x00%s\x00%t", reference, content, err == nil)
	}
	return store.NewHasher(l.worker.store.HashKey()).Hash("destination\x00" + string(encoded))
}

// references returns found with the texts of a message that refer to secrets, sorted.
func references(m protoreflect.Message, found []string) []string {
	add := func(v protoreflect.Value) {
		if s := v.String(); strings.Contains(s, "${") {
			found = append(found, s)
		}
	}
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.IsMap():
			v.Map().Range(func(_ protoreflect.MapKey, value protoreflect.Value) bool {
				if f.MapValue().Kind() == protoreflect.StringKind {
					add(value)
				}
				return true
			})
		case f.IsList():
			for i := range v.List().Len() {
				switch f.Kind() {
				case protoreflect.StringKind:
					add(v.List().Get(i))
				case protoreflect.MessageKind:
					found = references(v.List().Get(i).Message(), found)
				}
			}
		case f.Kind() == protoreflect.StringKind:
			add(v)
		case f.Kind() == protoreflect.MessageKind:
			found = references(v.Message(), found)
		}
		return true
	})
	slices.Sort(found)
	return found
}

// identify compares a destination with what is stored about it. If its kind or account has changed, what waits for it is held for a
// person to decide.
func (l *lane) identify(ctx context.Context, conn *connection, known *storev1.KnownDestination, account string) error {
	is := &storev1.KnownDestination{Kind: conn.traits.Kind, Account: account}
	if account == "" && known.GetKind() == is.GetKind() {
		is.Account = known.GetAccount() // it does not say, so nothing shows that it is another
	}
	if is.GetAccount() != "" {
		is.Fingerprint = l.fingerprint(conn)
		conn.account.Store(&is.Account)
	}
	if proto.Equal(known, is) {
		return nil
	}
	if reason := differs(known, is); reason != "" {
		held, err := l.worker.holdWaiting(ctx, l.name, reason, conn.since, func() bool { return true })
		if err != nil {
			return err
		}
		l.tell(leadgatev1.DestinationEventType_DESTINATION_EVENT_TYPE_HELD,
			fmt.Sprintf("%s; %s held: retry to send there all the same, or move to another destination", reason, spelling.Count(held, "waiting delivery is", "waiting deliveries are")), 0)
	}
	value, err := proto.Marshal(is)
	if err != nil {
		return fmt.Errorf("keep what it is: %w", err)
	}
	if err := l.worker.store.State(knownNamespace).Put(ctx, l.name, value, time.Time{}); err != nil {
		return fmt.Errorf("keep what it is: %w", err)
	}
	return nil
}

// differs explains why deliveries for a destination as it was are not for what it is now; empty if they are.
func differs(was, is *storev1.KnownDestination) string {
	switch {
	case was.GetKind() == "":
		return ""
	case was.GetKind() != is.GetKind():
		return fmt.Sprintf("the destination was of kind %s when the lead was accepted, and is now of kind %s", was.GetKind(), is.GetKind())
	case was.GetAccount() != "" && was.GetAccount() != is.GetAccount():
		return fmt.Sprintf("the destination wrote to account %s when the lead was accepted, and now writes to account %s", was.GetAccount(), is.GetAccount())
	}
	return ""
}
