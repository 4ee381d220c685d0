package notify_test

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/types/known/timestamppb"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/server/observe/notify"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// secrets maps references to secrets.
var secrets = map[string]string{"${env:KEY}": "whsec_" + base64.StdEncoding.EncodeToString([]byte("0123456789abcdef01234567")), "${env:PASSWORD}": "opensesame"}

func environment(t *testing.T) notify.Environment {
	client := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(client.CloseIdleConnections)
	return notify.Environment{
		Client: client, Now: func() time.Time { return noon },
		Secret: func(value string) (string, error) {
			if strings.HasPrefix(value, "${env:") && secrets[value] == "" {
				return "", errors.New("environment variable GONE is not set")
			}
			if secret, ok := secrets[value]; ok {
				return secret, nil
			}
			return value, nil
		},
	}
}

func message(kind leadgatev1.NotificationType) *notify.Message {
	return &notify.Message{ID: "msg_1", Type: kind, Time: noon, Gateway: "https://leads.example.com", Alert: &leadgatev1.Alert{
		AlertId: "error_rate/crm", Rule: "error_rate", Severity: leadgatev1.AlertSeverity_ALERT_SEVERITY_CRITICAL, Destination: "crm",
		Summary: "62 % of the calls to crm fail & more", Cause: "HTTP 503: <html>down</html>", Action: "Read what the CRM answers.",
		Command: "leadgate watch --destination crm", Url: "https://leads.example.com/console/destinations", LeadId: "0193",
		LeadUrl: "https://leads.example.com/console/leads/0193", FireTime: timestamppb.New(noon.Add(-90 * time.Second)), ResolveTime: timestamppb.New(noon.Add(-10 * time.Second)),
	}}
}

// receiver is the server that a notifier posts to. It records the request and returns a canned answer.
type receiver struct {
	*httptest.Server
	status  int
	header  http.Header
	request *http.Request
	body    []byte
}

func newReceiver(t *testing.T, status int) *receiver {
	r := &receiver{status: status, header: http.Header{}}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		r.request = request
		r.body, _ = io.ReadAll(request.Body)
		for name := range r.header {
			w.Header().Set(name, r.header.Get(name))
		}
		w.WriteHeader(r.status)
		fmt.Fprint(w, "because of\n this")
	}))
	t.Cleanup(r.Close)
	return r
}

func open(t *testing.T, cfg *configv1.Notifier) notify.Notifier {
	t.Helper()
	n, err := notify.Open(cfg, environment(t))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func slackOf(url string) *configv1.Notifier {
	return &configv1.Notifier{Kind: &configv1.Notifier_Slack{Slack: &configv1.SlackNotifier{Url: url}}}
}

func TestSlackShowsLeadCauseAndButton(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, 200)
	if err := open(t, slackOf(r.URL)).Notify(t.Context(), message(leadgatev1.NotificationType_NOTIFICATION_TYPE_FIRING)); err != nil {
		t.Fatal(err)
	}
	var got struct{ Text string }
	if err := json.Unmarshal(r.body, &got); err != nil {
		t.Fatal(err)
	}
	want := "*[critical] 62 % of the calls to crm fail &amp; more*\n" +
		"Since: 2026-11-24 11:58:30 UTC, for 1m30s\n" +
		"Cause: HTTP 503: &lt;html&gt;down&lt;/html&gt;\n" +
		"Lead: <https://leads.example.com/console/leads/0193|0193>\n" +
		"Do: Read what the CRM answers.\n" +
		"Command: `leadgate watch --destination crm`\n" +
		"Console: <https://leads.example.com/console/destinations|https://leads.example.com/console/destinations>"
	if got.Text != want {
		t.Errorf("text:\n%s\nwant:\n%s", got.Text, want)
	}
}

func TestAWebhookIsSignedAfterStandardWebhooks(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, 204)
	n := open(t, &configv1.Notifier{Kind: &configv1.Notifier_Webhook{Webhook: &configv1.WebhookNotifier{Url: r.URL, Secret: "${env:KEY}"}}})
	if err := n.Notify(t.Context(), message(leadgatev1.NotificationType_NOTIFICATION_TYPE_RESOLVED)); err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, []byte("0123456789abcdef01234567"))
	fmt.Fprintf(mac, "msg_1.%d.%s", noon.Unix(), r.body)
	for name, want := range map[string]string{
		"webhook-id": "msg_1", "webhook-timestamp": fmt.Sprint(noon.Unix()), "content-type": "application/json",
		"webhook-signature": "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)),
	} {
		if got := r.request.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	var got struct {
		Type      string
		Timestamp time.Time
		Data      struct{ AlertID, Summary, LeadURL string }
	}
	if err := json.Unmarshal(r.body, &got); err != nil || got.Type != "alert.resolved" || !got.Timestamp.Equal(noon.Add(-10*time.Second)) || got.Data.AlertID != "error_rate/crm" || got.Data.LeadURL == "" {
		t.Errorf("body %s (%v)", r.body, err)
	}
}

func TestPagerDutyOpensAndClosesOneIncident(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, 202)
	n := open(t, &configv1.Notifier{Kind: &configv1.Notifier_Pagerduty{Pagerduty: &configv1.PagerDutyNotifier{RoutingKey: "key", BaseUrl: r.URL}}})
	if !n.KeepsIncidents() || open(t, slackOf(r.URL)).KeepsIncidents() {
		t.Error("PagerDuty keeps incidents, and Slack does not")
	}
	for kind, want := range map[leadgatev1.NotificationType]struct{ action, severity string }{
		leadgatev1.NotificationType_NOTIFICATION_TYPE_FIRING:       {"trigger", "critical"},
		leadgatev1.NotificationType_NOTIFICATION_TYPE_REMINDER:     {"trigger", "critical"},
		leadgatev1.NotificationType_NOTIFICATION_TYPE_ACKNOWLEDGED: {"acknowledge", ""},
		leadgatev1.NotificationType_NOTIFICATION_TYPE_RESOLVED:     {"resolve", ""},
		leadgatev1.NotificationType_NOTIFICATION_TYPE_TEST:         {"trigger", "info"},
	} {
		if err := n.Notify(t.Context(), message(kind)); err != nil {
			t.Fatal(err)
		}
		var got struct {
			RoutingKey string `json:"routing_key"`
			Action     string `json:"event_action"`
			DedupKey   string `json:"dedup_key"`
			Payload    struct {
				Summary, Source, Severity string
				Details                   map[string]string `json:"custom_details"`
			}
			Links []struct{ Href string }
		}
		if err := json.Unmarshal(r.body, &got); err != nil {
			t.Fatal(err)
		}
		if r.request.URL.Path != "/v2/enqueue" || got.RoutingKey != "key" || got.DedupKey != "https://leads.example.com/error_rate/crm" || got.Action != want.action || got.Payload.Severity != want.severity {
			t.Errorf("%s: %s", kind, r.body)
		}
		if want.action == "trigger" && (got.Payload.Details["lead"] != "0193" || got.Payload.Source == "" || len(got.Links) != 2) {
			t.Errorf("%s lacks lead, source or links: %s", kind, r.body)
		}
	}
}

// line is a connection that the network can silently drop: later writes go nowhere.
type line struct {
	net.Conn
	dropped *atomic.Bool
}

func (l line) Write(b []byte) (int, error) {
	if l.dropped.Load() {
		return len(b), nil
	}
	return l.Conn.Write(b)
}

func TestAConnectionThatDiedWithoutAWordCostsOneTry(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 {
			w.WriteHeader(http.StatusHTTPVersionNotSupported)
		}
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	transport := notify.NewTransport()
	defer transport.CloseIdleConnections()
	transport.Proxy = nil
	transport.TLSClientConfig = server.Client().Transport.(*http.Transport).TLSClientConfig
	transport.HTTP2.SendPingTimeout /= 10 // the same, only faster
	transport.HTTP2.PingTimeout /= 10
	var lines []line
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
		lines = append(lines, line{conn, &atomic.Bool{}})
		return lines[len(lines)-1], err
	}
	env := environment(t)
	env.Client = &http.Client{Transport: transport}
	n, err := notify.Open(slackOf(server.URL), env)
	if err != nil {
		t.Fatal(err)
	}
	try := func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second/10)
		defer cancel()
		return n.Notify(ctx, message(leadgatev1.NotificationType_NOTIFICATION_TYPE_FIRING))
	}
	if err := try(); err != nil {
		t.Fatal(err)
	}
	lines[0].dropped.Store(true)
	if err := try(); err == nil {
		t.Error("the dead connection took it")
	}
	if err := try(); err != nil {
		t.Error(err)
	}
}

func TestARefusalSaysWhatWasAnsweredAndNoSecret(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, 429)
	r.header.Set("Retry-After", "30")
	err := open(t, slackOf(r.URL+"/services/T0/secret")).Notify(t.Context(), message(leadgatev1.NotificationType_NOTIFICATION_TYPE_FIRING))
	if err == nil || err.Error() != "it answered 429 Too Many Requests: because of this" || notify.After(err) != 30*time.Second {
		t.Errorf("error %v, after %s", err, notify.After(err))
	}
	for name, url := range map[string]string{"nobody listens": "http://127.0.0.1:1/secret", "not an address": "http://secret\x7f", "a secret that is gone": "${env:GONE}"} {
		err := open(t, slackOf(url)).Notify(t.Context(), message(leadgatev1.NotificationType_NOTIFICATION_TYPE_FIRING))
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// A redirected POST becomes a GET, which a web server answers with 200 although nobody is notified.
func TestARedirectIsNoDelivery(t *testing.T) {
	t.Parallel()
	elsewhere := newReceiver(t, 200)
	r := newReceiver(t, 301)
	r.header.Set("Location", elsewhere.URL)
	err := open(t, slackOf(r.URL)).Notify(t.Context(), message(leadgatev1.NotificationType_NOTIFICATION_TYPE_FIRING))
	if err == nil || !strings.Contains(err.Error(), "301 Moved Permanently") || elsewhere.request != nil {
		t.Errorf("error %v, followed: %t", err, elsewhere.request != nil)
	}
}

func TestNoReceiverAsksToWaitForeverOrInThePast(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, 503)
	for asked, want := range map[string]time.Duration{
		"9223372036854775807": 24 * time.Hour, "9999999999": 24 * time.Hour, "-5": 0, noon.Add(time.Minute).Format(http.TimeFormat): time.Minute,
	} {
		r.header.Set("Retry-After", asked)
		r.header.Set("Date", noon.Format(http.TimeFormat))
		err := open(t, slackOf(r.URL)).Notify(t.Context(), message(leadgatev1.NotificationType_NOTIFICATION_TYPE_FIRING))
		if got := notify.After(err); err == nil || got != want {
			t.Errorf("Retry-After: %s is %s, want %s", asked, got, want)
		}
	}
}

func TestANotifierThatHangsIsLeftInTime(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := open(t, slackOf("http://"+silent.Addr().String())).Notify(ctx, message(leadgatev1.NotificationType_NOTIFICATION_TYPE_FIRING)); err == nil || err.Error() != "it did not answer in time" {
		t.Errorf("error %v", err)
	}
}

// mailServer accepts one mail without encryption and returns it.
func mailServer(t *testing.T) (port int, mail <-chan string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	got := make(chan string, 1)
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		say := func(line string) { fmt.Fprintf(conn, "%s\r\n", line) }
		say("220 mx ready")
		var text strings.Builder
		for scanner, data := bufio.NewScanner(conn), false; scanner.Scan(); {
			line := scanner.Text()
			text.WriteString(line + "\n")
			switch {
			case data && line == ".":
				data = false
				say("250 taken")
			case data:
			case strings.HasPrefix(line, "EHLO"):
				say("250 mx")
			case line == "DATA":
				data = true
				say("354 go on")
			case line == "QUIT":
				say("221 bye")
				got <- text.String()
				return
			default:
				say("250 ok")
			}
		}
	}()
	return listener.Addr().(*net.TCPAddr).Port, got
}

func TestMailSaysEverythingInPlainText(t *testing.T) {
	t.Parallel()
	port, mail := mailServer(t)
	n := open(t, &configv1.Notifier{Kind: &configv1.Notifier_Email{Email: &configv1.EmailNotifier{
		Host: "127.0.0.1", Port: int32(port), Encryption: "none", From: "leadgate@example.com", To: []string{"ops@example.com", "cto@example.com"},
	}}})
	if err := n.Notify(t.Context(), message(leadgatev1.NotificationType_NOTIFICATION_TYPE_FIRING)); err != nil {
		t.Fatal(err)
	}
	text := <-mail
	for _, want := range []string{
		"RCPT TO:<ops@example.com>", "RCPT TO:<cto@example.com>", "Subject: [critical] 62 % of the calls to crm fail & more", "Message-ID: <msg_1@leadgate>",
		"Auto-Submitted: auto-generated", "Lead:    0193", "https://leads.example.com/console/leads/0193", "Command: leadgate watch --destination crm",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in:\n%s", want, text)
		}
	}
}

func TestMailThatMustBeEncryptedIsNotSentInTheClear(t *testing.T) {
	t.Parallel()
	port, mail := mailServer(t)
	n := open(t, &configv1.Notifier{Kind: &configv1.Notifier_Email{Email: &configv1.EmailNotifier{
		Host: "127.0.0.1", Port: int32(port), From: "leadgate@example.com", To: []string{"ops@example.com"}, Username: "u", Password: "${env:PASSWORD}",
	}}})
	if err := n.Notify(t.Context(), message(leadgatev1.NotificationType_NOTIFICATION_TYPE_FIRING)); err == nil || strings.Contains(err.Error(), "opensesame") {
		t.Errorf("error %v", err)
	}
	select {
	case text := <-mail:
		if strings.Contains(text, "DATA") {
			t.Errorf("it was sent:\n%s", text)
		}
	default:
	}
}
