// Package notify sends alerts to people: by a Slack-compatible webhook, a signed webhook, PagerDuty or e-mail.
//
// A [Notifier] makes one attempt and returns its result. Retries are up to the caller.
package notify

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/crm"
)

// Message is one notification.
type Message struct {
	// ID is the same for every attempt, so that the receiver can detect duplicates.
	ID string
	// Type says what happened to the alert.
	Type leadgatev1.NotificationType
	// Alert is the alert it is about. It must not be changed.
	Alert *leadgatev1.Alert
	// Time is the time of this attempt.
	Time time.Time
	// Gateway is the gateway's URL, for people.
	Gateway string
}

// occurred returns when what the notification is about happened. An attempt may be made much later.
func (m *Message) occurred() time.Time {
	var at *timestamppb.Timestamp
	switch m.Type {
	case leadgatev1.NotificationType_NOTIFICATION_TYPE_FIRING:
		at = m.Alert.GetFireTime()
	case leadgatev1.NotificationType_NOTIFICATION_TYPE_ACKNOWLEDGED:
		at = m.Alert.GetAcknowledgeTime()
	case leadgatev1.NotificationType_NOTIFICATION_TYPE_RESOLVED:
		at = m.Alert.GetResolveTime()
	}
	if at == nil {
		return m.Time
	}
	return at.AsTime()
}

// Notifier sends notifications. It is safe for concurrent use.
type Notifier interface {
	// Notify makes one attempt, bounded by ctx. Errors quote the answer but never a secret; see [After].
	Notify(ctx context.Context, m *Message) error
	// Kind returns the kind of notifier, such as "slack".
	Kind() string
	// KeepsIncidents reports whether alerts become incidents that can be acknowledged; acknowledgements are then sent to it.
	KeepsIncidents() bool
}

// Environment is what notifiers depend on.
type Environment struct {
	// Secret resolves references such as ${env:NAME}. It is called at every attempt, so that a new secret takes effect at once.
	Secret func(value string) (string, error)
	// Client makes requests; http.DefaultClient if nil. Redirects are not followed, whatever it says.
	Client *http.Client
	// Now returns the current time; time.Now if nil.
	Now func() time.Time
}

// An idle connection is pinged after this long, and dropped if the answer takes as long, which leaves time to reconnect within an
// attempt's ten seconds. HTTP/2 has one connection per host: without the ping, a dead one would fail every attempt.
const pingConnection = 3 * time.Second

// NewTransport returns a transport for notifiers' requests.
func NewTransport() *http.Transport {
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, IdleConnTimeout: 90 * time.Second, TLSHandshakeTimeout: sendTimeout,
		HTTP2: &http.HTTP2Config{SendPingTimeout: pingConnection, PingTimeout: pingConnection},
	}
}

// Open returns the configured notifier.
func Open(cfg *configv1.Notifier, env Environment) (Notifier, error) {
	client := *cmp.Or(env.Client, http.DefaultClient)
	// A redirected POST becomes a GET, which most servers answer with success although nobody is notified.
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	env.Client = &client
	if env.Now == nil {
		env.Now = time.Now
	}
	switch kind := cfg.GetKind().(type) {
	case *configv1.Notifier_Slack:
		return &slack{kind.Slack, env}, nil
	case *configv1.Notifier_Webhook:
		return &webhook{kind.Webhook, env}, nil
	case *configv1.Notifier_Pagerduty:
		return &pagerDuty{kind.Pagerduty, env}, nil
	case *configv1.Notifier_Email:
		return &email{kind.Email, env}, nil
	}
	return nil, errors.New("the notifier has no kind: name slack, webhook, pagerduty or email")
}

const (
	// How many bytes of an answer are quoted in an error.
	maxQuote = 200
	// How long one step of an SMTP session or a TLS handshake may take. The context bounds the whole attempt.
	sendTimeout = 10 * time.Second
)

// post sends JSON and accepts any 2xx. The address may be a secret, so errors do not contain it.
func (e Environment) post(ctx context.Context, address string, body []byte, headers map[string]string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return errors.New("the address is not one that can be posted to")
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "leadgate")
	for name, value := range headers {
		request.Header.Set(name, value)
	}
	response, err := e.Client.Do(request)
	if err != nil {
		return withoutAddress(err)
	}
	defer response.Body.Close()
	answer, _ := io.ReadAll(io.LimitReader(response.Body, maxQuote)) // as much as can be read
	switch status := response.StatusCode; {
	case status < 300:
		return nil
	case status < 400:
		return fmt.Errorf("it answered %s, which is not followed: configure the address that it leads to", response.Status)
	}
	problem := fmt.Errorf("it answered %s: %s", response.Status, strings.ToValidUTF8(strings.Join(strings.Fields(string(answer)), " "), ""))
	return &later{problem, crm.RetryAfter(response.Header, e.Now())}
}

// withoutAddress strips the address from net/http's errors.
func withoutAddress(err error) error {
	with, ok := errors.AsType[*url.Error](err)
	switch {
	case !ok:
		return err
	case with.Timeout():
		return errors.New("it did not answer in time")
	}
	return with.Err
}

// later is an error with the least time to wait before the next attempt.
type later struct {
	error
	after time.Duration
}

func (l *later) Unwrap() error { return l.error }

// After returns how long the receiver asked to wait before the next attempt, at most a day; 0 if it did not ask.
func After(err error) time.Duration {
	if l, ok := errors.AsType[*later](err); ok {
		return l.after
	}
	return 0
}
