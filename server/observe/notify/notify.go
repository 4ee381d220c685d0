// Package notify tells people of alerts: by a Slack-compatible webhook, a signed webhook, PagerDuty or e-mail.
//
// A [Notifier] makes one try and says what came of it. When to try again is its caller's business.
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

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/crm"
)

// Message is what is told.
type Message struct {
	// ID is the same for every try, so that the receiver can tell a repetition.
	ID string
	// Type says what happened to the alert.
	Type leadgatev1.NotificationType
	// Alert is what it is about. Nobody changes it.
	Alert *leadgatev1.Alert
	// Time is when it happened.
	Time time.Time
	// Gateway is the address of the gateway, for people.
	Gateway string
}

// Notifier tells people. It is safe for concurrent use.
type Notifier interface {
	// Notify makes one try, until ctx ends. Errors name what was answered, never a secret; see [After].
	Notify(ctx context.Context, m *Message) error
	// Kind is what kind of notifier it is, such as "slack".
	Kind() string
	// KeepsIncidents says whether it makes incidents of alerts, which somebody can be on: it is told when somebody is.
	KeepsIncidents() bool
}

// Environment is what notifiers work with.
type Environment struct {
	// Secret resolves references such as ${env:NAME}; it is asked at every try, so that a new secret is used at once.
	Secret func(value string) (string, error)
	// Client makes requests, and follows no redirect; http.DefaultClient if nil.
	Client *http.Client
	// Now is the time; time.Now if nil.
	Now func() time.Time
}

// A connection over which nothing came for this long is pinged, and given up if it does not answer as soon: of the ten seconds of a try
// that leaves some. HTTP/2 has one for all calls to a host, so that without it one that the network dropped takes every try with it.
const pingConnection = 3 * time.Second

// NewTransport makes the requests of notifiers.
func NewTransport() *http.Transport {
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, IdleConnTimeout: 90 * time.Second, TLSHandshakeTimeout: sendTimeout,
		HTTP2: &http.HTTP2Config{SendPingTimeout: pingConnection, PingTimeout: pingConnection},
	}
}

// Open makes a configured notifier.
func Open(cfg *configv1.Notifier, env Environment) (Notifier, error) {
	client := *cmp.Or(env.Client, http.DefaultClient)
	// Followed, a POST becomes a GET, which most servers answer although nobody is told.
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
	// How much of an answer is quoted in an error.
	maxQuote = 200
	// How long one step of a conversation with a mail server may take; the whole try ends with its context.
	sendTimeout = 10 * time.Second
)

// post sends JSON and takes any 2xx. The address may be a secret, so no error has it.
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
	answer, _ := io.ReadAll(io.LimitReader(response.Body, maxQuote)) // what can be read of it
	switch status := response.StatusCode; {
	case status < 300:
		return nil
	case status < 400:
		return fmt.Errorf("it answered %s, which is not followed: configure the address that it leads to", response.Status)
	}
	problem := fmt.Errorf("it answered %s: %s", response.Status, strings.ToValidUTF8(strings.Join(strings.Fields(string(answer)), " "), ""))
	return &later{problem, crm.RetryAfter(response.Header, e.Now())}
}

// withoutAddress takes the address out of net/http's errors.
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

// later is an error after which the next try should wait for so long.
type later struct {
	error
	after time.Duration
}

func (l *later) Unwrap() error { return l.error }

// After is how long the receiver asked to wait before the next try, a day at most; 0 if it did not ask.
func After(err error) time.Duration {
	if l, ok := errors.AsType[*later](err); ok {
		return l.after
	}
	return 0
}
